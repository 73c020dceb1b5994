{# Wind and solar count only where every type is there that the zone reports on that day: a sum that
   lacks one would pass for a lull. #}

with load_outcome as (
    select * from {{ by_quarter_hour(ref('stg_entsoe_load'), ['bidding_zone'], ['load_mw']) }} as quarters
),

load_forecast as (
    select * from {{ by_quarter_hour(ref('stg_entsoe_load_forecast'), ['bidding_zone'], ['load_mw']) }} as quarters
),

by_type as (
    select 'outcome' as what, *
    from {{ by_quarter_hour(
        ref('stg_entsoe_generation'), ['bidding_zone', 'production_type'], ['power_mw'],
        "direction = 'generation' and production_type in ('Solar', 'Wind Onshore', 'Wind Offshore')"
    ) }} as quarters
    union all
    select 'forecast', *
    from {{ by_quarter_hour(
        ref('stg_entsoe_wind_solar_forecast'), ['bidding_zone', 'production_type'], ['power_mw'],
        "forecast = 'Day ahead'"
    ) }} as quarters
),

summed as (
    select what, bidding_zone, delivery_start, sum(power_mw) as power_mw, count(*) as types, max(received_at) as received_at
    from by_type
    group by what, bidding_zone, delivery_start
),

wind_solar as (
    select what, bidding_zone, delivery_start, power_mw, received_at
    from summed
    qualify types = max(types) over (partition by what, bidding_zone, {{ utc_day('delivery_start') }})
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
