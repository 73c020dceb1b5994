{# Written by `energy-platform generate`; not to be edited. #}

select
    run_at,
    valid_at,
    station_id,
    station_name,
    station_latitude_deg,
    station_longitude_deg,
    station_height_m,
    temperature_deg_c,
    dew_point_deg_c,
    ground_temperature_deg_c,
    wind_speed_m_per_s,
    gust_speed_m_per_s,
    wind_direction_deg,
    pressure_pa,
    cloud_cover_pct,
    global_radiation_kj_per_m2,
    sunshine_s,
    precipitation_kg_per_m2,
    snow_kg_per_m2,
    received_at,
    landing_offset
from {{ latest_revision('dwd_mosmix_forecast') }} as latest
