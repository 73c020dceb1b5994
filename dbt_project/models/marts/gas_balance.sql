{# A gas day begins at six in the morning in Brussels. Flows are summed only where each side of a
   point that has reported lately has every hour that others of its country and direction have: a sum
   that lacks one would pass for less gas. #}

{%- set gas_day = "cast(" ~ wall_clock('delivery_start', 'Europe/Brussels') ~ " - interval 360 minute as date)" %}

{%- set lately = days_lately() %}

with storage as (
    select
        *,
        {{ named('agsi_country', 'code') }} as country,
        {{ gas_day }} as gas_day
    from {{ ref('stg_agsi_storage') }}
    where url = code and length(code) <= 3 and {{ in_changed_days('delivery_start', margin=1) }}
    qualify row_number() over (
        partition by {{ named('agsi_country', 'code') }}, delivery_start
        order by case when gas_in_storage_twh is null then 1 else 0 end, code desc
    ) = 1
),

hourly as (
    select
        {{ named('entsog_country', 'substr(operator_key, 1, 2)') }} as country,
        direction,
        operator_key,
        point_key,
        delivery_start,
        {{ gas_day }} as gas_day,
        energy_flow_kwh_per_h,
        received_at
    from {{ ref('stg_entsog_flow') }}
    where indicator = 'Physical Flow' and period_type = 'hour' and energy_flow_kwh_per_h is not null
      and {{ in_changed_days('delivery_start', margin=lately + 2) }}
),

sides as (
    select distinct country, direction, operator_key, point_key, gas_day
    from hourly
),

summed as (
    select
        country,
        direction,
        gas_day,
        sum(energy_flow_kwh_per_h) / 1000000 as flow_gwh,
        count(*) as flow_hours,
        count(distinct delivery_start) as hours,
        max(received_at) as received_at
    from hourly
    group by country, direction, gas_day
),

expected as (
    select
        summed.country,
        summed.direction,
        summed.gas_day,
        count(distinct concat(sides.operator_key, ' ', sides.point_key)) as sides
    from summed
    inner join sides
        on summed.country = sides.country
        and summed.direction = sides.direction
        and sides.gas_day between summed.gas_day - {{ lately }} and summed.gas_day
    group by summed.country, summed.direction, summed.gas_day
),

flows as (
    select
        summed.country,
        summed.gas_day,
        max(case when summed.direction = 'entry' and summed.flow_hours >= summed.hours * expected.sides then summed.flow_gwh end) as entry_gwh,
        max(case when summed.direction = 'exit' and summed.flow_hours >= summed.hours * expected.sides then summed.flow_gwh end) as exit_gwh,
        sum(summed.flow_hours) as flow_hours,
        max(summed.received_at) as received_at
    from summed
    inner join expected
        on summed.country = expected.country
        and summed.direction = expected.direction
        and summed.gas_day = expected.gas_day
    group by summed.country, summed.gas_day
),

days as (
    select
        coalesce(storage.country, flows.country) as country,
        {{ from_wall_clock('(cast(coalesce(storage.gas_day, flows.gas_day) as datetime) + interval 360 minute)', 'Europe/Brussels') }} as delivery_start,
        {{ from_wall_clock('(cast(coalesce(storage.gas_day, flows.gas_day) as datetime) + interval 1800 minute)', 'Europe/Brussels') }} as delivery_end,
        storage.gas_in_storage_twh,
        storage.full_pct,
        storage.injection_gwh_per_d,
        storage.withdrawal_gwh_per_d,
        storage.net_withdrawal_gwh_per_d,
        storage.status as storage_status,
        flows.entry_gwh,
        flows.exit_gwh,
        flows.entry_gwh - flows.exit_gwh as net_entry_gwh,
        cast(flows.flow_hours as {{ dbt.type_bigint() }}) as flow_hours,
        greatest(coalesce(storage.received_at, flows.received_at), coalesce(flows.received_at, storage.received_at)) as known_at
    from storage
    full outer join flows on storage.country = flows.country and storage.gas_day = flows.gas_day
)

select * from days where {{ in_changed_days('delivery_start') }}
