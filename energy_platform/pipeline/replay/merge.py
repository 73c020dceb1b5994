"""The last step: one writer merges what messages hold into the source's tables, in offset order.

Only here are rows compared with earlier ones, so only here does order matter. What was staged is
read from its files, and what was not, or came later, is parsed on the spot: the rows are the same.

The table's position fences the writer. Micro-batches go on meanwhile; they compare their rows with
rows that may yet be replaced, so their rows are merged again too, until the writer has caught up.
Its last step is one that no batch has overtaken, and a batch that was running at that moment is
refused. From the first commit to the last, the table records where its stale rows begin, so a merge
that died is simply run again.

Where messages can't be read any more, rows that were made of them stay as they are.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import polars as pl

from energy_platform.errors import ReplayOvertakenError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.replay.staged import StagedFiles
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_COMMIT_ROWS: Final = 500_000
"""After how many rows a commit is made: few, since each rewrites files, and short, since batches
commit to the same table every few seconds.
"""
_LISTS_MESSAGES: Final = 1_000
"""How many messages of a source with whole lists are compared at once: each row is compared with
each newer list beside it.
"""


class Reached(NamedTuple):
    """How far a merge is: all rows before `offset` are made again."""

    position: Position
    offset: int
    rows: int


class _Part(NamedTuple):
    """What messages hold: messages that can all be read, or one that stands for lost ones.

    Attributes:
        checked: What they hold.
        stop: The offset after the last of them.
    """

    checked: CheckedRows
    stop: int

    @property
    def is_lost(self) -> bool:
        """Whether the messages can't be read any more."""
        return self.checked.messages[0].lost is not None


class Merge:
    """One source's merge; one at a time.

    Args:
        batches: The stores.
        source: The source.
    """

    def __init__(self, batches: MicroBatches, source: MarketSource) -> None:
        self._batches = batches
        self._source = source
        self._table = market_table(source)
        self._files = StagedFiles(batches.landing, source.name)

    def first(self, start: int) -> int:
        """Return where a merge from an offset on begins: where a dead one stopped, if earlier."""
        return _first_stale(self._batches.warehouse.position(self._table), start)

    def begin(self, start: int) -> Reached:
        """Mark the table as stale from an offset on, or from where a dead merge stopped."""
        after = mark_stale(self._batches.warehouse, self._table, start)
        return Reached(after, offset=after.stale_from or 0, rows=0)

    def go_on(self, done: Reached, plan: Plan | None, *, until: int | None = None) -> Reached:
        """Make stale rows again, up to an offset or the table's; staged ranges are removed then.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
            ReplayOvertakenError: Another replay of this source has begun.
        """
        rows = done.rows
        while done.offset < (stop := min(done.position.offset, until or done.position.offset)):
            done = self._next_commit(done, stop, plan)
            rows += done.rows
            if plan is not None:
                self._files.clear_before(plan, done.offset)
        return done._replace(rows=rows)

    def end(self, done: Reached) -> None:
        """Make the whole hot copy again, then mark the table as wholly merged.

        Raises:
            HotStoreUnavailableError: The hot store is down; run the replay again when it is back.
            ReplayOvertakenError: Another replay of this source has begun.
        """
        HotLane(self._batches, self._source).rebuild()
        self._end(done)

    @tried_again
    def _end(self, done: Reached) -> None:
        before = self._unless_overtaken(done)
        _move(self._batches.warehouse, self._table, before, before.replaced())

    def _next_commit(self, done: Reached, stop: int, plan: Plan | None) -> Reached:
        """Gather the next rows before an offset, as many as one commit has, and commit them."""
        first = done.offset
        before = self._batches.warehouse.scan(self._table).filter(pl.col("landing_offset") < first)
        fresh: list[pl.DataFrame] = []
        quarantined: list[pl.DataFrame] = []

        def stored(since: datetime) -> pl.LazyFrame:
            known = pl.concat([before, *(one.lazy() for one in fresh)])
            return known.filter(pl.col(self._source.event_time) >= since)

        self._unless_overtaken(done)
        reached = first
        for part in self._parts(first, stop, plan):
            if part.is_lost:
                if reached == first:
                    return self._leave(done, part)
                break
            messages = part.checked.messages
            fresh.append(new_rows(self._source, messages, part.checked, stored).fresh)
            quarantined.append(part.checked.quarantined)
            reached = part.stop
            if sum(one.height for one in fresh) >= _COMMIT_ROWS:
                break
        return self._commit(done, reached, pl.concat(fresh), pl.concat(quarantined))

    @tried_again
    def _commit(
        self, done: Reached, reached: int, fresh: pl.DataFrame, quarantined: pl.DataFrame
    ) -> Reached:
        """Put rows and failures in the place of those from `done` on."""
        # In this order: if another replay begins after the second step, the first step reveals it.
        quarantine = QuarantineWriter(self._batches.warehouse, self._source)
        quarantine_before = quarantine.position()
        before = self._unless_overtaken(done)
        offsets = range(done.offset, reached)
        quarantine.replace(
            quarantined, offsets, to_the_end=reached == before.offset, before=quarantine_before
        )
        after = before.replaced(stale_from=reached)
        self._batches.warehouse.replace(self._table, fresh, offsets, before=before, after=after)
        return Reached(after, offset=reached, rows=fresh.height)

    @tried_again
    def _leave(self, done: Reached, lost: _Part) -> Reached:
        """Leave rows and failures as they are whose messages can't be read any more.

        Where there are none, the messages themselves go to quarantine.
        """
        warehouse, tables = self._batches.warehouse, (self._table, quarantine_table(self._source))
        before = self._unless_overtaken(done)
        last = min(lost.stop, before.offset)
        of_them = pl.col("landing_offset").is_between(done.offset, last, closed="left")
        if all(warehouse.scan(one).filter(of_them).head(1).collect().is_empty() for one in tables):
            QuarantineWriter(warehouse, self._source).insert(lost.checked.quarantined)
        after = before.replaced(stale_from=last)
        _move(warehouse, self._table, before, after)
        return Reached(after, offset=last, rows=0)

    def _parts(self, reached: int, stop: int, plan: Plan | None) -> Iterator[_Part]:
        """Yield what the messages of [reached, stop) hold, staged or parsed on the spot."""
        while reached < stop:
            checked = self._staged(reached, stop, plan) or self._made(reached, stop)
            for part in _parted(checked, 0 if self._source.whole_list is None else _LISTS_MESSAGES):
                reached = min(part.messages[-1].next_offset, stop)
                yield _Part(part, reached)

    def _staged(self, reached: int, stop: int, plan: Plan | None) -> CheckedRows | None:
        """Return what is staged from an offset on; None if nothing is."""
        offsets = None if plan is None else plan.around(reached)
        if plan is None or offsets is None or offsets.stop > stop:
            return None
        found = self._files.read(plan, offsets, self._source)
        return None if found is None else _between(found, reached, offsets.stop)

    def _made(self, reached: int, stop: int) -> CheckedRows:
        """Parse and check the next messages that can be read, or the one for those that can't."""
        self._batches.landing.log(self._source.name).end_offset(taken=stop)
        messages = self._batches.read_batch(self._source, reached, stop)
        if messages[0].lost is not None:
            return check_messages(self._source, messages[:1])
        readable = [*itertools.takewhile(_is_readable, messages)]
        return self._batches.check(self._source, readable)

    def _unless_overtaken(self, done: Reached) -> Position:
        """Return the table's position, unless another replay has changed it."""
        position = self._batches.warehouse.position(self._table)
        if position.replacements != done.position.replacements:
            raise ReplayOvertakenError(f"another replay of {self._source.name} has begun")
        return position


