{# Written by `energy-platform generate`; not to be edited. #}

select
    observed_at,
    frequency_hz,
    received_at,
    landing_offset
from {{ latest_revision('elexon_frequency') }} as latest
