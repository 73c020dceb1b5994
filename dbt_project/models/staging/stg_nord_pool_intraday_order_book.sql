{# Written by `energy-platform generate`; not to be edited. #}

select
    observed_at,
    delivery_area_id,
    contract_id,
    side,
    order_id,
    revision_no,
    is_snapshot,
    published_at,
    price_eur_per_mwh,
    volume_mw,
    deleted,
    received_at,
    landing_offset
from {{ latest_revision('nord_pool_intraday_order_book') }} as latest
