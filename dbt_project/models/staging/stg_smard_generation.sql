{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    region,
    production_type,
    generation_mwh,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('smard_generation') }} as latest
