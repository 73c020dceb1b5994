{# Wind and solar count only where every type is there that the zone has reported lately: a sum that
   lacks one would pass for a lull. #}

{%- set lately = days_lately() %}
{%- set generated = "direction = 'generation' and production_type in ('Solar', 'Wind Onshore', 'Wind Offshore')" %}
{%- set forecast = "forecast = 'Day ahead'" %}

with load_outcome as (
    select * from {{ by_quarter_hour(ref('stg_entsoe_load'), ['bidding_zone'], ['load_mw']) }} as quarters
),

load_forecast as (
    select * from {{ by_quarter_hour(ref('stg_entsoe_load_forecast'), ['bidding_zone'], ['load_mw']) }} as quarters
),

by_type as (
    select 'outcome' as what, *
    from {{ by_quarter_hour(
        ref('stg_entsoe_generation'), ['bidding_zone', 'production_type'], ['power_mw'], generated
    ) }} as quarters
    union all
    select 'forecast', *
    from {{ by_quarter_hour(
        ref('stg_entsoe_wind_solar_forecast'), ['bidding_zone', 'production_type'], ['power_mw'], forecast
    ) }} as quarters
),

reported as (
    select distinct 'outcome' as what, bidding_zone, production_type, {{ utc_day('delivery_start') }} as reported_day
    from {{ ref('stg_entsoe_generation') }}
    where {{ generated }} and {{ in_changed_days('delivery_start', margin=lately + 1) }}
    union all
    select distinct 'forecast', bidding_zone, production_type, {{ utc_day('delivery_start') }}
    from {{ ref('stg_entsoe_wind_solar_forecast') }}
    where {{ forecast }} and {{ in_changed_days('delivery_start', margin=lately + 1) }}
),

expected as (
    select days.what, days.bidding_zone, days.summed_day, count(distinct reported.production_type) as types
    from (select distinct what, bidding_zone, {{ utc_day('delivery_start') }} as summed_day from by_type) as days
    inner join reported
        on days.what = reported.what
        and days.bidding_zone = reported.bidding_zone
        and reported.reported_day between days.summed_day - {{ lately }} and days.summed_day
    group by days.what, days.bidding_zone, days.summed_day
),

summed as (
    select what, bidding_zone, delivery_start, sum(power_mw) as power_mw, count(*) as types, max(received_at) as received_at
    from by_type
    group by what, bidding_zone, delivery_start
),

wind_solar as (
    select summed.what, summed.bidding_zone, summed.delivery_start, summed.power_mw, summed.received_at
    from summed
    inner join expected
        on summed.what = expected.what
        and summed.bidding_zone = expected.bidding_zone
        and {{ utc_day('summed.delivery_start') }} = expected.summed_day
    where summed.types >= expected.types
),

outcome as (
    select
        bidding_zone,
        delivery_start,
        load_outcome.load_mw,
        wind_solar.power_mw as wind_solar_mw,
        greatest(
            coalesce(load_outcome.received_at, wind_solar.received_at),
            coalesce(wind_solar.received_at, load_outcome.received_at)
        ) as known_at
    from load_outcome
    full outer join (select * from wind_solar where what = 'outcome') as wind_solar
        using (bidding_zone, delivery_start)
),

forecast as (
    select
        bidding_zone,
        delivery_start,
        load_forecast.load_mw as load_forecast_mw,
        wind_solar.power_mw as wind_solar_forecast_mw,
        greatest(
            coalesce(load_forecast.received_at, wind_solar.received_at),
            coalesce(wind_solar.received_at, load_forecast.received_at)
        ) as known_at
    from load_forecast
    full outer join (select * from wind_solar where what = 'forecast') as wind_solar
        using (bidding_zone, delivery_start)
)

select
    bidding_zone,
    delivery_start,
    delivery_start + interval 15 minute as delivery_end,
    load_mw,
    wind_solar_mw,
    load_mw - wind_solar_mw as residual_load_mw,
    load_forecast_mw,
    wind_solar_forecast_mw,
    load_forecast_mw - wind_solar_forecast_mw as residual_load_forecast_mw,
    (load_forecast_mw - wind_solar_forecast_mw) - (load_mw - wind_solar_mw) as residual_load_forecast_error_mw,
    greatest(coalesce(outcome.known_at, forecast.known_at), coalesce(forecast.known_at, outcome.known_at)) as known_at
from outcome
full outer join forecast using (bidding_zone, delivery_start)
