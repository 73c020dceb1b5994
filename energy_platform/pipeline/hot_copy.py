"""The hot copy: what dashboards show of a source, kept up with what the warehouse holds.

The hot copy may lag while the hot store is down; it catches up in chunks. How points are written is
each hot store's own business; which rows are stored, that of `micro_batch`.
"""

import logging
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
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.tables import QUARANTINE_DTYPES, market_table, measurement
from energy_platform.storage.hot_store.protocol import REASON, HotStore
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Warehouse

_log = logging.getLogger(__name__)

_CATCH_UP_ROWS: Final = 200_000
"""How many rows one chunk has when a hot copy catches up; a message's rows stay together."""

_CATCH_UP: Final = timedelta(seconds=10)
"""How long a batch catches up before it leaves the rest to the next one: the other sources of its
group wait meanwhile.
"""

_LISTED: Final = "_listed"

HOT_STORE: Final = "hot_store"
"""The check that a point fails which the hot store refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotCopyReport:
    """What one micro-batch did to the hot copy.

    Attributes:
        refused: The points that the hot store refused, as in `CheckedRows.quarantined`.
        too_old: How many points were left out, being older than the hot store's days.
        behind: Why the copy does not reach to where the warehouse does; empty where it does.
    """

    refused: pl.DataFrame
    too_old: int
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
        """Return from when on points are in the hot store."""
        return datetime.now(UTC) - timedelta(days=self.days)

    def behind(self, source: MarketSource, stored: int) -> str:
        """Say why the hot copy does not reach to where the warehouse does; empty where it does.

        Args:
            source: Whose hot copy.
            stored: The landing offset that the warehouse reaches to.
        """
        try:
            reached = self.store.committed_offset(measurement(source))
        except HotStoreUnavailableError as error:
            return str(error)
        return _behind(reached, stored)

    def bring_up(
        self,
        source: MarketSource,
        fresh: pl.DataFrame,
        known: pl.DataFrame,
        *,
        start: int,
        stop: int,
    ) -> HotCopyReport:
        """Write the points of a batch, and of every batch that the hot store missed before.

        A hot store that is away fails nothing: the report says so.

        Args:
            source: Whose hot copy.
            fresh: The rows that were stored of landing offsets [start, stop).
            known: What is stored beside them, as `known_beside` returns it.
            start: The batch's first landing offset.
            stop: The offset after its last.
        """
        writer = _Writer(self, source)
        try:
            reached = self.store.committed_offset(measurement(source))
            if reached < start:
                reached = self._catch_up(writer, reached, stop, within=_CATCH_UP)
            elif reached < stop:
                writer.write(_changed_points(source, fresh, known), stop=stop)
                reached = writer.reach(stop)
            behind = _behind(reached, stop)
        except HotStoreUnavailableError as error:
            _log.warning("%s: its hot copy is behind: %s", source.name, error)
            behind = str(error)
        return writer.report(behind)

    def rebuild(self, source: MarketSource) -> None:
        """Empty a source's hot copy and fill it from the warehouse.

        Raises:
            HotStoreUnavailableError: The hot store is away.
        """
        table, writer = market_table(source), _Writer(self, source)
        self.store.clear(measurement(source))
        reached = 0
        # A batch that ended meanwhile may have written its newer points just before these.
        while (stop := self.warehouse.committed_offset(table)) > reached:
            reached = self._catch_up(writer, reached, stop)

    def expire(self, sources: Iterable[MarketSource]) -> int:
        """Remove hot points of days that are no longer the hot store's; return how many."""
        before = self.since().replace(hour=0, minute=0, second=0, microsecond=0)
        return sum(self.store.expire(measurement(source), before=before) for source in sources)

    @tried_again
    def quarantine(self, source: MarketSource, refused: pl.DataFrame) -> None:
        """Put points that the hot store refused beside what else is in quarantine, once each."""
        QuarantineWriter(self.warehouse, source).insert(refused)

    def _catch_up(
        self, writer: "_Writer", reached: int, stop: int, *, within: timedelta | None = None
    ) -> int:
        """Write the points of all rows that were stored from offset `reached` on, in chunks.

        Returns where the copy has come to: `stop`, or less where the time was too short.
        """
        source, began = writer.source, time.monotonic()
        table = market_table(source)
        for chunk in self._chunks(source, reached, stop):
            fresh = self._recent(source, chunk).collect()
            known = known_beside(fresh, self.warehouse.scan(table), source)
            writer.write(_changed_points(source, fresh, known), stop=stop)
            reached = writer.reach(chunk.stop)
            if within is not None and time.monotonic() - began > within.total_seconds():
                break
        return reached

    def _chunks(self, source: MarketSource, start: int, stop: int) -> Iterator[range]:
        """Cut landing offsets into chunks of about as many rows as fit the memory."""
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


class _Writer:
    """Writes points of one source to its hot copy, and gathers what became of them.

    What the hot store refuses is in quarantine before the offset says that all is written.
    """

    def __init__(self, copies: HotCopies, source: MarketSource) -> None:
        self.source = source
        self._copies = copies
        self._measurement = measurement(source)
        self._refused: list[pl.DataFrame] = [pl.DataFrame(schema=QUARANTINE_DTYPES)]
        self._too_old = 0

    def write(self, points: pl.DataFrame, *, stop: int) -> None:
        """Write points that show the state of things at landing offset `stop`."""
        recent = points.filter(pl.col(self.source.event_time) >= self._copies.since())
        self._too_old += points.height - recent.height
        refused = self._copies.store.write(self._measurement, recent, stop=stop)
        if not refused.is_empty():
            lines = _refused_points(self.source, refused)
            self._copies.quarantine(self.source, lines)
            self._refused.append(lines)

    def reach(self, stop: int) -> int:
        """Note and return the landing offset up to which all is written."""
        self._copies.store.commit_offset(self._measurement, stop=stop)
        return stop

    def report(self, behind: str) -> HotCopyReport:
        """Say what was done."""
        return HotCopyReport(refused=pl.concat(self._refused), too_old=self._too_old, behind=behind)


def hot_points(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the one row per series and time that a dashboard shows: time, tags and fields.

    Where the row came from is told beside them.

    Where the key tells more facts apart than the series does (a forecast's runs, an order's
    revisions), the greatest key wins, then the latest revision. Where all that was listed is
    withdrawn, the point has no value in any field, which is how it vanishes from the hot store.
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


def _changed_points(source: MarketSource, fresh: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the hot points that `fresh` rows change, given those `known` beside them."""
    return hot_points(source, pl.concat([known, fresh])).join(
        fresh.select(*source.tags, source.event_time),
        on=[*source.tags, source.event_time],
        how="semi",
        nulls_equal=True,
    )


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


def _behind(reached: int, stored: int) -> str:
    return f"{stored - reached} messages behind the warehouse" if reached < stored else ""
