{# Written by `energy-platform generate`; not to be edited. #}

select
    delivery_start,
    delivery_end,
    load_mw,
    load_including_pumping_mw,
    received_at,
    landing_offset
from {{ latest_revision('ceps_load') }} as latest
