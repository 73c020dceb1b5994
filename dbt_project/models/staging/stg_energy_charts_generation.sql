{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    country,
    production_type,
    power_mw,
    share_pct,
    received_at,
    landing_offset
from {{ latest_revision('energy_charts_generation') }} as latest
