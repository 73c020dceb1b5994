"""Bounds the disk space of a simulated market's home.

Data of simulated markets has no lasting value, so raw messages and rows are deleted when they are
old or too many. Data of real markets is kept for good, and this module never touches it;
`disk_space` warns there. `is_simulated_alone` says which homes are simulated.

`docs/operations.md` has all bounds in one table.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from polars.exceptions import PanicException

from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.marts.catalogue import marts
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.landing import LandingLog
from energy_platform.storage.warehouse.delta import DeltaWarehouse

LANDING_BYTES: Final = 10 * 2**30
"""The greatest size of a simulated market's raw messages."""
TABLE_BYTES: Final = 8 * 2**30
"""The greatest size of its tables, quarantine and marts included."""
TABLE_AGE: Final = timedelta(days=30)
"""The greatest age of its rows."""

_LEAST_AGE: Final = timedelta(hours=1)
"""Younger data stays, whatever its size."""
_SHORTER: Final = 0.8

_log = logging.getLogger(__name__)


def bound_landing(
    batches: MicroBatches, *, now: datetime, age: timedelta, most_bytes: int = LANDING_BYTES
) -> int:
    """Delete raw messages that are too old, and the oldest while all are too many.

    Messages that no batch has taken yet stay. Returns how many segments were deleted.
    """
    logs = [(batches.landing.log(source.name), source) for source in market_sources().values()]

    def forget(before: datetime) -> int:
        return sum(_forget(batches, log, source, before) for log, source in logs)

    def size() -> int:
        return sum(log.size_bytes() for log, _ in logs)

    return _remove(forget, size, _cuts(now, age), most_bytes)


def _forget(batches: MicroBatches, log: LandingLog, source: MarketSource, before: datetime) -> int:
    """Delete a source's old messages; a log or a table that can't be read keeps its own alone."""
    try:
        taken = batches.warehouse.committed_offset(market_table(source))
        return log.forget(before=before, below=taken)
    except (Exception, PanicException):  # noqa: BLE001 (the other logs are bounded)
        _log.exception("messages of %s can't be removed", source.name)
        return 0


def bound_tables(
    batches: MicroBatches,
    *,
    now: datetime,
    age: timedelta = TABLE_AGE,
    most_bytes: int = TABLE_BYTES,
) -> int:
    """Delete rows that are too old, and the oldest while all are too many; return how many.

    A warehouse outside the home is left as it is.
    """
    warehouse = batches.warehouse
    if not isinstance(warehouse, DeltaWarehouse):
        return 0
    tables = [
        *(
            make(one)
            for one in market_sources().values()
            for make in (market_table, quarantine_table)
        ),
        *(mart.table for mart in marts().values()),
    ]
    return _remove(
        lambda before: warehouse.expire(tables, before=before),
        lambda: warehouse.stored_bytes(tables),
        # Whole hours, so that a file is rewritten once an hour at most.
        _cuts(now.replace(minute=0, second=0, microsecond=0), age),
        most_bytes,
    )


def _remove(
    remove: Callable[[datetime], int],
    size: Callable[[], int],
    cuts: Iterable[datetime],
    most_bytes: int,
) -> int:
    """Delete data older than the first cut, then than later cuts until the rest is small enough."""
    removed = 0
    for before in cuts:
        removed += remove(before)
        if size() <= most_bytes:
            return removed
    _log.warning("more than %d bytes are left: all of it is new", most_bytes)
    return removed


def _cuts(now: datetime, age: timedelta) -> Iterator[datetime]:
    """Yield instants, the first one `age` ago and each later than the one before."""
    yield now - age
    while (age := age * _SHORTER) > _LEAST_AGE:
        yield now - age
