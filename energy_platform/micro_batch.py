"""The heart: landed bytes to checked rows to both stores, as one unit that can be run twice.

A micro-batch is the landing offsets [start, stop) of one source. Where it starts is what the
warehouse says it holds, so a batch that died half-way is simply run again: its quarantine, its
rows and its hot points each carry the offset they reach to, and what is there already is left
alone.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, cast

import polars as pl
import stamina

from energy_platform.checks import check_messages
from energy_platform.errors import (
    CommitConflictError,
    HotStoreUnavailableError,
    ReplayOvertakenError,
)
from energy_platform.history import latest_of_each_revision, latest_revision, new_revisions
from energy_platform.hot_store.protocol import REASON, HotStore
from energy_platform.landing import LandingZone
from energy_platform.layouts import watch as layouts
from energy_platform.market_source import MarketSource
from energy_platform.quarantine import new_failures
from energy_platform.raw_message import RawMessage
from energy_platform.tables import (
    QUARANTINE_DTYPES,
    market_table,
    measurement,
    quarantine_table,
)
from energy_platform.warehouse.protocol import Position, Table, Warehouse

_log = logging.getLogger(__name__)

_tried_again = stamina.retry(on=CommitConflictError, attempts=5, wait_initial=0.05, wait_max=1.0)
"""Another writer of a table goes first; what it stored is read before the next try."""

_BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one batch reads of the landing zone at most, so that large files don't fill the memory: an
archive of observations is 17 times its size as rows.
"""

_CATCH_UP_ROWS: Final = 200_000
"""How many rows at once come to a hot copy that is behind; a message's rows stay together."""

_CATCH_UP: Final = timedelta(seconds=10)
"""How long a batch brings up a hot copy before it leaves the rest to the next one: the group's
other sources wait meanwhile.
"""

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
class BatchReport:
    """What one micro-batch did.

    Attributes:
        source: The market source's name.
        start: First landing offset.
        stop: Offset after the last.
        rows_parsed: Rows that passed every check.
        rows_new: Those that said something new and were stored.
        quarantined: What failed, as in `CheckedRows.quarantined`; points that the hot store
            refused are in it too, though their rows are stored.
        unparsed: How many messages could not be parsed.
        last_received_at: When the newest message was received.
        drift: How the messages' layout differs from the accepted one, a line per difference.
        hot_points_too_old: How many points were left out of the hot copy for their age.
        hot_copy_behind: Why the hot copy lacks rows of the warehouse; empty where it lacks none.
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
    hot_points_too_old: int = 0
    hot_copy_behind: str = ""
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
        for hours. While the hot store is away, there is nothing to be done for it.
        """
        landed = self.landing.log(source.name).end_offset()
        stored = self.warehouse.committed_offset(market_table(source))
        if landed > stored:
            return True
        try:
            return stored > self.hot_store.committed_offset(measurement(source))
        except HotStoreUnavailableError:
            return False

    def hot_copy_behind(self, source: MarketSource, stored: int) -> str:
        """Say why the hot copy does not reach to where the warehouse does; empty where it does.

        Args:
            source: Whose hot copy.
            stored: The landing offset that the warehouse reaches to.
        """
        try:
            reached = self.hot_store.committed_offset(measurement(source))
        except HotStoreUnavailableError as error:
            return str(error)
        return _behind(reached, stored)

    @_tried_again
    def run(self, source: MarketSource) -> BatchReport:
        """Process the next micro-batch of a source; an empty one only brings the hot store up.

        A hot store that is away fails no batch: the report says so, and a later one catches up.

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
        known = self._known(source, checked.rows, at=before)
        fresh = new_revisions(checked.rows, known, source)
        if messages:
            # Quarantine first: the rows' offset is the mark that the whole batch is done.
            self._quarantine(source, checked.quarantined, stop)
            self.warehouse.commit(
                table, fresh, start=start, stop=stop, replacements=before.replacements
            )
        hot = self._bring_up_hot_copy(source, fresh, known, start=start, stop=stop)
        return BatchReport(
            source=source.name,
            start=start,
            stop=stop,
            rows_parsed=checked.rows.height,
            rows_new=fresh.height,
            quarantined=pl.concat([checked.quarantined, hot.refused]),
            unparsed=checked.unparsed,
            last_received_at=messages[-1].received_at if messages else None,
            drift=self._drift(source, messages),
            hot_points_too_old=hot.too_old,
            hot_copy_behind=hot.behind,
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
        self,
        source: MarketSource,
        rows: pl.DataFrame,
        *,
        at: Position | None = None,
        before: int | None = None,
    ) -> pl.DataFrame:
        """Return what is stored of every key that shares a series and time with `rows`.

        With `at`, only what a table at that position has; with `before`, only what was stored from
        messages before that landing offset.
        """
        if rows.is_empty():
            return rows
        points = rows.select(*source.tags, source.event_time).unique()
        table, times = market_table(source), rows[source.event_time]
        if at is None:
            stored = self.warehouse.scan(table)
        else:
            stored = self.warehouse.rows_at(table, at, since=cast("datetime", times.min()))
        if before is not None:
            stored = stored.filter(pl.col("landing_offset") < before)
        nearby = stored.filter(pl.col(source.event_time).is_between(times.min(), times.max()))
        same = nearby.join(
            points.lazy(),
            on=points.columns,
            how="semi",
            nulls_equal=True,
            maintain_order="left",  # of a message that says a key often, the last row counts
        )
        return latest_of_each_revision(same, source).collect()

    def _bring_up_hot_copy(
        self,
        source: MarketSource,
        fresh: pl.DataFrame,
        known: pl.DataFrame,
        *,
        start: int,
        stop: int,
    ) -> HotCopyReport:
        """Write the points of this batch, and of every batch that the hot store missed before."""
        hot = _HotWriter(self, source)
        try:
            reached = self.hot_store.committed_offset(measurement(source))
            if reached < start:
                reached = self._catch_up_hot_copy(hot, reached, stop, within=_CATCH_UP)
            elif reached < stop:
                hot.write(_changed_points(source, fresh, known), stop=stop)
                reached = hot.reach(stop)
            behind = _behind(reached, stop)
        except HotStoreUnavailableError as error:
            _log.warning("%s: its hot copy is behind: %s", source.name, error)
            behind = str(error)
        return hot.report(behind)

    def _catch_up_hot_copy(
        self, hot: "_HotWriter", reached: int, stop: int, *, within: timedelta | None = None
    ) -> int:
        """Write the points of all rows that were stored from offset `reached` on, in pieces.

        Returns where the copy has come to: `stop`, or less where the time was too short.
        """
        source, began = hot.source, time.monotonic()
        for piece in self._pieces(source, reached, stop):
            fresh = self._recent(source, piece).collect()
            hot.write(_changed_points(source, fresh, self._known(source, fresh)), stop=stop)
            reached = hot.reach(piece.stop)
            if within is not None and time.monotonic() - began > within.total_seconds():
                break
        return reached

    def _pieces(self, source: MarketSource, start: int, stop: int) -> Iterator[range]:
        """Cut landing offsets so that each piece has about as many rows as fit the memory."""
        rows = (
            self._recent(source, range(start, stop)).group_by("landing_offset").agg(rows=pl.len())
        )
        ends = (
            rows.sort("landing_offset")
            .group_by(piece=pl.col("rows").cum_sum() // _CATCH_UP_ROWS, maintain_order=True)
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
            pl.col(source.event_time) >= self.hot_since(),
        )

    def hot_since(self) -> datetime:
        """Return from when on points are in the hot store."""
        return datetime.now(UTC) - timedelta(days=self.hot_days)

    @_tried_again
    def quarantine_points(self, source: MarketSource, refused: pl.DataFrame) -> None:
        """Put points that the hot store refused beside what else is in quarantine, once each."""
        table, offset = quarantine_table(source), pl.col("landing_offset")
        before = self.warehouse.position(table)
        stored = self.warehouse.scan(table).collect()
        unseen = new_failures(refused, stored)
        if unseen.is_empty():
            return
        # Their offsets may have been committed before, so they come in the place of what is there.
        first, last = unseen.select(first=offset.min(), last=offset.max()).row(0)
        there = stored.filter(offset.is_between(first, last))
        self.warehouse.replace(
            table,
            pl.concat([there, unseen]).sort("landing_offset", maintain_order=True),
            range(first, last + 1),
            before=before,
            after=before.replaced(),
        )

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
        """Empty a source's hot copy and fill it from the warehouse.

        Raises:
            HotStoreUnavailableError: The hot store is away.
        """
        table, hot = market_table(source), _HotWriter(self, source)
        self.hot_store.clear(measurement(source))
        reached = 0
        # A batch that ended meanwhile may have written its newer points just before these.
        while (stop := self.warehouse.committed_offset(table)) > reached:
            reached = self._catch_up_hot_copy(hot, reached, stop)

    def expire_hot_points(self, sources: Iterable[MarketSource]) -> int:
        """Remove hot points of days that are no longer the hot store's; return how many."""
        before = self.hot_since().replace(hour=0, minute=0, second=0, microsecond=0)
        return sum(self.hot_store.expire(measurement(source), before=before) for source in sources)


