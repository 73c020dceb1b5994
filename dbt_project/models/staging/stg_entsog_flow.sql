{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    indicator,
    period_type,
    operator_key,
    point_key,
    direction,
    energy_flow_kwh_per_h,
    energy_flow_kwh_per_d,
    calorific_value_kwh_per_nm3,
    flow_status,
    published_at,
    received_at,
    landing_offset
from {{ latest_revision('entsog_flow') }} as latest
