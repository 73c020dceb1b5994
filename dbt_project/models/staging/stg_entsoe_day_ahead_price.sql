{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    bidding_zone,
    auction_sequence,
    resolution,
    price_eur_per_mwh,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_day_ahead_price') }} as latest
