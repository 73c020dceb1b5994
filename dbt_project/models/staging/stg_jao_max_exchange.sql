{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    border,
    max_exchange_mw,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('jao_max_exchange') }} as latest
