"""The outages of plants: up to three revisions of each.

An outage is a function of its area, kind and slot, so nothing is stored.
"""

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
import polars as pl

from simulator.first_slots import quarters_of_a_day
from simulator.power_system.zones import ZONES
from simulator.providers.entsoe.codes import (
    AREA_NAMES,
    AREAS,
    GERMAN_CONTROL_AREAS,
    OUTAGE_AREAS,
    PLANT_NAMES,
)
from simulator.providers.entsoe.documents import Outage
from simulator.timeline import Shown, Timeline, Values, after_each, last_statements
from simulator.world import World

SOURCE: Final = "entsoe_outage"
REACH: Final = timedelta(hours=11)
"""The last revision of an outage is made within this time after its slot."""

KINDS: Final = {"A77": "production unit", "A80": "generation unit"}
_SLOT: Final = timedelta(hours=6)
_FIRST_NOTICE: Final = timedelta(minutes=17)
_QUARTER: Final = timedelta(minutes=15)
_LAST_REVISION: Final = 2
_ASKED_BACK: Final = timedelta(days=2)
_BUSINESS_TYPES: Final = {"A53": "Planned maintenance", "A54": "Unplanned outage"}
_STATUSES: Final = {None: "Active", "A09": "Cancelled", "A13": "Withdrawn"}
_REASONS: Final = {"B18": "Failure", "B19": "Foreseen maintenance", "B20": "Shutdown"}
_SIZES: Final = (110, 250, 400, 640, 1_000)
_PLANTS: Final = {
    "B02": "lignite", "B04": "gas", "B05": "coal", "B10": "pumped", "B12": "reservoir",
    "B14": "nuclear", "B18": "offshore",
}  # fmt: skip
"""Production types whose units may fail, with what the world calls their size in a zone."""


def timeline(world: World) -> Timeline:
    """Return the outages' notices; the journal begins with those that the feed asks for first."""
    return Timeline(
        world=world,
        source=SOURCE,
        series=[{"area": area, "kind": kind} for area in OUTAGE_AREAS for kind in KINDS],
        values=lambda _: {"left": Values(mean=0.4, noise=0.3, decimals=6)},
        resolution=_SLOT,
        schedule=after_each(
            _FIRST_NOTICE, _FIRST_NOTICE + timedelta(hours=4), _FIRST_NOTICE + timedelta(hours=10)
        ),
        reach=REACH,
        first_slot=lambda began: quarters_of_a_day(_ASKED_BACK)(began) - REACH,
        rows=_rows,
    )


def outages(stated: pl.DataFrame) -> Iterator[Outage]:
    """Yield the outages that statements are about, each in its last revision among them."""
    for notice in last_statements(stated).sort("stated_at", "series").iter_rows(named=True):
        yield _outage(notice)


def shown(since: datetime, until: datetime, statuses: Collection[str]) -> Shown:
    """Return the rule that shows the notices of a window, both ends included, in some statuses."""

    def rule(notices: pl.DataFrame) -> pl.DataFrame:
        made = notices.filter(pl.col("stated_at").is_between(since, until))
        status = [_outage(notice).status or "A05" for notice in made.iter_rows(named=True)]
        return made.filter(pl.Series(status, dtype=pl.String).is_in(statuses))

    return rule


def _outage(notice: Mapping[str, Any]) -> Outage:
    slot, revision = notice["slot"], notice["revision"]
    name = hashlib.sha256(f"{notice['area']} {notice['kind']} {slot:%Y%m%d%H}".encode()).digest()
    random = np.random.default_rng(list(name[:8]))
    planned = bool(random.choice([True, False], p=[0.6, 0.4]))
    reason = "B19" if planned else str(random.choice(["B18", "B20"]))
    nominal = int(random.choice(_SIZES))
    length = _QUARTER * int(random.integers(8, 120))
    start = slot + (_QUARTER * int(random.integers(24, 288)) if planned else timedelta(0))
    fate = random.choice(["A09", "A13", ""], p=[0.2, 0.1, 0.7])
    # The available power changes with the revision, and returns in one step or in two.
    left = min(max(notice["left"], 0.0), 0.9)
    ramp = start + length - _QUARTER * 4
    end = start + length + revision * _QUARTER
    stretches = [(start, ramp, round(nominal * left)), (ramp, end, round(nominal * (left + 1) / 2))]
    if not planned:
        stretches = [(start, end, 0)]
    return Outage(
        outage_id=base64.urlsafe_b64encode(name[:16]).decode().rstrip("="),
        revision_number=revision + 1,
        type=notice["kind"],
        made_at=notice["stated_at"],
        status=(str(fate) or None) if revision == _LAST_REVISION else None,
        business_type="A53" if planned else "A54",
        area=AREAS[notice["area"]],
        unit_eic=f"11WD8{name.hex()[:11].upper()}",
        unit_name=f"{notice['area']} & Söhne {name[8]}",
        location=notice["area"],
        production_type=str(random.choice(_plants_of(notice["area"]))),
        nominal_mw=nominal,
        stretches=stretches,
        reason_code=reason,
        reason_text=_REASONS[reason],
    )


@cache
def _plants_of(area: str) -> tuple[str, ...]:
    """Return the production types that an area has plants of."""
    zone = ZONES["DE-LU" if area in GERMAN_CONTROL_AREAS else area]
    return tuple(code for code, kind in _PLANTS.items() if getattr(zone, kind) > 0)


def _rows(stated: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "delivery_start": start,
                "delivery_end": end,
                "outage_id": outage.outage_id,
                "revision_number": outage.revision_number,
                "time_series": "1",
                "unit_kind": KINDS[outage.type],
                "status": _STATUSES[outage.status],
                "outage_type": _BUSINESS_TYPES[outage.business_type],
                "bidding_zone": AREA_NAMES[outage.area],
                "production_type": PLANT_NAMES[outage.production_type],
                "unit_eic": outage.unit_eic,
                "unit_name": outage.unit_name,
                "location": outage.location,
                "nominal_mw": float(outage.nominal_mw),
                "available_mw": float(available),
                "reason_code": outage.reason_code,
                "reason_text": outage.reason_text,
                "published_at": outage.made_at.replace(microsecond=0),
            }
            for outage in outages(stated)
            for start, end, available in outage.stretches
        ]
    )
