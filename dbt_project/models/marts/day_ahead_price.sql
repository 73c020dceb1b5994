with prices as (
    select
        bidding_zone,
        delivery_start,
        delivery_end,
        case auction_sequence when 1 then 'entsoe' else 'exaa' end as origin,
        price_eur_per_mwh,
        received_at
    from {{ ref('stg_entsoe_day_ahead_price') }}
    where auction_sequence in (1, 2)
    union all
    select bidding_zone, delivery_start, delivery_end, 'energy_charts', price_eur_per_mwh, received_at
    from {{ ref('stg_energy_charts_price') }}
    union all
    select bidding_zone, delivery_start, delivery_end, 'smard', price_eur_per_mwh, received_at
    from {{ ref('stg_smard_price') }}
    where price_eur_per_mwh is not null
    union all
    select 'CZ', delivery_start, delivery_end, 'ote', price_eur_per_mwh, received_at
    from {{ ref('stg_ote_day_ahead_price') }}
    union all
    select {{ named('gme_zone', 'bidding_zone') }}, delivery_start, delivery_end, 'gme', price_eur_per_mwh, received_at
    from {{ ref('stg_gme_day_ahead_price') }}
    where {{ named('gme_zone', 'bidding_zone') }} is not null
)

select
    bidding_zone,
    delivery_start,
    delivery_start + interval 15 minute as delivery_end,
    coalesce(
        max(case when origin = 'entsoe' then price_eur_per_mwh end),
        max(case when origin = 'energy_charts' then price_eur_per_mwh end),
        max(case when origin = 'smard' then price_eur_per_mwh end),
        max(case when origin = 'ote' then price_eur_per_mwh end),
        max(case when origin = 'gme' then price_eur_per_mwh end)
    ) as price_eur_per_mwh,
    max(case when origin = 'entsoe' then price_eur_per_mwh end) as entsoe_price_eur_per_mwh,
    max(case when origin = 'energy_charts' then price_eur_per_mwh end) as energy_charts_price_eur_per_mwh,
    max(case when origin = 'smard' then price_eur_per_mwh end) as smard_price_eur_per_mwh,
    max(case when origin = 'ote' then price_eur_per_mwh end) as ote_price_eur_per_mwh,
    max(case when origin = 'gme' then price_eur_per_mwh end) as gme_price_eur_per_mwh,
    max(case when origin = 'exaa' then price_eur_per_mwh end) as exaa_price_eur_per_mwh,
    max(case when origin != 'exaa' then price_eur_per_mwh end)
    - min(case when origin != 'exaa' then price_eur_per_mwh end) as disagreement_eur_per_mwh,
    max(received_at) as known_at
from {{ by_quarter_hour('prices', ['bidding_zone', 'origin'], ['price_eur_per_mwh']) }} as quarters
group by bidding_zone, delivery_start
