{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    weighting,
    kind,
    region,
    degree_days_f_d,
    received_at,
    landing_offset
from {{ latest_revision('noaa_degree_days') }} as latest
