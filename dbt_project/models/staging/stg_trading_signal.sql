{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    signal,
    gate_at,
    price_q10_eur_per_mwh,
    price_q50_eur_per_mwh,
    price_q90_eur_per_mwh,
    power_q10_mw,
    power_q50_mw,
    power_q90_mw,
    chance_above_pct,
    features_known_at,
    model_version,
    silent_because,
    received_at,
    landing_offset
from {{ latest_revision('trading_signal') }} as latest