@tried_again
def mark_stale(warehouse: Warehouse, table: Table, start: int) -> Position:
    """Mark a table as stale from an offset on, or from where a dead merge stopped."""
    before = warehouse.position(table)
    after = before.replaced(stale_from=_first_stale(before, start))
    _move(warehouse, table, before, after)
    return after


def _first_stale(position: Position, start: int) -> int:
    first = min(start, position.offset)
    return first if position.stale_from is None else min(first, position.stale_from)


def _parted(checked: CheckedRows, most_messages: int) -> Iterator[CheckedRows]:
    """Cut what messages hold at those that are lost, and after a number of messages if not 0."""
    for is_readable, run in itertools.groupby(checked.messages, _is_readable):
        messages = [*run]
        step = (most_messages or len(messages)) if is_readable else 1
        for start in range(0, len(messages), step):
            part = messages[start : start + step]
            if len(part) == len(checked.messages):
                yield checked
            else:
                yield _of(checked, part)


def _between(checked: CheckedRows, start: int, stop: int) -> CheckedRows:
    """Return what the messages of [start, stop) hold."""
    if checked.messages[0].landing_offset >= start:
        return checked
    wanted = [one for one in checked.messages if start <= one.landing_offset < stop]
    return _of(checked, wanted)


def _of(checked: CheckedRows, messages: Sequence[RawMessage]) -> CheckedRows:
    """Return what some of the messages hold, which follow one another."""
    first, last = messages[0].landing_offset, messages[-1].landing_offset
    of_them = pl.col("landing_offset").is_between(first, last)
    return CheckedRows(
        messages=messages,
        rows=checked.rows.filter(of_them),
        quarantined=checked.quarantined.filter(of_them),
        refused=checked.refused.filter(of_them),
    )


def _is_readable(message: RawMessage) -> bool:
    return message.lost is None


def _move(warehouse: Warehouse, table: Table, before: Position, after: Position) -> None:
    """Change a table's position and none of its rows."""
    nothing = pl.DataFrame(schema=table.dtypes)
    warehouse.replace(table, nothing, range(0), before=before, after=after)
