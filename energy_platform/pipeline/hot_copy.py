"""The hot copy: what dashboards show of a source, and how it catches up with the warehouse.

The hot copy may lag while the hot store is down; it catches up in chunks. `hot_lane` decides when
it is written, and each hot store how points are written.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.history.revisions import known_beside, latest_revision
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WITHDRAWN
from energy_platform.pipeline.new_rows import NewRows
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.storage.hot_store.protocol import REASON, HotStore
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Warehouse

_CATCH_UP_ROWS: Final = 200_000
"""How many rows one chunk has when a hot copy catches up; a message's rows stay together."""

_CATCH_UP: Final = timedelta(seconds=10)
"""How long a copy catches up before it pauses, because others wait meanwhile."""

_WRITTEN_AT_ONCE: Final = 10_000
"""How many points one write has; in a store with one writer, other sources wait for it."""

_LISTED: Final = "_listed"

HOT_STORE: Final = "hot_store"
"""The name of the check that a point fails if the hot store refuses it."""


@dataclass(frozen=True, slots=True)
class HotReach:
    """How far a hot copy is written.

    Attributes:
        offset: The landing offset; None while the hot store is down.
        behind: Why it lacks rows that the warehouse has; empty if it lacks none.
    """

    offset: int | None
    behind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HotCopies:
    """The hot copies of all sources.

    Attributes:
        days: How far back the hot store goes.
    """

    warehouse: Warehouse
    store: HotStore
    days: int

    def since(self) -> datetime:
        """Return the earliest event time of points in the hot store."""
        return datetime.now(UTC) - timedelta(days=self.days)

    def reached(self, source: MarketSource) -> int:
        """Return the landing offset up to which a source's points are written.

        Raises:
            HotStoreUnavailableError: The hot store is down.
        """
        return self.store.committed_offset(measurement(source))

    def reach(self, source: MarketSource, stored: int) -> HotReach:
        """Return how far the hot copy is written, compared with the warehouse's landing offset."""
        try:
            reached = self.reached(source)
        except HotStoreUnavailableError as error:
            return HotReach(None, str(error))
        behind = f"{stored - reached} messages behind the warehouse" if reached < stored else ""
        return HotReach(reached, behind)

    def show(self, source: MarketSource, new: NewRows, *, stop: int) -> None:
        """Write the points that new rows change, and then the landing offset that they reach.

        Points that the hot store refuses are in quarantine before the offset is recorded.

        Args:
            source: The rows' source.
            new: The rows.
            stop: The landing offset up to which the rows were read.

        Raises:
            HotStoreUnavailableError: The hot store is down.
        """
        self._write(source, new, stop=stop)
        self.store.commit_offset(measurement(source), stop=stop)

    def catch_up(self, source: MarketSource, reached: int, stored: int) -> None:
        """Write the points of the warehouse's rows, in chunks and for a limited time.

        Args:
            source: The hot copy's source.
            reached: The landing offset up to which the copy is written.
            stored: The landing offset that the warehouse has reached.

        Raises:
            HotStoreUnavailableError: The hot store is down.
        """
        began, table = time.monotonic(), market_table(source)
        for chunk in self._chunks(source, reached, stored):
            fresh = self._recent(source, chunk).collect()
            known = known_beside(fresh, self.warehouse.scan(table), source)
            self._write(source, NewRows(fresh, known), stop=stored)
            self.store.commit_offset(measurement(source), stop=chunk.stop)
            if time.monotonic() - began > _CATCH_UP.total_seconds():
                break

    def expire(self, sources: Iterable[MarketSource]) -> int:
        """Delete points older than the hot store's days; return how many."""
        before = self.since().replace(hour=0, minute=0, second=0, microsecond=0)
        return sum(self.store.expire(measurement(source), before=before) for source in sources)

    def _write(self, source: MarketSource, new: NewRows, *, stop: int) -> None:
        """Write the points that new rows change, except those that are too old."""
        if new.fresh.is_empty():
            return
        recent = pl.col(source.event_time) >= self.since()
        points = _changed_points(source, new).filter(recent)
        if points.height > _WRITTEN_AT_ONCE:
            # Each part then touches a part of the store, and not all of it.
            points = points.sort(*source.tags, source.event_time)
        for part in points.iter_slices(_WRITTEN_AT_ONCE):
            refused = self.store.write(measurement(source), part, stop=stop)
            if not refused.is_empty():
                self._quarantine(source, _refused_points(source, refused))

    @tried_again
    def _quarantine(self, source: MarketSource, refused: pl.DataFrame) -> None:
        """Add points that the hot store refused to the quarantine, once each."""
        QuarantineWriter(self.warehouse, source).insert(refused)

    def _chunks(self, source: MarketSource, start: int, stop: int) -> Iterator[range]:
        """Cut landing offsets into chunks of about as many rows as fit in memory."""
        rows = (
            self._recent(source, range(start, stop)).group_by("landing_offset").agg(rows=pl.len())
        )
        ends = (
            rows.sort("landing_offset")
            .group_by(chunk=pl.col("rows").cum_sum() // _CATCH_UP_ROWS, maintain_order=True)
            .agg(end=pl.col("landing_offset").last() + 1)
            .collect()["end"]
            .to_list()
        )
        for end in [*ends[:-1], stop]:
            yield range(start, end)
            start = end

    def _recent(self, source: MarketSource, offsets: range) -> pl.LazyFrame:
        """Return the rows of these landing offsets that are within the hot store's days."""
        offset = pl.col("landing_offset")
        return self.warehouse.scan(market_table(source)).filter(
            (offset >= offsets.start) & (offset < offsets.stop),
            pl.col(source.event_time) >= self.since(),
        )


def hot_points(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the one row per series and time that a dashboard shows: time, tags and fields.

    The row's provenance is in further columns.

    If the key tells more facts apart than the series does (a forecast's runs, an order's
    revisions), the greatest key wins, then the latest revision. If every listed row is withdrawn,
    the point has no value in any field, and so vanishes from the hot store.
    """
    latest = latest_revision(rows.lazy(), source)
    series = [*source.tags, source.event_time]
    finer = [name for name in source.key if name not in series]
    if source.whole_list is not None:
        is_listed = pl.col(WITHDRAWN).not_().fill_null(value=True)
        latest = latest.with_columns(
            is_listed.alias(_LISTED), *(pl.when(is_listed).then(name) for name in source.fields)
        )
        finer = [_LISTED, *finer]
    return (
        latest.sort([*finer, "landing_offset"], maintain_order=True, nulls_last=False)
        .unique(series, keep="last", maintain_order=True)
        .select(*series, *source.fields, "landing_offset", "received_at")
        .collect()
    )


def _changed_points(source: MarketSource, new: NewRows) -> pl.DataFrame:
    """Return the hot points that new rows change, given the known rows beside them.

    A fact that has moved to another time leaves an empty point behind, unless another fact is
    there; the hot store drops what it held.
    """
    series = [*source.tags, source.event_time]
    points = hot_points(source, pl.concat([new.known, new.fresh]))
    changed = new.fresh.select(series)
    if source.facts_move:
        facts = new.fresh.select(source.key).unique()
        left = new.known.join(facts, on=source.key, how="semi", nulls_equal=True)
        changed = pl.concat([changed, left.select(series)]).unique(maintain_order=True)
        about = new.fresh.select(pl.col("landing_offset", "received_at").max())
        emptied = changed.join(points, on=series, how="anti", nulls_equal=True)
        points = pl.concat([points, emptied.join(about, how="cross")], how="diagonal")
    return points.join(changed, on=series, how="semi", nulls_equal=True)


def _refused_points(source: MarketSource, refused: pl.DataFrame) -> pl.DataFrame:
    """Return refused points as lines of the quarantine."""
    said = [*source.tags, source.event_time, *source.fields]
    return refused.select(
        "landing_offset",
        "received_at",
        check=pl.lit(HOT_STORE),
        reason=REASON,
        row=pl.struct(*said).struct.json_encode(),
    )
