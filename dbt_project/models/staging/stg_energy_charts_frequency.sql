{# Written by `energy-platform generate`; not to be edited. #}

select
    observed_at,
    region,
    frequency_hz,
    received_at,
    landing_offset
from {{ latest_revision('energy_charts_frequency') }} as latest
