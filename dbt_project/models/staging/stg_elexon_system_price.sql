{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    settlement_date,
    settlement_period,
    system_sell_price_gbp_per_mwh,
    system_buy_price_gbp_per_mwh,
    net_imbalance_volume_mwh,
    price_derivation_code,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('elexon_system_price') }} as latest
