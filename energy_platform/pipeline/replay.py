"""A replay: a source's rows made again from landed bytes, by today's parser and checks.

It works on damaged tables too: what can't be read of them is set aside first, and made again. Where
messages can't be read any more, rows that were made of them stay as they are.

`redrive` decides which messages to replay after a fix.
"""

import itertools
import logging
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from polars.exceptions import PanicException

from energy_platform.errors import DamagedTableError, EnergyPlatformError, ReplayOvertakenError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What one replay did.

    Attributes:
        source: The market source's name.
        start: First landing offset whose rows were made again.
        stop: The offset after the last one.
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


class _Step(NamedTuple):
    """How far a replay is: all rows before `reached` are made again."""

    position: Position
    reached: int
    rows: int


def replay(batches: MicroBatches, source: MarketSource, *, start: int) -> ReplayReport:
    """Make the rows from landing offset `start` on again, and then the whole hot copy.

    The table is then as if today's parser and checks had been there from `start` on. Micro-batches
    continue meanwhile. They compare their rows with rows that may yet be replaced, so the replay
    makes their rows again too, until it has caught up. Its last step is one that no batch has
    overtaken, and a batch that was running at that moment is refused.

    From the replay's first commit to its last, the table records where its stale rows begin. A
    replay that died is simply run again, from any `start`: it continues where the dead one stopped.

    If the table can't be read, what is damaged of it is set aside, and the replay begins before the
    first row that is missing then. A table whose log can't be read is made anew as a whole.

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        HotStoreUnavailableError: The hot store is down; run the replay again when it is back.
        ReplayOvertakenError: Another replay of this source has begun.
    """
    try:
        return _replay(batches, source, start)
    except (Exception, PanicException) as error:
        is_of_no_file = isinstance(error, EnergyPlatformError)
        if is_of_no_file and not isinstance(error, DamagedTableError):
            raise
        first = _drop_damage(batches.warehouse, source)
        if first is None:
            raise
        _log.warning("%s: what was damaged of its table is made again", source.name)
        _catch_up(batches, source)
        return _replay(batches, source, min(start, first))


def _drop_damage(warehouse: Warehouse, source: MarketSource) -> int | None:
    """Make a source's tables readable; return before which offset no row is lost by that.

    None if nothing is damaged.
    """
    tables = (market_table(source), quarantine_table(source))
    damaged = [(table, found) for table in tables if (found := warehouse.damage(table))]
    if not damaged:
        return None
    first = min(one.first_offset for _, found in damaged for one in found)
    try:
        # If this process is killed before the rows are made again, the next replay knows of it.
        _begin(warehouse, source, first)
    except DamagedTableError:
        first = 0
    for table, _ in damaged:
        tried_again(warehouse.drop_damage)(table)
    return first


def _catch_up(batches: MicroBatches, source: MarketSource) -> None:
    """Bring a table that was begun anew to where the log ends now."""
    end = batches.landing.log(source.name).end_offset()
    while batches.warehouse.committed_offset(market_table(source)) < end:
        batches.run(source)


def _replay(batches: MicroBatches, source: MarketSource, start: int) -> ReplayReport:
    if batches.warehouse.committed_offset(market_table(source)) == 0:
        return ReplayReport(source=source.name, start=0, stop=0, rows=0)
    step = _begin(batches.warehouse, source, start)
    first, rows = step.reached, 0
    while step.reached < step.position.offset:
        step = _go_on(batches, source, step)
        rows += step.rows
    HotLane(batches, source).rebuild()
    _end(batches.warehouse, source, step)
    return ReplayReport(source=source.name, start=first, stop=step.reached, rows=rows)


@tried_again
def _begin(warehouse: Warehouse, source: MarketSource, start: int) -> _Step:
    """Mark the table as stale from `start`, or from where a dead replay stopped."""
    table = market_table(source)
    before = warehouse.position(table)
    first = min(start, before.offset)
    if before.stale_from is not None:
        first = min(first, before.stale_from)
    after = before.replaced(stale_from=first)
    _move(warehouse, table, before, after)
    return _Step(after, reached=first, rows=0)


@tried_again
def _go_on(batches: MicroBatches, source: MarketSource, done: _Step) -> _Step:
    """Make the next stale rows again."""
    warehouse, table, first = batches.warehouse, market_table(source), done.reached
    # In this order: if another replay begins after the second step, the first step reveals it.
    quarantine = QuarantineWriter(warehouse, source)
    quarantine_before = quarantine.position()
    before = _unless_overtaken(warehouse, source, done)
    messages = _alike(source, batches, first, before.offset)
    if messages[-1].lost is not None:
        last = min(messages[-1].next_offset, before.offset)
        return _leave(warehouse, source, messages, before=before, last=last)
    checked = batches.check(source, messages)
    messages = [*checked.messages]
    last = min(messages[-1].next_offset, before.offset)
    stored = warehouse.scan(table).filter(pl.col("landing_offset") < first)
    fresh = new_rows(
        source, messages, checked, lambda since: stored.filter(pl.col(source.event_time) >= since)
    ).fresh
    quarantine.replace(
        checked.quarantined,
        range(first, last),
        to_the_end=last == before.offset,
        before=quarantine_before,
    )
    after = before.replaced(stale_from=last)
    warehouse.replace(table, fresh, range(first, last), before=before, after=after)
    return _Step(after, reached=last, rows=fresh.height)


def _alike(source: MarketSource, batches: MicroBatches, first: int, stop: int) -> list[RawMessage]:
    """Return the next messages that can be read, or the one that stands for those that can't."""
    batches.landing.log(source.name).end_offset(taken=stop)
    messages = batches.read_batch(source, first, stop)
    readable = list(itertools.takewhile(lambda message: message.lost is None, messages))
    return readable or messages[:1]


def _leave(
    warehouse: Warehouse,
    source: MarketSource,
    messages: list[RawMessage],
    *,
    before: Position,
    last: int,
) -> _Step:
    """Leave rows and failures as they are whose messages can't be read any more.

    Where there are none, the messages themselves go to quarantine.
    """
    of_them = pl.col("landing_offset").is_between(messages[0].landing_offset, last, closed="left")
    tables = (market_table(source), quarantine_table(source))
    if all(warehouse.scan(one).filter(of_them).head(1).collect().is_empty() for one in tables):
        QuarantineWriter(warehouse, source).insert(check_messages(source, messages).quarantined)
    after = before.replaced(stale_from=last)
    _move(warehouse, market_table(source), before, after)
    return _Step(after, reached=last, rows=0)


@tried_again
def _end(warehouse: Warehouse, source: MarketSource, done: _Step) -> None:
    before = _unless_overtaken(warehouse, source, done)
    _move(warehouse, market_table(source), before, before.replaced())


def _unless_overtaken(warehouse: Warehouse, source: MarketSource, done: _Step) -> Position:
    """Return the table's position, unless another replay has changed it."""
    position = warehouse.position(market_table(source))
    if position.replacements != done.position.replacements:
        raise ReplayOvertakenError(f"another replay of {source.name} has begun and goes on")
    return position


def _move(warehouse: Warehouse, table: Table, before: Position, after: Position) -> None:
    """Change a table's position and none of its rows."""
    nothing = pl.DataFrame(schema=table.dtypes)
    warehouse.replace(table, nothing, range(0), before=before, after=after)
