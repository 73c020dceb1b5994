{# A gas day begins at six in the morning in Brussels. #}

{%- set gas_day = "cast(" ~ wall_clock('delivery_start', 'Europe/Brussels') ~ " - interval 360 minute as date)" %}

with storage as (
    select *, {{ gas_day }} as gas_day
    from {{ ref('stg_agsi_storage') }}
    where length(code) = 2 and url = code and {{ in_changed_days('delivery_start', margin=1) }}
),

flows as (
    select
        substr(operator_key, 1, 2) as code,
        {{ gas_day }} as gas_day,
        sum(case when direction = 'entry' then energy_flow_kwh_per_h end) / 1000000 as entry_gwh,
        sum(case when direction = 'exit' then energy_flow_kwh_per_h end) / 1000000 as exit_gwh,
        count(energy_flow_kwh_per_h) as flow_hours,
        max(received_at) as received_at
    from {{ ref('stg_entsog_flow') }}
    where indicator = 'Physical Flow' and period_type = 'hour' and {{ in_changed_days('delivery_start', margin=2) }}
    group by substr(operator_key, 1, 2), {{ gas_day }}
),

days as (
    select
        coalesce(storage.code, flows.code) as country,
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
        flows.flow_hours,
        greatest(coalesce(storage.received_at, flows.received_at), coalesce(flows.received_at, storage.received_at)) as known_at
    from storage
    full outer join flows on storage.code = flows.code and storage.gas_day = flows.gas_day
)

select * from days where {{ in_changed_days('delivery_start') }}
