{# Positive is short: the system lacks power. ČEPS counts the other way. #}

with germany_values as (
    select
        *,
        lower(replace(product, '-', '')) as kind,
        lower(series) as part
    from {{ ref('stg_netztransparenz_imbalance') }}
    where {{ in_changed_days('delivery_start') }}
),

germany_best as (
    select *
    from germany_values
    qualify row_number() over (
        partition by kind, part, delivery_start order by case quality when 'quality_assured' then 1 else 2 end, delivery_end
    ) = 1
),

germany as (
    select
        'DE' as area,
        delivery_start,
        max(delivery_end) as delivery_end,
        max(case when kind = 'nrvsaldo' and part = 'deutschland' then power_mw end) as imbalance_mw,
        max(case when kind = 'nrvsaldo' and part = 'deutschland' then quality end) as quality,
        max(case when kind = 'rebap' and part like '%unterdeckt' then price_eur_per_mwh end) as short_price_eur_per_mwh,
        max(case when kind = 'rebap' and part not like '%unterdeckt' then price_eur_per_mwh end) as long_price_eur_per_mwh,
        max(case when kind like 'aepsch%' and part like 'aep-sch%' then price_eur_per_mwh end) as estimated_price_eur_per_mwh,
        max(received_at) as known_at
    from germany_best
    where kind in ('nrvsaldo', 'rebap') or kind like 'aepsch%'
    group by delivery_start
),

czechia as (
    select
        {{ quarter_hour('delivery_start') }} as quarter_start,
        case when count(*) = 15 then -sum(system_imbalance_mw) / 15 end as imbalance_mw,
        max(received_at) as known_at
    from {{ ref('stg_ceps_imbalance') }}
    where {{ in_changed_days('delivery_start') }}
    group by {{ quarter_hour('delivery_start') }}
),

britain as (
    select
        *,
        net_imbalance_volume_mwh * 3600 / {{ seconds_between('delivery_start', 'delivery_end') }} as imbalance_mw
    from {{ ref('stg_elexon_system_price') }}
    where {{ in_changed_days('delivery_start') }}
),

areas as (
    select
        area, delivery_start, delivery_end, imbalance_mw, quality, short_price_eur_per_mwh,
        long_price_eur_per_mwh, estimated_price_eur_per_mwh,
        cast(null as {{ dbt.type_float() }}) as short_price_gbp_per_mwh,
        cast(null as {{ dbt.type_float() }}) as long_price_gbp_per_mwh,
        known_at
    from germany
    union all
    select
        'CZ', quarter_start, quarter_start + interval 15 minute, imbalance_mw, null, null,
        null, null, null, null, known_at
    from czechia
    union all
    select
        'GB', delivery_start, delivery_end, imbalance_mw, null, null,
        null, null, system_buy_price_gbp_per_mwh, system_sell_price_gbp_per_mwh, received_at
    from britain
)

select
    area,
    delivery_start,
    delivery_end,
    imbalance_mw,
    imbalance_mw * {{ seconds_between('delivery_start', 'delivery_end') }} / 3600 as imbalance_mwh,
    case when imbalance_mw > 0 then 'short' when imbalance_mw < 0 then 'long' when imbalance_mw = 0 then 'balanced' end as direction,
    quality,
    short_price_eur_per_mwh,
    long_price_eur_per_mwh,
    estimated_price_eur_per_mwh,
    short_price_gbp_per_mwh,
    long_price_gbp_per_mwh,
    known_at
from areas
