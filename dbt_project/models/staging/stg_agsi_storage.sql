{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    code,
    url,
    published_at,
    gas_in_storage_twh,
    working_gas_volume_twh,
    full_pct,
    trend_pct,
    injection_gwh_per_d,
    withdrawal_gwh_per_d,
    net_withdrawal_gwh_per_d,
    injection_capacity_gwh_per_d,
    withdrawal_capacity_gwh_per_d,
    status,
    received_at,
    landing_offset
from {{ latest_revision('agsi_storage') }} as latest
