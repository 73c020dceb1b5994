"""The simulated world as the histories of signals, without servers and stores between them.

The values and the times at which they are known are those of the simulator's providers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl

from energy_platform.history.knowledge_time import knowledge_time
from energy_platform.market.instants import INSTANT
from energy_platform.signals.histories import Reader
from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import KINDS, NUMBERS, PowerSystem, power_system

if TYPE_CHECKING:
    from energy_platform.reading.platform import Platform

GERMANY: Final = NUMBERS["DE-LU"]
TRADED_BEFORE: Final = tuple(timedelta(minutes=m) for m in (290, 170, 125, 95, 65, 40, 20, 6))
"""How long before delivery an hour's contract is traded."""


def starts(start: datetime, end: datetime, step: timedelta) -> pl.Series:
    """Return the starts of the whole periods in [start, end)."""
    first = start + (datetime(1970, 1, 1, tzinfo=UTC) - start) % step
    found = pl.datetime_range(first, end, step, closed="left", time_unit="us", time_zone="UTC")
    return pl.select(found.cast(INSTANT)).to_series()


def seconds_of(instants: pl.Series) -> tuple[Ints, Floats]:
    """Return Germany's number and the seconds since 1970, of the same shape."""
    seconds = instants.dt.epoch("s").to_numpy().astype(float)
    return np.full(seconds.shape, GERMANY), seconds


@dataclass(frozen=True)
class WorldPlatform:
    """Answers `trades` as a platform does."""

    system: PowerSystem

    def trades(self, *, start: datetime, end: datetime, **_: Any) -> pl.DataFrame:
        """Return trades of hourly contracts, known two seconds after they are made."""
        hours = starts(start, end, timedelta(hours=1))
        each = pl.DataFrame({"delivery_start": hours}).join(
            pl.DataFrame({"before": list(TRADED_BEFORE)}), how="cross"
        )
        at = each["delivery_start"] - each["before"]
        (zones, delivery), (_zones, made) = seconds_of(each["delivery_start"]), seconds_of(at)
        # An hour is worth the mean of its quarter-hours.
        prices = np.mean(
            [self.system.intraday_price(zones, delivery + 900.0 * q, made) for q in range(4)],
            axis=0,
        )
        return each.select(
            "delivery_start",
            delivery_end=pl.col("delivery_start") + timedelta(hours=1),
            contract_id=pl.col("delivery_start").dt.strftime("%Y%m%d%H"),
            contract_name=pl.lit("PH"),
            product=pl.lit("P60MIN"),
            observed_at=at,
            received_at=at + timedelta(seconds=2),
            price_eur_per_mwh=pl.Series(prices),
            volume_mw=pl.lit(5.0),
            volume_mwh=pl.lit(5.0),
        )


@dataclass(frozen=True)
class WorldReader(Reader):
    """Reads the histories of a simulated world."""

    seed: int = 7

    def revisions(
        self, source: str, start: datetime, end: datetime, where: Mapping[str, str | int]
    ) -> pl.DataFrame:
        """Return a series' values, each with one revision."""
        system = power_system(self.seed)
        slots = starts(start, end, timedelta(minutes=15))
        zones, seconds = seconds_of(slots)
        daily = {"entsoe_day_ahead_price": "D-1 12:57 Europe/Berlin",
                 "entsoe_load_forecast": "D-1 09:30 Europe/Berlin"}  # fmt: skip
        after = {"entsoe_load": 60, "netztransparenz_imbalance": 22}
        column, values = {
            "entsoe_day_ahead_price": ("price_eur_per_mwh", system.price),
            "entsoe_load_forecast": ("load_mw", system.expected_load_mw),
            "entsoe_load": ("load_mw", lambda z, s: system.power(z, s)[KINDS.index("load")]),
            "netztransparenz_imbalance": (
                ("power_mw", system.imbalance_mw)
                if where.get("product") == "NRV-Saldo"
                else ("price_eur_per_mwh", system.imbalance_price)
            ),
        }[source]
        slot = pl.col("delivery_start")
        known = (
            knowledge_time(daily[source]).known_by(slot)
            if source in daily
            else slot + timedelta(minutes=after[source])
        )
        rows = pl.DataFrame({"delivery_start": slots, column: values(zones, seconds)})
        return self._shown(
            rows.with_columns(known_at=known, superseded_at=pl.lit(None, dtype=INSTANT))
        )


def world_reader(seed: int = 7) -> WorldReader:
    """Return a reader of the world with a seed."""
    platform = cast("Platform", WorldPlatform(power_system(seed)))
    return WorldReader(platform=platform, seed=seed)
