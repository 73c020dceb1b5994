"""A replay: a source's rows made again from landed bytes, by today's parser and checks.

`redrive` decides which messages to replay after a fix.
"""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from energy_platform.errors import ReplayOvertakenError
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Position, Warehouse


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

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        HotStoreUnavailableError: The hot store is down; run the replay again when it is back.
        ReplayOvertakenError: Another replay of this source has begun.
    """
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
    messages = batches.read_batch(source, first, before.offset)
    last = first + len(messages)
    checked = check_messages(source, messages)
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
