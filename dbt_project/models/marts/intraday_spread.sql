{# A contract is traded from the afternoon before its delivery on. #}

with intraday as (
    select
        'DE-LU' as bidding_zone,
        delivery_start,
        sum(volume_weighted_price_eur_per_mwh * volume_mw) / sum(volume_mw) as price_eur_per_mwh,
        sum(volume_mw) / 4 as volume_mwh,
        max(known_at) as known_at
    from {{ ref('intraday_bar') }}
    where {{ in_changed_days('bar_start', margin=2) }} and {{ in_changed_days('delivery_start') }}
      and {{ seconds_between('delivery_start', 'delivery_end') }} = 900
    group by delivery_start
    union all
    select 'CZ', delivery_start, price_eur_per_mwh, volume_mwh, received_at
    from {{ by_quarter_hour(
        ref('stg_ote_intraday_price'), [], ['price_eur_per_mwh', 'volume_mwh'], 'price_eur_per_mwh is not null'
    ) }} as quarters
)

select
    intraday.bidding_zone,
    intraday.delivery_start,
    intraday.delivery_start + interval 15 minute as delivery_end,
    intraday.price_eur_per_mwh as intraday_price_eur_per_mwh,
    intraday.volume_mwh as intraday_volume_mwh,
    day_ahead.price_eur_per_mwh as day_ahead_price_eur_per_mwh,
    intraday.price_eur_per_mwh - day_ahead.price_eur_per_mwh as spread_eur_per_mwh,
    greatest(intraday.known_at, coalesce(day_ahead.known_at, intraday.known_at)) as known_at
from intraday
left join {{ ref('day_ahead_price') }} as day_ahead
    on intraday.bidding_zone = day_ahead.bidding_zone
    and intraday.delivery_start = day_ahead.delivery_start
    and {{ in_changed_days('day_ahead.delivery_start') }}
