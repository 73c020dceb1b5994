{# Written by `energy-platform generate`; not to be edited. #}

select
    run_at,
    valid_at,
    latitude,
    longitude,
    height_m,
    wind_u_m_per_s,
    wind_v_m_per_s,
    wind_speed_m_per_s,
    wind_direction_deg,
    received_at,
    landing_offset
from {{ latest_revision('noaa_gfs_wind_forecast') }} as latest
