"""`source:<name>`: of each series of a market source, the newest row that holds now.

Rows about the future are shown when their time has come. A provider that numbers its revisions may
send an old one late, and a row can be withdrawn; of such sources the hot store is asked, which
keeps the right one.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.topic import Loaded, NewRows
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_copy import hot_points

_LOOK_SECONDS: Final = 15.0
"""How late a period may be shown that has begun."""
MOST_SERIES: Final = 5_000
"""How many series are shown; of more, those with the newest rows."""


@dataclass(slots=True)
class LatestRows:
    """The topic of one source."""

    source: MarketSource
    stores: Stores
    every_seconds: float = 1.0
    shared: tuple[()] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The source."""
        return (self.source.name,)

    @property
    def refresh_seconds(self) -> float | None:
        """Periods begin although no row comes."""
        return None if issubclass(self.source.rows, InstantRows) else _LOOK_SECONDS

    @property
    def moment(self) -> str:
        """The event time."""
        return self.source.event_time

    def load(self) -> Loaded:
        """Ask the hot store, and the warehouse for the rows' origin."""
        reached = self.stores.reached(self.source)
        newest = self.stores.latest(self.source)
        shown = newest.sort(self.source.event_time, descending=True).head(MOST_SERIES)
        return Loaded(self._rows(shown), {self.source.name: reached})

    def changed_by(self, new: NewRows) -> Changes:
        """Return the newest row of each series among new rows."""
        if not self._is_told_in_order:
            return Changes(must_ask=True)
        time = pl.col(self.source.event_time)
        points = hot_points(self.source, new[self.source.name]).filter(time <= self.stores.now())
        if points.is_empty():
            return Changes()
        if self.source.tags:
            newest = points.sort(time).unique(self.source.tags, keep="last", maintain_order=True)
        else:
            newest = points.sort(time).tail(1)
        return Changes(self._rows(newest))

    @property
    def _is_told_in_order(self) -> bool:
        """Whether the row that comes last is the one that counts."""
        series = {*self.source.tags, self.source.event_time}
        about = self.source
        is_plain = about.revision is None and about.whole_list is None and not about.facts_move
        return is_plain and series.issuperset(self.source.key)

    def _rows(self, points: pl.DataFrame) -> list[Row]:
        return [
            {"id": series_id(self.source, row), "source": self.source.name, **row}
            for row in points.to_dicts()
        ]


def series_id(source: MarketSource, row: Row) -> str:
    """Return the id of a row's series: its tags, joined by `|`."""
    return "|".join(str(row[tag] or "") for tag in source.tags) or source.name
