select
    border.from_zone,
    border.to_zone,
    origin.delivery_start,
    origin.delivery_end,
    origin.price_eur_per_mwh as from_price_eur_per_mwh,
    destination.price_eur_per_mwh as to_price_eur_per_mwh,
    destination.price_eur_per_mwh - origin.price_eur_per_mwh as spread_eur_per_mwh,
    greatest(origin.known_at, destination.known_at) as known_at
from {{ ref('border') }} as border
inner join {{ ref('day_ahead_price') }} as origin
    on border.from_zone = origin.bidding_zone
inner join {{ ref('day_ahead_price') }} as destination
    on border.to_zone = destination.bidding_zone and origin.delivery_start = destination.delivery_start
where origin.price_eur_per_mwh is not null
  and destination.price_eur_per_mwh is not null
  and {{ in_changed_days('origin.delivery_start') }}
  and {{ in_changed_days('destination.delivery_start') }}
