{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    price_eur_per_mwh,
    hourly_price_eur_per_mwh,
    volume_mwh,
    emergency_state,
    received_at,
    landing_offset
from {{ latest_revision('ote_day_ahead_price') }} as latest
