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
from typing import Final, NamedTuple

import polars as pl
import stamina

from energy_platform.checks import check_messages
from energy_platform.errors import CommitConflictError, ReplayOvertakenError
from energy_platform.history import latest_of_each_revision, latest_revision, new_revisions
from energy_platform.hot_store.protocol import HotStore
from energy_platform.landing import LandingZone
from energy_platform.layouts import watch as layouts
from energy_platform.market_source import MarketSource
from energy_platform.quarantine import new_failures
from energy_platform.raw_message import RawMessage
from energy_platform.tables import market_table, measurement, quarantine_table
from energy_platform.warehouse.protocol import Position, Table, Warehouse

_log = logging.getLogger(__name__)

_tried_again = stamina.retry(on=CommitConflictError, attempts=5, wait_initial=0.05, wait_max=1.0)
"""Another writer of a table goes first; what it stored is read before the next try."""

_BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one batch reads of the landing zone at most, so that large files don't fill the memory: an
archive of observations is 17 times its size as rows.
"""


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
        drift: How the messages' layout differs from the accepted one, a line per difference.
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
    drift: tuple[str, ...]
    seconds: float

    @property
    def messages(self) -> int:
        """How many messages the batch took."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What one replay did.

    Attributes:
        source: The market source's name.
        start: First landing offset whose rows were made again.
        stop: Offset after the last.
        rows: Rows that were stored.
    """

    source: str
    start: int
    stop: int
    rows: int

    @property
    def messages(self) -> int:
        """How many messages were read again."""
        return self.stop - self.start


class _ReplayStep(NamedTuple):
    """Where a replay stands: all before `reached` is made again."""

    position: Position
    reached: int
    rows: int


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
        """Say whether messages have landed that no batch has taken, or whose points are missing.

        A worker may have died between the two stores, and of some sources nothing more comes
        for hours.
        """
        landed = self.landing.log(source.name).end_offset()
        stored = self.warehouse.committed_offset(market_table(source))
        return landed > stored or stored > self.hot_store.committed_offset(measurement(source))

    @_tried_again
    def run(self, source: MarketSource) -> BatchReport:
        """Process the next micro-batch of a source; an empty one only brings the hot store up.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
        """
        began = time.monotonic()
        table = market_table(source)
        before = self.warehouse.position(table)
        start = before.offset
        messages = self.read_batch(source, start, self.landing.log(source.name).end_offset())
        stop = start + len(messages)
        checked = check_messages(source, messages)
        known = self._known(source, checked.rows)
        fresh = new_revisions(checked.rows, known, source)
        if messages:
            # Quarantine first: the rows' offset is the mark that the whole batch is done.
            self._quarantine(source, checked.quarantined, stop)
            self.warehouse.commit(
                table, fresh, start=start, stop=stop, replacements=before.replacements
            )
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
            drift=self._drift(source, messages),
            seconds=time.monotonic() - began,
        )

    def read_batch(self, source: MarketSource, start: int, stop: int) -> list[RawMessage]:
        """Return the first landed messages of [start, stop), as many as one batch takes."""
        return self.landing.log(source.name).read(
            start, stop, limit=self.batch_messages, limit_bytes=_BATCH_BYTES
        )

    def _drift(self, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
        """Say how the layout drifted; what a provider sends can't fail the batch by its layout."""
        if not messages:
            return ()
        try:
            return layouts.drift(self.landing.notes, source, messages)
        except Exception:  # noqa: BLE001 (the rows are stored; what is said of them comes second)
            _log.exception("%s: its layout could not be looked at", source.name)
            return ()

    def _quarantine(self, source: MarketSource, failures: pl.DataFrame, stop: int) -> None:
        """Commit what failed and isn't there yet; a batch without such costs no commit here.

        A batch that died after this step is there already, and it may have been a larger one.
        """
        if failures.is_empty():
            return
        table = quarantine_table(source)
        before = self.warehouse.position(table)
        unseen = new_failures(
            failures.filter(pl.col("landing_offset") >= before.offset),
            self.warehouse.scan(table).collect(),
        )
        if not unseen.is_empty():
            self.warehouse.commit(
                table, unseen, start=before.offset, stop=stop, replacements=before.replacements
            )

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
        reached = self.hot_store.committed_offset(measurement(source))
        if reached >= stop:
            return
        if reached < start:
            self._catch_up_hot_copy(source, reached, stop)
        else:
            points = _changed_points(source, fresh, known)
            self.hot_store.write(measurement(source), points, stop=stop)

    def _catch_up_hot_copy(self, source: MarketSource, reached: int, stop: int) -> None:
        """Write the points of all rows that were stored from offset `reached` on."""
        stored = self.warehouse.scan(market_table(source))
        fresh = stored.filter(pl.col("landing_offset") >= reached).collect()
        points = _changed_points(source, fresh, self._known(source, fresh))
        self.hot_store.write(measurement(source), points, stop=stop)

    def replay(self, source: MarketSource, *, start: int) -> ReplayReport:
        """Make the rows from landing offset `start` on again, and the whole hot copy after them.

        The table is then what it would be had today's parser and checks been there from `start`
        on. Micro-batches go on meanwhile. What they commit is compared with rows that may yet be
        replaced, so the replay goes over it too, until it has caught up with them: its last
        step is one that no batch has overtaken, and a batch that was under way is refused.

        From its first commit to its last the table says from where on it is stale. A replay that
        died is simply run again, from any `start`: it goes on where the dead one stopped.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
            ReplayOvertakenError: Another replay of this source has begun.
        """
        if self.warehouse.committed_offset(market_table(source)) == 0:
            return ReplayReport(source=source.name, start=0, stop=0, rows=0)
        step = self._begin_replay(source, start)
        first, rows = step.reached, 0
        while step.reached < step.position.offset:
            step = self._replay_step(source, step)
            rows += step.rows
        self.rebuild_hot_copy(source)
        self._end_replay(source, step)
        return ReplayReport(source=source.name, start=first, stop=step.reached, rows=rows)

    @_tried_again
    def _begin_replay(self, source: MarketSource, start: int) -> _ReplayStep:
        """Mark the table as stale from `start`, or from where a dead replay stopped."""
        table = market_table(source)
        before = self.warehouse.position(table)
        first = min(start, before.offset)
        if before.stale_from is not None:
            first = min(first, before.stale_from)
        after = before.replaced(stale_from=first)
        self._move(table, before, after)
        return _ReplayStep(after, reached=first, rows=0)

    @_tried_again
    def _replay_step(self, source: MarketSource, done: _ReplayStep) -> _ReplayStep:
        """Make the first of the stale rows again."""
        table, quarantine = market_table(source), quarantine_table(source)
        # In this order: were another replay to begin after the second, the first shows it.
        quarantine_before = self.warehouse.position(quarantine)
        before = self._unless_overtaken(source, done)
        first = done.reached
        messages = self.read_batch(source, first, before.offset)
        last = first + len(messages)
        checked = check_messages(source, messages)
        known = self._known(source, checked.rows, before=first)
        fresh = new_revisions(checked.rows, known, source)
        self._requarantine(
            source,
            checked.quarantined,
            range(first, last),
            to_the_end=last == before.offset,
            before=quarantine_before,
        )
        after = before.replaced(stale_from=last)
        self.warehouse.replace(table, fresh, range(first, last), before=before, after=after)
        return _ReplayStep(after, reached=last, rows=fresh.height)

    def _requarantine(
        self,
        source: MarketSource,
        failures: pl.DataFrame,
        offsets: range,
        *,
        to_the_end: bool,
        before: Position,
    ) -> None:
        """Put what fails now in the place of what failed at these landing offsets.

        A replay that reaches the end also takes out what batches under way have put beyond it:
        they left out what they knew of the quarantine as it was, and will come again.
        """
        table = quarantine_table(source)
        stored = self.warehouse.scan(table).collect()
        unseen = new_failures(failures, stored.filter(pl.col("landing_offset") < offsets.start))
        later = stored.filter(pl.col("landing_offset") >= offsets.start)
        if unseen.is_empty() and later.is_empty():
            return
        beyond = max(offsets.stop, before.offset)
        self.warehouse.replace(
            table,
            unseen,
            range(offsets.start, beyond) if to_the_end else offsets,
            before=before,
            after=before.replaced(offset=offsets.stop if to_the_end else beyond),
        )

    @_tried_again
    def _end_replay(self, source: MarketSource, done: _ReplayStep) -> None:
        before = self._unless_overtaken(source, done)
        self._move(market_table(source), before, before.replaced())

    def _unless_overtaken(self, source: MarketSource, done: _ReplayStep) -> Position:
        """Return where the table stands now, if no other replay has moved it."""
        position = self.warehouse.position(market_table(source))
        if position.replacements != done.position.replacements:
            raise ReplayOvertakenError(f"another replay of {source.name} has begun and goes on")
        return position

    def _move(self, table: Table, before: Position, after: Position) -> None:
        """Change a table's position and none of its rows."""
        nothing = pl.DataFrame(schema=table.dtypes)
        self.warehouse.replace(table, nothing, range(0), before=before, after=after)

    def rebuild_hot_copy(self, source: MarketSource) -> None:
        """Empty a source's hot copy and fill it from the warehouse."""
        hot, table = measurement(source), market_table(source)
        stop = self.warehouse.committed_offset(table)
        since = datetime.now(UTC) - timedelta(days=self.hot_days)
        recent = self.warehouse.scan(table).filter(pl.col(source.event_time) >= since).collect()
        self.hot_store.clear(hot)
        self.hot_store.write(hot, hot_points(source, recent), stop=stop)
        # A batch that ended meanwhile may have written its newer points just before these.
        if (now := self.warehouse.committed_offset(table)) > stop:
            self._catch_up_hot_copy(source, stop, now)

    def expire_hot_points(self, sources: Iterable[MarketSource]) -> int:
        """Remove hot points older than the hot store's days; return how many."""
        before = datetime.now(UTC) - timedelta(days=self.hot_days)
        return sum(self.hot_store.expire(measurement(source), before=before) for source in sources)


def _changed_points(source: MarketSource, fresh: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the hot points that `fresh` rows change, given those `known` beside them."""
    return hot_points(source, pl.concat([known, fresh])).join(
        fresh.select(*source.tags, source.event_time),
        on=[*source.tags, source.event_time],
        how="semi",
        nulls_equal=True,
    )


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
