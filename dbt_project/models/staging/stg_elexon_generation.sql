{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    fuel_type,
    generation_mw,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('elexon_generation') }} as latest
