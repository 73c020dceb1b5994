{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    market,
    bidding_zone,
    market_time_unit,
    price_eur_per_mwh,
    received_at,
    landing_offset
from {{ latest_revision('gme_day_ahead_price') }} as latest
