{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    contract_id,
    delivery_area_id,
    updated_at,
    published_at,
    contract_name,
    product_type,
    product_id,
    market_id,
    duration_s,
    predefined,
    state,
    opens_at,
    closes_at,
    deleted,
    received_at,
    landing_offset
from {{ latest_revision('nord_pool_intraday_contract') }} as latest
