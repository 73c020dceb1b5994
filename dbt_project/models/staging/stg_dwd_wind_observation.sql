{# Written by `energy-platform generate`; not to be edited. #}

select
    observed_at,
    station_id,
    product,
    quality_level,
    wind_speed_m_per_s,
    wind_direction_deg,
    gust_speed_m_per_s,
    lowest_mean_speed_m_per_s,
    highest_mean_speed_m_per_s,
    gust_direction_deg,
    received_at,
    landing_offset
from {{ latest_revision('dwd_wind_observation') }} as latest
