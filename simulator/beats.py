"""The beats of a market: the instants at which a provider publishes what is new."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from energy_platform.market.clock import MarketClock

_KEEPS_THE_LOOP_SECONDS: Final = 0.01


async def beats(
    clock: MarketClock, every: timedelta, after: datetime | None
) -> AsyncIterator[datetime]:
    """Yield the market's beats as they are due: now, then each whole multiple of `every`.

    With `after`, yield the beats after that instant instead, including those that were missed: what
    happens at a beat depends on the beat alone, so a restarted provider catches up. Overdue beats
    follow one another without a pause, but every few milliseconds other tasks get a turn.
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
