"""What a notebook or an algorithm follows: new rows as the platform receives them.

The live bus delivers rows and says where it has lost some. Those are read again here, so that who
follows gets them as a snapshot, or is told that it lacks them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import polars as pl

from energy_platform.errors import EnergyPlatformError, LiveBusUnavailableError, UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.stores import micro_batches, open_live_bus
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.where import Where, condition
from energy_platform.settings import settings
from energy_platform.storage.live_bus.cursor import places_of
from energy_platform.storage.live_bus.protocol import Gap, LiveBus, Rows

_log = logging.getLogger(__name__)

_OLDEST_CURSOR_SECONDS: Final = 60.0
"""After how long rows that `where` leaves out bring an update of their own, with a newer cursor."""


class UpdateKind(StrEnum):
    """What an update brings.

    Attributes:
        ROWS: New rows.
        SNAPSHOT: All rows that the follower may have missed, read again. It may have had some.
        GAP: None; rows may be missing, and could not be read again.
    """

    ROWS = "rows"
    SNAPSHOT = "snapshot"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What `follow` yields.

    Attributes:
        kind: What it brings: "rows", "snapshot" or "gap".
        source: The market source's name.
        rows: Rows of the source's table, with its columns and types, in landing order; every
            revision is a row.
        cursor: Where to resume once this update is handled.
        since: Of a snapshot or a gap, the landing offset from which rows may have been missed.
        reason: Of a gap, why the rows could not be read again.
    """

    kind: UpdateKind
    source: str
    rows: pl.DataFrame
    cursor: str
    since: int | None = None
    reason: str = ""


class _Followed(NamedTuple):
    """A source that is followed, and which of its rows are wanted."""

    source: MarketSource
    condition: pl.Expr


def follow(
    sources: str | Iterable[str], *, where: Where | None = None, since: str | None = None
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
    names = dict.fromkeys([sources] if isinstance(sources, str) else sources)
    if not names:
        raise UsageError("name at least one market source to follow")
    found = [market_source(name) for name in names]
    followed = {one.name: _Followed(one, condition(one, where or {})) for one in found}
    places_of(since, names)
    return _updates(open_live_bus(settings()), followed, since)


async def _updates(
    bus: LiveBus, followed: Mapping[str, _Followed], since: str | None
) -> AsyncGenerator[Update, None]:
    await _require(bus)
    told = time.monotonic()
    async with aclosing(bus.follow(followed, since)) as messages:
        async for message in messages:
            if isinstance(message, Gap):
                update = await asyncio.to_thread(_snapshot, followed[message.source], message)
            else:
                update = _rows(followed[message.source], message)
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


def _rows(followed: _Followed, message: Rows) -> Update:
    rows = _typed(followed.source, message.rows).filter(followed.condition)
    return Update(kind=UpdateKind.ROWS, source=message.source, rows=rows, cursor=message.cursor)


def _snapshot(followed: _Followed, gap: Gap) -> Update:
    """Return the rows that a gap may have cost; the gap itself if they can't be read."""
    source, reason = followed.source, ""
    try:
        rows = missed_rows(micro_batches(), source, gap.since, where=followed.condition)
    except Exception as error:  # noqa: BLE001 (who follows is told, and goes on)
        if not isinstance(error, EnergyPlatformError):
            _log.exception("%s: no snapshot", source.name)
        rows, reason = pl.DataFrame(schema=market_table(source).dtypes), str(error)
    return Update(
        kind=UpdateKind.GAP if reason else UpdateKind.SNAPSHOT,
        source=gap.source,
        rows=_typed(source, rows),
        cursor=gap.cursor,
        since=gap.since,
        reason=reason,
    )


def _typed(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the columns of this process's version of the source."""
    dtypes = market_table(source).dtypes
    typed = pl.concat([pl.DataFrame(schema=dtypes), rows], how="diagonal_relaxed")
    return typed.select(*dtypes).cast(dtypes)  # type: ignore[arg-type] # dict is invariant
