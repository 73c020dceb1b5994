"""What a notebook or an algorithm follows: new rows as the platform receives them.

The live bus delivers rows and says where it has lost some. Those are read again here, so that who
follows gets them as a snapshot, or is told that it lacks them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from energy_platform.errors import EnergyPlatformError, LiveBusUnavailableError, UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_live_bus, open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.update import Update, UpdateKind, typed
from energy_platform.reading.where import Where, condition
from energy_platform.settings import Settings
from energy_platform.storage.live_bus.cursor import places_of
from energy_platform.storage.live_bus.protocol import Gap, LiveBus, Rows

_log = logging.getLogger(__name__)

_OLDEST_CURSOR_SECONDS: Final = 60.0
"""After how long rows that `where` leaves out bring an update of their own, with a newer cursor."""


class Followed(NamedTuple):
    """A source that is followed, and which of its rows are wanted."""

    source: MarketSource
    condition: pl.Expr


def followed(names: Iterable[str], where: Where, since: str | None) -> Mapping[str, Followed]:
    """Return the sources of these names, and which of their rows are wanted.

    Raises:
        UnknownSourceError: There is no source of this name.
        UsageError: `where` or `since` is not one of these sources.
    """
    found = [market_source(name) for name in dict.fromkeys(names)]
    if not found:
        raise UsageError("name at least one market source to follow")
    places_of(since, [one.name for one in found])
    return {one.name: Followed(one, condition(one, where)) for one in found}


def updates_here(
    chosen: Settings, wanted: Mapping[str, Followed], since: str | None
) -> AsyncGenerator[Update, None]:
    """Yield what the live bus of these settings brings of sources, for ever.

    Raises:
        UsageError: The live bus's client is not installed.
        LiveBusUnavailableError: The bus is down when the first update is waited for.
    """
    return _updates_of(open_live_bus(chosen), chosen, wanted, since)


async def _updates_of(
    bus: LiveBus, chosen: Settings, wanted: Mapping[str, Followed], since: str | None
) -> AsyncGenerator[Update, None]:
    await _require(bus, chosen.home)
    batches = partial(open_micro_batches, chosen)
    async with aclosing(updates(bus, batches, wanted, since)) as told:
        async for update in told:
            yield update


async def updates(
    bus: LiveBus,
    batches: Callable[[], MicroBatches],
    chosen: Mapping[str, Followed],
    since: str | None,
) -> AsyncGenerator[Update, None]:
    """Yield what a bus brings of sources, for ever, and read what it has lost.

    Args:
        bus: The bus.
        batches: Opens the stores that have what the bus has lost.
        chosen: The sources, and which of their rows are wanted.
        since: The cursor of the last update that was handled.
    """
    told = time.monotonic()
    async with aclosing(bus.follow(chosen, since)) as messages:
        async for message in messages:
            if isinstance(message, Gap):
                update = await asyncio.to_thread(
                    _snapshot, batches, chosen[message.source], message
                )
            else:
                update = _rows(chosen[message.source], message)
                is_stale = time.monotonic() - told > _OLDEST_CURSOR_SECONDS
                if update.rows.is_empty() and not is_stale:
                    continue
            yield update
            told = time.monotonic()


async def _require(bus: LiveBus, home: Path) -> None:
    try:
        await bus.require()
    except LiveBusUnavailableError as error:
        raise LiveBusUnavailableError(
            f"{error}; does `energy-platform up` run from {home}?"
        ) from error


def _rows(followed: Followed, message: Rows) -> Update:
    rows = typed(followed.source, message.rows).filter(followed.condition)
    return Update(kind=UpdateKind.ROWS, source=message.source, rows=rows, cursor=message.cursor)


def _snapshot(batches: Callable[[], MicroBatches], followed: Followed, gap: Gap) -> Update:
    """Return the rows that a gap may have cost; the gap itself if they can't be read."""
    source, reason = followed.source, ""
    try:
        rows = missed_rows(batches(), source, gap.since, where=followed.condition)
    except Exception as error:  # noqa: BLE001 (who follows is told, and goes on)
        if not isinstance(error, EnergyPlatformError):
            _log.exception("%s: no snapshot", source.name)
        rows, reason = pl.DataFrame(schema=market_table(source).dtypes), str(error)
    return Update(
        kind=UpdateKind.GAP if reason else UpdateKind.SNAPSHOT,
        source=gap.source,
        rows=typed(source, rows),
        cursor=gap.cursor,
        since=gap.since,
        reason=reason,
    )
