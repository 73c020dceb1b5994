{# What a forecaster knew of each quarter-hour of DE-LU when the day-ahead auction closed, and beside
   it, as `outcome_…`, what came of it. Every feature goes through `as_of` the gate of the delivery
   that the row is about, also those that look at an earlier day. #}

{%- set gate = 'D-1 12:00 Europe/Berlin' %}
{%- set de_lu = "bidding_zone = 'DE-LU'" %}
{%- set here = in_changed_days('delivery_start', margin=1) %}
{%- set before = in_changed_days('delivery_start', margin=8) %}

with load_forecast as (
    select * from {{ by_quarter_hour(
        as_of('entsoe_load_forecast', gate, de_lu ~ ' and ' ~ here), ['bidding_zone'], ['load_mw']
    ) }} as quarters
),

wind_solar_forecast as (
    select
        delivery_start,
        max(case when production_type = 'Solar' then power_mw end) as solar_mw,
        max(case when production_type = 'Wind Onshore' then power_mw end) as wind_onshore_mw,
        max(case when production_type = 'Wind Offshore' then power_mw end) as wind_offshore_mw
    from {{ by_quarter_hour(
        as_of('entsoe_wind_solar_forecast', gate, de_lu ~ " and forecast = 'Day ahead' and " ~ here),
        ['bidding_zone', 'production_type'], ['power_mw']
    ) }} as quarters
    group by delivery_start
),

station_weather as (
    select *
    from {{ as_of('dwd_mosmix_forecast', gate, in_changed_days('valid_at', margin=1)) }} as known
    qualify row_number() over (partition by station_id, valid_at order by run_at desc) = 1
),

weather as (
    select
        valid_at,
        avg(wind_speed_m_per_s) as wind_speed_m_per_s,
        avg(temperature_deg_c) as temperature_deg_c,
        avg(global_radiation_kj_per_m2) as global_radiation_kj_per_m2,
        max(run_at) as weather_run_at
    from station_weather
    group by valid_at
),

{%- for name, source, value, condition, hours in [
    ('price_a_day_before', 'energy_charts_price', 'price_eur_per_mwh', de_lu, 24),
    ('price_a_week_before', 'energy_charts_price', 'price_eur_per_mwh', de_lu, 168),
    ('load_two_days_before', 'entsoe_load', 'load_mw', de_lu, 48),
    ('imbalance_two_days_before', 'netztransparenz_imbalance', 'power_mw',
     "quality = 'operational' and lower(replace(product, '-', '')) = 'nrvsaldo' and series = 'Deutschland'", 48),
] %}

{{ name }} as (
    select
        period_start + interval {{ hours * 60 }} minute as delivery_start,
        value_then
    from (
        select
            quarter_start as period_start,
            {{ value }} as value_then
        from {{ as_of(source, gate, condition ~ ' and ' ~ before, hours_later=hours) }} as known
        {{ each_quarter_hour('delivery_start', 'delivery_end', 'quarter_start') }}
        where {{ in_changed_days('(quarter_start + interval ' ~ hours * 60 ~ ' minute)') }}
        qualify row_number() over (
            partition by quarter_start order by {{ seconds_between('delivery_start', 'delivery_end') }}, delivery_start
        ) = 1
    ) as earlier
),
{%- endfor %}

price_outcome as (
    select * from {{ by_quarter_hour(ref('stg_energy_charts_price'), ['bidding_zone'], ['price_eur_per_mwh'], de_lu) }} as quarters
),

load_outcome as (
    select * from {{ by_quarter_hour(ref('stg_entsoe_load'), ['bidding_zone'], ['load_mw'], de_lu) }} as quarters
),

quarter_hours as (
    select delivery_start from load_forecast
    union distinct
    select delivery_start from wind_solar_forecast
    union distinct
    select delivery_start from price_outcome
),

clocks as (
    select
        delivery_start,
        {{ wall_clock('delivery_start', 'Europe/Berlin') }} as wall_clock,
        {{ known_by('delivery_start', gate) }} as gate_closure_at
    from quarter_hours
)

select
    clocks.delivery_start,
    clocks.delivery_start + interval 15 minute as delivery_end,
    clocks.gate_closure_at,
    cast(extract(hour from clocks.wall_clock) as {{ dbt.type_bigint() }}) as local_hour,
    cast(extract(minute from clocks.wall_clock) as {{ dbt.type_bigint() }}) as local_minute,
    cast({{ weekday('clocks.wall_clock') }} as {{ dbt.type_bigint() }}) as local_weekday,
    load_forecast.load_mw as load_forecast_mw,
    wind_solar_forecast.solar_mw as solar_forecast_mw,
    wind_solar_forecast.wind_onshore_mw as wind_onshore_forecast_mw,
    wind_solar_forecast.wind_offshore_mw as wind_offshore_forecast_mw,
    weather.wind_speed_m_per_s,
    weather.temperature_deg_c,
    weather.global_radiation_kj_per_m2,
    weather.weather_run_at,
    price_a_day_before.value_then as price_a_day_before_eur_per_mwh,
    price_a_week_before.value_then as price_a_week_before_eur_per_mwh,
    load_two_days_before.value_then as load_two_days_before_mw,
    imbalance_two_days_before.value_then as imbalance_two_days_before_mw,
    price_outcome.price_eur_per_mwh as outcome_price_eur_per_mwh,
    load_outcome.load_mw as outcome_load_mw
from clocks
left join load_forecast on clocks.delivery_start = load_forecast.delivery_start
left join wind_solar_forecast on clocks.delivery_start = wind_solar_forecast.delivery_start
left join weather on {{ dbt.date_trunc('hour', 'clocks.delivery_start') }} = weather.valid_at
left join price_a_day_before on clocks.delivery_start = price_a_day_before.delivery_start
left join price_a_week_before on clocks.delivery_start = price_a_week_before.delivery_start
left join load_two_days_before on clocks.delivery_start = load_two_days_before.delivery_start
left join imbalance_two_days_before on clocks.delivery_start = imbalance_two_days_before.delivery_start
left join price_outcome on clocks.delivery_start = price_outcome.delivery_start
left join load_outcome on clocks.delivery_start = load_outcome.delivery_start
