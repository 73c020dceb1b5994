{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    product,
    quality,
    series,
    power_mw,
    price_eur_per_mwh,
    received_at,
    landing_offset
from {{ latest_revision('netztransparenz_imbalance') }} as latest
