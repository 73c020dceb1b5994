"""What a notebook or an algorithm follows: new rows as the platform receives them.

The live bus delivers rows and says where it has lost some. Those are read again here, so that who
follows gets them as a snapshot, or is told that it lacks them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple

import polars as pl

from energy_platform.errors import EnergyPlatformError, LiveBusUnavailableError, UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches, open_live_bus
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.remote_following import remote_updates
from energy_platform.reading.update import Update, UpdateKind, typed
from energy_platform.reading.where import Where, condition
from energy_platform.settings import settings
from energy_platform.storage.live_bus.cursor import places_of
from energy_platform.storage.live_bus.protocol import Gap, LiveBus, Rows

_log = logging.getLogger(__name__)

_OLDEST_CURSOR_SECONDS: Final = 60.0
"""After how long rows that `where` leaves out bring an update of their own, with a newer cursor."""


class Followed(NamedTuple):
    """A source that is followed, and which of its rows are wanted."""

    source: MarketSource
    condition: pl.Expr


def follow(
    sources: str | Iterable[str],
    *,
    where: Where | None = None,
    since: str | None = None,
    address: str | None = None,
    token: str | None = None,
) -> AsyncGenerator[Update, None]:
    """Yield the rows of market sources as the platform receives them, for ever.

    Each row comes once its point is in the hot store, some 0.3 s after it was received. Every row
    is delivered at least once: what was missed, because this follower was away or too slow or the
    live bus was down, comes again as a snapshot, or a gap says that it could not be read. Close the
    iterator (`contextlib.aclosing`) to disconnect.

    Args:
        sources: A source's name, or several, as `catalog` lists them.
        where: Only rows with these values in key columns: `{"side": "BUY"}`, or several values,
            `{"contract_id": ["a", "b"]}`. Every source must have the columns. While
            only other rows come, an update without rows brings a newer cursor each minute.
        since: The cursor of the last update that was handled; it stays good for two hours, and
            leads to a snapshot after that. Without it, and for sources that it does not have, only
            rows from now on are yielded.
        address: The address of a dashboard on another machine, `http://desk.example.com:3070`,
            whose platform is followed; the platform of this home, unless given.
        token: A token of scope `read`, where that dashboard has a login.

    Yields:
        Updates. Their `rows` have the source's columns (units in their names), `received_at` and
        `landing_offset`. Instants are UTC.

    Raises:
        UnknownSourceError: There is no source of this name.
        UsageError: `where` names a column that is not in a source's key, or a value of another
            type; `since` is no cursor; or the live bus's client is not installed.
        LiveBusUnavailableError: No platform runs, or its live bus is down. Once the first update
            has been waited for, the bus may be down: it is tried again and again.

    >>> async def print_trades(cursor: str | None) -> None:
    ...     trades = follow("nord_pool_intraday_trade", since=cursor)
    ...     async for update in trades:
    ...         print(update.kind, update.rows.select("observed_at", "price_eur_per_mwh"))
    ...         cursor = update.cursor  # keep it, to resume from here
    >>> follow(["nord_pool_intraday_trade"], where={"price": 1})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    energy_platform.errors.UsageError: nord_pool_intraday_trade has no key column 'price'; ...
    """
    names = [sources] if isinstance(sources, str) else sources
    chosen = followed(names, where or {}, since)
    if address is not None:
        found = {name: one.source for name, one in chosen.items()}
        return remote_updates(found, where or {}, since, address, token)
    return _updates_here(open_live_bus(settings()), chosen, since)


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


async def _updates_here(
    bus: LiveBus, chosen: Mapping[str, Followed], since: str | None
) -> AsyncGenerator[Update, None]:
    await _require(bus)
    async with aclosing(updates(bus, micro_batches, chosen, since)) as told:
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


async def _require(bus: LiveBus) -> None:
    try:
        await bus.require()
    except LiveBusUnavailableError as error:
        raise LiveBusUnavailableError(
            f"{error}; does `energy-platform up` run from {settings().home}?"
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
