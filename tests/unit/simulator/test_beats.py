"""A provider that has fallen behind makes up for every beat, and lets others have their turn."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta

from energy_platform.market.clock import MarketClock
from simulator.beats import beats

BEGAN = datetime(2026, 3, 29, tzinfo=UTC)
EVERY = timedelta(seconds=10)


def long_after() -> MarketClock:
    """Return a clock by which a year of beats is overdue."""
    return MarketClock(origin=BEGAN + timedelta(days=365), started_at=datetime.now(UTC))


async def test_every_overdue_beat_comes_in_its_order() -> None:
    overdue = beats(long_after(), EVERY, BEGAN)
    assert [await anext(overdue) for _ in range(1_000)] == [
        BEGAN + number * EVERY for number in range(1, 1_001)
    ]


async def test_while_slow_beats_are_made_up_for_others_have_their_turn() -> None:
    turns = itertools.count()

    async def others() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    overdue = beats(long_after(), EVERY, BEGAN)
    for _ in range(20):
        await anext(overdue)
        time.sleep(0.02)  # noqa: ASYNC251 (work that keeps the loop)
    running.cancel()
    assert next(turns) >= 19
