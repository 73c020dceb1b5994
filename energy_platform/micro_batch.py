"""The heart: landed bytes to checked rows to both stores, as one unit that can be run twice.

A micro-batch is the landing offsets [start, stop) of one source. Where it starts is what the
warehouse says it holds, so a batch that died half-way is simply run again: its quarantine, its
rows and its hot points each carry the offset they reach to, and what is there already is left
alone.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import stamina

from energy_platform.checks import check_messages
from energy_platform.errors import CommitConflictError
from energy_platform.history import latest_of_each_revision, latest_revision, new_revisions
from energy_platform.hot_store.protocol import HotStore
from energy_platform.landing import LandingZone
from energy_platform.market_source import MarketSource
from energy_platform.raw_message import RawMessage
from energy_platform.tables import market_table, measurement, quarantine_table
from energy_platform.warehouse.protocol import Warehouse

_log = logging.getLogger(__name__)

_tried_again = stamina.retry(on=CommitConflictError, attempts=5, wait_initial=0.05, wait_max=1.0)
"""Another writer of a table goes first; what it stored is read before the next try."""

_BATCH_BYTES: Final = 128 * 1024 * 1024
"""What one batch reads of the landing zone at most, so that large files don't fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What one micro-batch did.

    Attributes:
        source: The market source's name.
        start: First landing offset.
        stop: Offset after the last.
        rows_parsed: Rows that passed every check.
        rows_new: Those that said something new and were stored.
        quarantined: What failed, as in `CheckedRows.quarantined`.
        unparsed: How many messages could not be parsed.
        last_received_at: When the newest message was received.
        seconds: How long it took.
    """

    source: str
    start: int
    stop: int
    rows_parsed: int
    rows_new: int
    quarantined: pl.DataFrame
    unparsed: int
    last_received_at: datetime | None
    seconds: float

    @property
    def messages(self) -> int:
        """How many messages the batch took."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatches:
    """Runs micro-batches between one landing zone and two stores.

    Attributes:
        batch_messages: How many messages one batch takes at most.
        hot_days: How far back the hot store goes when it is made again.
    """

    landing: LandingZone
    warehouse: Warehouse
    hot_store: HotStore
    batch_messages: int
    hot_days: int

    def is_behind(self, source: MarketSource) -> bool:
        """Say whether messages of a source have landed that no batch has taken."""
        landed = self.landing.log(source.name).end_offset()
        return landed > self.warehouse.committed_offset(market_table(source))

    @_tried_again
    def run(self, source: MarketSource) -> BatchReport:
        """Process the next micro-batch of a source; an empty one only brings the hot store up.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
        """
        began = time.monotonic()
        start = self.warehouse.committed_offset(market_table(source))
        messages = self._read(source, start)
        stop = start + len(messages)
        checked = check_messages(source, messages)
        known = self._known(source, checked.rows)
        fresh = new_revisions(checked.rows, known, source)
        if messages:
            # Quarantine first: the rows' offset is the mark that the whole batch is done.
            self._quarantine(source, checked.quarantined, stop)
            self.warehouse.commit(market_table(source), fresh, start=start, stop=stop)
        self._bring_up_hot_copy(source, fresh, known, start=start, stop=stop)
        return BatchReport(
            source=source.name,
            start=start,
            stop=stop,
            rows_parsed=checked.rows.height,
            rows_new=fresh.height,
            quarantined=checked.quarantined,
            unparsed=checked.unparsed,
            last_received_at=messages[-1].received_at if messages else None,
            seconds=time.monotonic() - began,
        )

    def _read(self, source: MarketSource, start: int) -> Sequence[RawMessage]:
        log = self.landing.log(source.name)
        return log.read(
            start, log.end_offset(), limit=self.batch_messages, limit_bytes=_BATCH_BYTES
        )

    def _quarantine(self, source: MarketSource, quarantined: pl.DataFrame, stop: int) -> None:
        """Commit what failed and isn't there yet; a batch without such costs no commit here.

        A batch that died after this step is there already, and it may have been a larger one.
        """
        if quarantined.is_empty():
            return
        table = quarantine_table(source)
        start = self.warehouse.committed_offset(table)
        missing = quarantined.filter(pl.col("landing_offset") >= start)
        if not missing.is_empty():
            self.warehouse.commit(table, missing, start=start, stop=stop)

    def _known(
        self, source: MarketSource, rows: pl.DataFrame, *, before: int | None = None
    ) -> pl.DataFrame:
        """Return what is stored of every key that shares a series and time with `rows`.

        With `before`, only what was stored from messages before that landing offset counts.
        """
        if rows.is_empty():
            return rows
        points = rows.select(*source.tags, source.event_time).unique()
        stored = self.warehouse.scan(market_table(source))
        if before is not None:
            stored = stored.filter(pl.col("landing_offset") < before)
        times = rows[source.event_time]
        nearby = stored.filter(pl.col(source.event_time).is_between(times.min(), times.max()))
        same = nearby.join(points.lazy(), on=points.columns, how="semi", nulls_equal=True)
        return latest_of_each_revision(same, source).collect()

    def _bring_up_hot_copy(
        self,
        source: MarketSource,
        fresh: pl.DataFrame,
        known: pl.DataFrame,
        *,
        start: int,
        stop: int,
    ) -> None:
        """Write the points of this batch, and of every batch that the hot store missed before."""
        hot = measurement(source)
        reached = self.hot_store.committed_offset(hot)
        if reached >= stop:
            return
        if reached < start:
            stored = self.warehouse.scan(market_table(source))
            fresh = stored.filter(pl.col("landing_offset") >= reached).collect()
            known = self._known(source, fresh)
        points = hot_points(source, pl.concat([known, fresh]))
        changed = points.join(
            fresh.select(*source.tags, source.event_time),
            on=[*source.tags, source.event_time],
            how="semi",
            nulls_equal=True,
        )
        self.hot_store.write(hot, changed, stop=stop)

    def replay(self, source: MarketSource, *, start: int, stop: int) -> int:
        """Make the rows of landing offsets [start, stop) again, and the whole hot copy after them.

        Each step replaces its rows atomically; a replay that died is simply run again. Returns
        how many rows were stored.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
        """
        stored, last = 0, start
        while (first := last) < stop:
            last, rows = self._replay_step(source, first, stop)
            stored += rows
        self.rebuild_hot_copy(source)
        return stored

    @_tried_again
    def _replay_step(self, source: MarketSource, first: int, stop: int) -> tuple[int, int]:
        """Make the first rows of [first, stop) again; return where they end, and how many."""
        messages = self.landing.log(source.name).read(
            first, stop, limit=self.batch_messages, limit_bytes=_BATCH_BYTES
        )
        last = first + len(messages)
        checked = check_messages(source, messages)
        known = self._known(source, checked.rows, before=first)
        fresh = new_revisions(checked.rows, known, source)
        self.warehouse.replace(
            quarantine_table(source), checked.quarantined, start=first, stop=last
        )
        self.warehouse.replace(market_table(source), fresh, start=first, stop=last)
        return last, fresh.height

    def rebuild_hot_copy(self, source: MarketSource) -> None:
        """Empty a source's hot copy and fill it from the warehouse."""
        hot, table = measurement(source), market_table(source)
        stop = self.warehouse.committed_offset(table)
        since = datetime.now(UTC) - timedelta(days=self.hot_days)
        recent = self.warehouse.scan(table).filter(pl.col(source.event_time) >= since).collect()
        self.hot_store.clear(hot)
        self.hot_store.write(hot, hot_points(source, recent), stop=stop)

    def expire_hot_points(self, sources: Iterable[MarketSource]) -> int:
        """Remove hot points older than the hot store's days; return how many."""
        before = datetime.now(UTC) - timedelta(days=self.hot_days)
        return sum(self.hot_store.expire(measurement(source), before=before) for source in sources)


def hot_points(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the one row per series and time that a dashboard shows: time, tags and fields.

    Where the key tells more facts apart than the series does (a forecast's runs, an order's
    revisions), the greatest key wins, then the latest revision.
    """
    latest = latest_revision(rows.lazy(), source)
    series = [*source.tags, source.event_time]
    finer = [name for name in source.key if name not in series]
    return (
        latest.sort([*finer, "landing_offset"], maintain_order=True, nulls_last=False)
        .unique(series, keep="last", maintain_order=True)
        .select(*series, *source.fields)
        .collect()
    )
