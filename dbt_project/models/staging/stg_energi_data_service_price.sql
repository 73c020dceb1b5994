{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    bidding_zone,
    price_eur_per_mwh,
    received_at,
    landing_offset
from {{ latest_revision('energi_data_service_price') }} as latest
