{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    market,
    reserve_type,
    product,
    bid_rank,
    country,
    capacity_price_eur_per_mw,
    capacity_price_eur_per_mw_per_h,
    energy_price_eur_per_mwh,
    payment_direction,
    offered_mw,
    allocated_mw,
    note,
    received_at,
    landing_offset
from {{ latest_revision('regelleistung_tender') }} as latest
