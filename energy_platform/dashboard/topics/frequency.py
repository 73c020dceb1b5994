"""`frequency:<area>`: the grid's frequency of the last minutes, second by second."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.topic import Loaded, NewRows
from energy_platform.market.instants import microseconds
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource

SOURCES: Final = {"CE": "energy_charts_frequency", "GB": "elexon_frequency"}
"""The source of each area's frequency: continental Europe and Great Britain."""
SHOWN: Final = timedelta(minutes=15)


@dataclass(slots=True)
class Frequency:
    """The topic of one area."""

    area: str
    stores: Stores
    every_seconds: float = 1.0
    refresh_seconds: float | None = None
    shared: tuple[()] = ()
    moment: str = "observed_at"
    _shown: dict[str, datetime] = field(default_factory=dict)

    @property
    def source(self) -> MarketSource:
        """The area's source."""
        return market_source(SOURCES[self.area])

    @property
    def sources(self) -> tuple[str, ...]:
        """The source's name."""
        return (self.source.name,)

    def load(self) -> Loaded:
        """Ask for the last minutes."""
        now, reached = self.stores.now(), self.stores.reached(self.source)
        points = self.stores.points(self.source, now - SHOWN, now + SHOWN)
        self._shown.clear()
        return Loaded(self._rows(points), {self.source.name: reached})

    def changed_by(self, new: NewRows) -> Changes:
        """Return the new seconds, and the ids of those that are too old by now."""
        rows = self._rows(new[self.source.name])
        since = max(self._shown.values(), default=self.stores.now()) - SHOWN
        gone = [name for name, at in self._shown.items() if at < since]
        for name in gone:
            del self._shown[name]
        return Changes([row for row in rows if row["observed_at"] >= since], gone)

    def _rows(self, points: pl.DataFrame) -> list[Row]:
        shown = points.select("observed_at", "frequency_hz", "received_at", "landing_offset")
        rows = [
            {"id": str(microseconds(row["observed_at"]) // 1_000_000),
             "source": self.source.name, **row}
            for row in shown.sort("observed_at", maintain_order=True).to_dicts()
        ]  # fmt: skip
        self._shown.update((row["id"], row["observed_at"]) for row in rows)
        return rows
