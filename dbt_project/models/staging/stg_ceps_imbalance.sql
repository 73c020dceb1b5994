{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    system_imbalance_mw,
    received_at,
    landing_offset
from {{ latest_revision('ceps_imbalance') }} as latest
