{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    from_zone,
    to_zone,
    resolution,
    flow_mw,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_cross_border_flow') }} as latest
