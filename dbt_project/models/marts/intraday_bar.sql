{# A trade is counted once, by one of its legs; a cancelled one not at all. Trades are made in the
   few days before delivery, so a revision can't move one further than the margin. What a contract
   delivers is in the exchange's list of contracts; its delivery areas all say the same. #}

with legs as (
    select *
    from {{ latest_revision('nord_pool_intraday_trade', in_changed_days('observed_at', margin=3)) }} as latest
    where state != 'CANCELLED' and price_eur_per_mwh is not null
),

contracts as (
    select
        contract_id,
        min(delivery_start) as delivery_start,
        max(delivery_end) as delivery_end,
        max(contract_name) as contract_name
    from {{ latest_revision('nord_pool_intraday_contract', in_changed_days('delivery_start', margin=2)) }} as latest
    group by contract_id
),

trades as (
    select
        *,
        {{ quarter_hour('observed_at') }} as bar_start
    from legs
    where {{ in_changed_days('observed_at') }}
    qualify row_number() over (partition by trade_id, contract_id order by side, delivery_area_id) = 1
),

numbered as (
    select
        *,
        row_number() over (partition by contract_id, bar_start order by observed_at, trade_id) as place_from_start,
        row_number() over (partition by contract_id, bar_start order by observed_at desc, trade_id desc) as place_from_end
    from trades
)

select
    numbered.contract_id,
    bar_start,
    bar_start + interval 15 minute as bar_end,
    coalesce(max(contracts.contract_name), max(numbered.contract_name)) as contract_name,
    max(contracts.delivery_start) as delivery_start,
    max(contracts.delivery_end) as delivery_end,
    max(case when place_from_start = 1 then price_eur_per_mwh end) as open_price_eur_per_mwh,
    max(price_eur_per_mwh) as high_price_eur_per_mwh,
    min(price_eur_per_mwh) as low_price_eur_per_mwh,
    max(case when place_from_end = 1 then price_eur_per_mwh end) as close_price_eur_per_mwh,
    sum(price_eur_per_mwh * volume_mw) / sum(volume_mw) as volume_weighted_price_eur_per_mwh,
    sum(volume_mw) as volume_mw,
    count(*) as trade_count,
    max(received_at) as known_at
from numbered
left join contracts on numbered.contract_id = contracts.contract_id
group by numbered.contract_id, bar_start
