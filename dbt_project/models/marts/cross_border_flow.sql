{# Each border once, from the zone that comes first in the alphabet. #}

with flows as (
    select *
    from {{ by_quarter_hour(ref('stg_entsoe_cross_border_flow'), ['from_zone', 'to_zone'], ['flow_mw']) }} as quarters
),

schedules as (
    select *
    from {{ by_quarter_hour(ref('stg_entsoe_scheduled_exchange'), ['from_zone', 'to_zone'], ['exchange_mw'], "contract = 'Total'") }} as quarters
),

exchanges as (
    select *
    from {{ by_quarter_hour(ref('stg_jao_max_exchange'), ['border'], ['max_exchange_mw']) }} as quarters
),

directions as (
    select
        from_zone,
        to_zone,
        delivery_start,
        flow_mw,
        cast(null as {{ dbt.type_float() }}) as scheduled_exchange_mw,
        cast(null as {{ dbt.type_float() }}) as max_exchange_mw,
        received_at
    from flows
    union all
    select from_zone, to_zone, delivery_start, null, exchange_mw, null, received_at
    from schedules
    union all
    select
        {{ named('jao_hub', dbt.split_part('border', "'_'", 1)) }},
        {{ named('jao_hub', dbt.split_part('border', "'_'", 2)) }},
        delivery_start,
        null,
        null,
        max_exchange_mw,
        received_at
    from exchanges
),

borders as (
    select
        least(from_zone, to_zone) as from_zone,
        greatest(from_zone, to_zone) as to_zone,
        delivery_start,
        max(case when from_zone < to_zone then flow_mw end) as forward_flow_mw,
        max(case when from_zone > to_zone then flow_mw end) as backward_flow_mw,
        max(case when from_zone < to_zone then scheduled_exchange_mw end) as forward_scheduled_exchange_mw,
        max(case when from_zone > to_zone then scheduled_exchange_mw end) as backward_scheduled_exchange_mw,
        max(case when from_zone < to_zone then max_exchange_mw end) as forward_max_exchange_mw,
        max(case when from_zone > to_zone then max_exchange_mw end) as backward_max_exchange_mw,
        max(received_at) as known_at
    from directions
    group by least(from_zone, to_zone), greatest(from_zone, to_zone), delivery_start
)

select
    from_zone,
    to_zone,
    delivery_start,
    delivery_start + interval 15 minute as delivery_end,
    forward_flow_mw,
    backward_flow_mw,
    forward_flow_mw - backward_flow_mw as net_flow_mw,
    forward_scheduled_exchange_mw,
    backward_scheduled_exchange_mw,
    forward_scheduled_exchange_mw - backward_scheduled_exchange_mw as net_scheduled_exchange_mw,
    forward_flow_mw - backward_flow_mw
    - (forward_scheduled_exchange_mw - backward_scheduled_exchange_mw) as unscheduled_flow_mw,
    forward_max_exchange_mw,
    backward_max_exchange_mw,
    100 * abs(forward_flow_mw - backward_flow_mw) / nullif(
        case when forward_flow_mw >= backward_flow_mw then forward_max_exchange_mw else backward_max_exchange_mw end, 0
    ) as max_exchange_used_pct,
    known_at
from borders
