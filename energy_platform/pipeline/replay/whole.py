"""A whole replay: plan, stage and merge, wave by wave, from an offset to the table's.

It works on damaged tables too: what can't be read of them is set aside first, and made again.
"""

import logging
from dataclasses import dataclass

from polars.exceptions import PanicException

from energy_platform.errors import DamagedTableError, EnergyPlatformError
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay.merge import Merge, mark_stale
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.replay.stager import Stager
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Warehouse

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What one replay did.

    Attributes:
        source: The market source's name.
        start: First landing offset whose rows were made again.
        stop: The offset after the last one.
        rows: Rows that were stored.
        ranges: Ranges that were staged for it.
    """

    source: str
    start: int
    stop: int
    rows: int
    ranges: int = 0

    @property
    def messages(self) -> int:
        """How many messages were read again."""
        return self.stop - self.start


def replay(
    batches: MicroBatches, source: MarketSource, *, start: int, stager: Stager | None = None
) -> ReplayReport:
    """Make the rows from landing offset `start` on again, and then the whole hot copy.

    The table is then as if today's parser and checks had been there from `start` on. Micro-batches
    continue meanwhile. A replay that died is simply run again, from any `start`: it continues where
    the dead one stopped.

    If the table can't be read, what is damaged of it is set aside, and the replay begins before the
    first row that is missing then. A table whose log can't be read is made anew as a whole.

    Args:
        batches: The stores.
        source: The market source.
        start: The first landing offset.
        stager: Stages the messages before they are merged; otherwise this process parses them.

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        HotStoreUnavailableError: The hot store is down; run the replay again when it is back.
        ReplayOvertakenError: Another replay of this source has begun.
        StagingFailedError: Ranges could not be staged.
    """
    try:
        return _replay(batches, source, start, stager)
    except (Exception, PanicException) as error:
        is_of_no_file = isinstance(error, EnergyPlatformError)
        if is_of_no_file and not isinstance(error, DamagedTableError):
            raise
        first = _drop_damage(batches.warehouse, source)
        if first is None:
            raise
        _log.warning("%s: what was damaged of its table is made again", source.name)
        _catch_up(batches, source)
        return _replay(batches, source, min(start, first), stager)


def _replay(
    batches: MicroBatches, source: MarketSource, start: int, stager: Stager | None
) -> ReplayReport:
    table, merge = market_table(source), Merge(batches, source)
    if (position := batches.warehouse.position(table)).offset == 0:
        return ReplayReport(source=source.name, start=0, stop=0, rows=0)
    ranges, plan = 0, _staged(stager, source, range(merge.first(start), position.offset))
    done = merge.begin(start)
    first = done.offset
    while plan is not None:
        ranges += len(plan.ranges)
        done = merge.go_on(done, plan, until=plan.stop)
        plan = _staged(stager, source, range(done.offset, done.position.offset))
    done = merge.go_on(done, None)
    merge.end(done)
    if stager is not None:
        stager.clear(source)
    return ReplayReport(
        source=source.name, start=first, stop=done.offset, rows=done.rows, ranges=ranges
    )


def _staged(stager: Stager | None, source: MarketSource, offsets: range) -> Plan | None:
    """Plan and stage offsets, as many as staging has room for; None if that gains nothing."""
    return None if stager is None else stager.stage(source, offsets)


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
        mark_stale(warehouse, market_table(source), first)
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
