{# Written by `energy-platform generate`; not to be edited. #}

select
    site,
    valid_at,
    temperature_deg_c,
    relative_humidity_pct,
    cloud_cover_pct,
    precipitation_mm,
    wind_speed_10m_m_per_s,
    wind_speed_80m_m_per_s,
    wind_speed_120m_m_per_s,
    wind_gusts_10m_m_per_s,
    wind_direction_80m_deg,
    shortwave_radiation_w_per_m2,
    direct_radiation_w_per_m2,
    diffuse_radiation_w_per_m2,
    received_at,
    landing_offset
from {{ latest_revision('open_meteo_forecast') }} as latest
