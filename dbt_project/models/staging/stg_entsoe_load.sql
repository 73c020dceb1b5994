{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    bidding_zone,
    resolution,
    load_mw,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_load') }} as latest
