"""The day-ahead prices that Energy-Charts publishes, and when those of each zone appear."""

import zlib
from collections.abc import Sequence
from datetime import time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from simulator.first_slots import whole_days
from simulator.power_system import power_system
from simulator.power_system.told import zones_told
from simulator.timeline import Timeline, Values, day_before
from simulator.world import World

SOURCE: Final = "energy_charts_price"
ZONES: Final = ("DE-LU", "AT", "BE", "CH", "CZ", "DK1", "FR", "HU", "NL", "PL")
MARKET_TIME: Final = ZoneInfo("Europe/Berlin")

_HOURLY_ZONES: Final = ("CH",)
_FIRST_PUBLICATION: Final = time(12, 45)
_PUBLICATION_SPREAD_MINUTES: Final = 15
_ASKED_BACK: Final = timedelta(days=7)
"""How far back a feed asks at its start."""


def prices(world: World) -> Sequence[Timeline]:
    """Return the auctions of all zones: a zone's prices of a day appear the day before."""
    return [_zone(world, zone) for zone in ZONES]


def _zone(world: World, zone: str) -> Timeline:
    resolution = timedelta(hours=1) if zone in _HOURLY_ZONES else timedelta(minutes=15)
    return Timeline(
        world=world,
        source=SOURCE,
        series=[{"bidding_zone": zone}],
        values=lambda _: {"price_eur_per_mwh": Values()},
        truth=zones_told([zone], power_system(world.seed).price),
        resolution=resolution,
        schedule=day_before(_publication(zone), MARKET_TIME.key),
        reach=timedelta(days=2),
        first_slot=whole_days(_ASKED_BACK, MARKET_TIME),
        rows=lambda stated: stated.select(
            "bidding_zone",
            "price_eur_per_mwh",
            delivery_start="slot",
            delivery_end=pl.col("slot") + resolution,
        ),
    )


def _publication(zone: str) -> time:
    """Return the local time at which a zone's prices appear: each has its own minute."""
    later = zlib.crc32(zone.encode()) % _PUBLICATION_SPREAD_MINUTES
    return _FIRST_PUBLICATION.replace(minute=_FIRST_PUBLICATION.minute + later)
