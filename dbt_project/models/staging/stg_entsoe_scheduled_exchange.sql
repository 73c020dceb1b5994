{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    from_zone,
    to_zone,
    contract,
    resolution,
    exchange_mw,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_scheduled_exchange') }} as latest
