{# What was forecast so many hours before delivery: of the day-ahead, intraday and current forecasts
   known by then the one received last. #}

{%- set leads = [1, 6, 12, 24, 36] %}

with known as (
    {%- for lead in leads %}
    select cast({{ lead }} as {{ dbt.type_bigint() }}) as lead_hours, *
    from {{ as_of('entsoe_wind_solar_forecast', lead ~ ' hours', in_changed_days('delivery_start', margin=1)) }} as known_{{ lead }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

latest as (
    select *
    from known
    qualify row_number() over (
        partition by lead_hours, bidding_zone, production_type, resolution, delivery_start
        order by received_at desc, landing_offset desc, {{ place() }} desc
    ) = 1
),

forecasts as (
    select *
    from {{ by_quarter_hour('latest', ['lead_hours', 'bidding_zone', 'production_type'], ['forecast', 'power_mw']) }} as quarters
),

outcomes as (
    select *
    from {{ by_quarter_hour(
        ref('stg_entsoe_generation'), ['bidding_zone', 'production_type'], ['power_mw'], "direction = 'generation'"
    ) }} as quarters
)

select
    forecasts.bidding_zone,
    forecasts.production_type,
    forecasts.lead_hours,
    forecasts.delivery_start,
    forecasts.delivery_start + interval 15 minute as delivery_end,
    forecasts.forecast,
    forecasts.received_at as forecast_known_at,
    forecasts.power_mw as forecast_mw,
    outcomes.power_mw as outcome_mw,
    forecasts.power_mw - outcomes.power_mw as error_mw,
    greatest(forecasts.received_at, coalesce(outcomes.received_at, forecasts.received_at)) as known_at
from forecasts
left join outcomes
    on forecasts.bidding_zone = outcomes.bidding_zone
    and forecasts.production_type = outcomes.production_type
    and forecasts.delivery_start = outcomes.delivery_start
