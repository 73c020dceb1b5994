"""A replay: the rows of a source made again from landed bytes, by today's parser and checks.

Which messages are worth it after a fix is the business of `redrive`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from energy_platform.errors import ReplayOvertakenError
from energy_platform.history.revisions import known_beside, new_revisions
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.tables import market_table, quarantine_table
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
    quarantine_before = warehouse.position(quarantine_table(source))
    before = _unless_overtaken(warehouse, source, done)
    messages = batches.read_batch(source, first, before.offset)
    last = first + len(messages)
    checked = check_messages(source, messages)
    stored = warehouse.scan(table).filter(pl.col("landing_offset") < first)
    fresh = new_revisions(checked.rows, known_beside(checked.rows, stored, source), source)
    _requarantine(
        warehouse,
        source,
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


def _requarantine(  # noqa: PLR0913 (what fails, where, and as of when)
    warehouse: Warehouse,
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
    stored = warehouse.scan(table).collect()
    unseen = new_failures(failures, stored.filter(pl.col("landing_offset") < offsets.start))
    later = stored.filter(pl.col("landing_offset") >= offsets.start)
    if unseen.is_empty() and later.is_empty():
        return
    beyond = max(offsets.stop, before.offset)
    warehouse.replace(
        table,
        unseen,
        range(offsets.start, beyond) if to_the_end else offsets,
        before=before,
        after=before.replaced(offset=offsets.stop if to_the_end else beyond),
    )


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
