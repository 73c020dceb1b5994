"""What a polled provider shows of one market source: the newest row of every key.

The journal is its memory: rows are journalled, then shown, and after a restart the board is what
the journal says was shown.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from energy_platform.market.clock import MarketClock
from simulator.journal import Row
from simulator.world import World

_KEEPS_THE_LOOP_SECONDS: Final = 0.01
_INSTANT_SUFFIXES: Final = ("_start", "_end", "_at")


class Board:
    """The rows of one market source that a client can see now.

    Attributes:
        shown_at: Market time of the newest rows; None before there are any.
    """

    def __init__(self, world: World, source: str, key: Sequence[str]) -> None:
        self._world = world
        self._source = source
        self._key = tuple(key)
        self._rows: dict[tuple[Any, ...], Row] = {}
        self.shown_at: datetime | None = None
        for emission in world.journal.emissions(source):
            self._put(with_instants(row) for row in emission.rows)
            self.shown_at = emission.market_at

    def get(self, *key: object) -> Row | None:
        """Return the row of a key, or None while there is none."""
        return self._rows.get(key)

    def rows(self) -> Iterator[Row]:
        """Yield every row, in the order in which their keys were first shown."""
        yield from self._rows.values()

    def show(self, rows: Iterable[Row], market_at: datetime) -> None:
        """Make rows visible, journalled first; those that say nothing new are left out."""
        news = [row for row in rows if self._rows.get(self._key_of(row)) != row]
        if news:
            self._world.journal.emit(self._source, market_at, news)
            self._put(news)
            self.shown_at = market_at

    def _put(self, rows: Iterable[Row]) -> None:
        self._rows.update((self._key_of(row), row) for row in rows)

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._key)


def with_instants(row: Row) -> Row:
    """Return a journalled row with its instants as datetimes again."""
    return {
        name: datetime.fromisoformat(value) if name.endswith(_INSTANT_SUFFIXES) else value
        for name, value in row.items()
    }


async def beats(
    clock: MarketClock, every: timedelta, after: datetime | None
) -> AsyncIterator[datetime]:
    """Yield the market's beats as they are due: now, then each whole multiple of `every`.

    With `after`, the beats after that instant instead, those missed included: what happens at a
    beat depends on the beat alone, so a restarted provider makes up for them. Overdue ones come
    one after the other, as many as are done in a moment; then whoever else waits has a turn.
    """
    seconds = every.total_seconds()
    beat = clock.now() if after is None else _next_beat(after, seconds)
    turn_began = time.monotonic()
    while True:
        await clock.sleep_until(beat)
        yield beat
        if time.monotonic() - turn_began > _KEEPS_THE_LOOP_SECONDS:
            await asyncio.sleep(0)
            turn_began = time.monotonic()
        beat = _next_beat(beat, seconds)


def _next_beat(instant: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp((math.floor(instant.timestamp() / seconds) + 1) * seconds, UTC)
