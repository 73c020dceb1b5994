{# Written by `energy-platform generate`; not to be edited. #}

select
    observed_at,
    trade_id,
    contract_id,
    side,
    delivery_area_id,
    revision_no,
    updated_at,
    published_at,
    contract_name,
    state,
    price_eur_per_mwh,
    price_gbp_per_mwh,
    volume_mw,
    is_aggressor,
    deleted,
    received_at,
    landing_offset
from {{ latest_revision('nord_pool_intraday_trade') }} as latest
