{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    bidding_zone,
    production_type,
    forecast,
    resolution,
    power_mw,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_wind_solar_forecast') }} as latest
