{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    outage_id,
    revision_number,
    time_series,
    unit_kind,
    status,
    outage_type,
    bidding_zone,
    production_type,
    unit_eic,
    unit_name,
    location,
    nominal_mw,
    available_mw,
    reason_code,
    reason_text,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('entsoe_outage') }} as latest