class _HotWriter:
    """Writes points of one source to its hot copy, and gathers what became of them.

    What the hot store refuses is in quarantine before the offset says that all is written.
    """

    def __init__(self, batches: MicroBatches, source: MarketSource) -> None:
        self.source = source
        self._batches = batches
        self._measurement = measurement(source)
        self._refused: list[pl.DataFrame] = [pl.DataFrame(schema=QUARANTINE_DTYPES)]
        self._too_old = 0

    def write(self, points: pl.DataFrame, *, stop: int) -> None:
        """Write points that show the state of things at landing offset `stop`."""
        recent = points.filter(pl.col(self.source.event_time) >= self._batches.hot_since())
        self._too_old += points.height - recent.height
        refused = self._batches.hot_store.write(self._measurement, recent, stop=stop)
        if not refused.is_empty():
            lines = _refused_points(self.source, refused)
            self._batches.quarantine_points(self.source, lines)
            self._refused.append(lines)

    def reach(self, stop: int) -> int:
        """Note and return the landing offset up to which all is written."""
        self._batches.hot_store.commit_offset(self._measurement, stop=stop)
        return stop

    def report(self, behind: str) -> HotCopyReport:
        """Say what was done."""
        return HotCopyReport(refused=pl.concat(self._refused), too_old=self._too_old, behind=behind)


def _behind(reached: int, stored: int) -> str:
    return f"{stored - reached} messages behind the warehouse" if reached < stored else ""


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

    Where the row came from is told beside them.

    Where the key tells more facts apart than the series does (a forecast's runs, an order's
    revisions), the greatest key wins, then the latest revision.
    """
    latest = latest_revision(rows.lazy(), source)
    series = [*source.tags, source.event_time]
    finer = [name for name in source.key if name not in series]
    return (
        latest.sort([*finer, "landing_offset"], maintain_order=True, nulls_last=False)
        .unique(series, keep="last", maintain_order=True)
        .select(*series, *source.fields, "landing_offset", "received_at")
        .collect()
    )
