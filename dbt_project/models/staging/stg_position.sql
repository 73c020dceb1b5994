{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    portfolio,
    area,
    kind,
    name,
    power_mw,
    changed_by,
    received_at,
    landing_offset
from {{ latest_revision('position') }} as latest
