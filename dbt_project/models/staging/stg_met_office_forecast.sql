{# Written by `energy-platform generate`; not to be edited. #}

select
    run_at,
    valid_at,
    latitude,
    longitude,
    height_m,
    parameter,
    wind_speed_m_per_s,
    gust_speed_m_per_s,
    wind_direction_deg,
    temperature_deg_c,
    shortwave_radiation_w_per_m2,
    received_at,
    landing_offset
from {{ latest_revision('met_office_forecast') }} as latest
