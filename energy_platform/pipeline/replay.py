"""A replay: the rows of a source made again from landed bytes, by today's parser and checks.

Which messages are worth it after a fix is the business of `redrive`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from energy_platform.errors import ReplayOvertakenError
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import check_messages
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


class _Step(NamedTuple):
    """Where a replay stands: all before `reached` is made again."""

    position: Position
    reached: int
    rows: int


def replay(batches: MicroBatches, source: MarketSource, *, start: int) -> ReplayReport:
    """Make the rows from landing offset `start` on again, and the whole hot copy after them.

    The table is then what it would be had today's parser and checks been there from `start`
    on. Micro-batches go on meanwhile. What they commit is compared with rows that may yet be
    replaced, so the replay goes over it too, until it has caught up with them: its last
    step is one that no batch has overtaken, and a batch that was under way is refused.

    From its first commit to its last the table says from where on it is stale. A replay that
    died is simply run again, from any `start`: it goes on where the dead one stopped.

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        HotStoreUnavailableError: The hot store is away; run the replay again when it is back.
        ReplayOvertakenError: Another replay of this source has begun.
    """
    if batches.warehouse.committed_offset(market_table(source)) == 0:
        return ReplayReport(source=source.name, start=0, stop=0, rows=0)
    step = _begin(batches.warehouse, source, start)
    first, rows = step.reached, 0
    while step.reached < step.position.offset:
        step = _go_on(batches, source, step)
        rows += step.rows
    batches.hot_copies.rebuild(source)
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
    """Make the first of the stale rows again."""
    warehouse, table, first = batches.warehouse, market_table(source), done.reached
    # In this order: were another replay to begin after the second, the first shows it.
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
    """Return where the table stands now, if no other replay has moved it."""
    position = warehouse.position(market_table(source))
    if position.replacements != done.position.replacements:
        raise ReplayOvertakenError(f"another replay of {source.name} has begun and goes on")
    return position


def _move(warehouse: Warehouse, table: Table, before: Position, after: Position) -> None:
    """Change a table's position and none of its rows."""
    nothing = pl.DataFrame(schema=table.dtypes)
    warehouse.replace(table, nothing, range(0), before=before, after=after)
