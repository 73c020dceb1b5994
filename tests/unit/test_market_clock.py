"""Market time runs at its speed, survives a restart, stops on demand, and feeds go by it."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from energy_platform.market.clock import MarketClock
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from simulator.providers import energy_charts
from simulator.server import running
from simulator.world import CLOCK_NAME
from tests.support.feeds import a_session, a_world

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_market_time_runs_at_its_speed() -> None:
    started_at = datetime.now(UTC) - timedelta(seconds=10)
    clock = MarketClock(origin=NOON, started_at=started_at, speed=60.0)
    assert clock.now() >= NOON + timedelta(minutes=10)


def test_a_frozen_clock_stands() -> None:
    clock = MarketClock(origin=NOON, started_at=datetime.now(UTC), speed=1000.0)
    clock.freeze()
    assert clock.now() == clock.now()


def test_a_restart_does_not_turn_time_back(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    first = MarketClock.resume(file, origin=NOON, speed=60.0)
    again = MarketClock.resume(file, origin=NOON, speed=60.0)
    assert again == first == MarketClock.load(file)


def test_a_restart_does_not_set_a_frozen_clock_going(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    clock = MarketClock.resume(file, origin=NOON, speed=60.0)
    clock.freeze()
    clock.save(file)
    assert MarketClock.resume(file, origin=NOON, speed=60.0).now() == clock.now()


async def test_feeds_go_by_the_clock_that_was_frozen(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON, speed=60.0)
    async with running(world, [energy_charts.PROVIDER]), httpx.AsyncClient(timeout=60) as client:
        url = f"{world.url}/control/freeze"
        frozen = (await client.post(url)).raise_for_status().json()["market_time"]
    assert MarketClock.load(world.folder / CLOCK_NAME).now().isoformat() == frozen


def test_another_world_has_another_clock(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    MarketClock.resume(file, origin=NOON, speed=60.0)
    assert MarketClock.resume(file, origin=None, speed=2.0).speed == 2.0
    later = NOON + timedelta(days=1)
    assert MarketClock.resume(file, origin=later, speed=2.0).origin == later


async def test_a_polled_feed_keeps_up_with_a_market_sixty_times_as_fast(tmp_path: Path) -> None:
    """Five minutes of one value a second in a few seconds, without a hole, long ago."""
    source = market_source("energy_charts_frequency")
    world = a_world(tmp_path, origin=NOON, speed=60.0)
    session = a_session(world, source.name)
    async with running(world, [energy_charts.PROVIDER]):
        feeding = asyncio.create_task(source.feed.run(session))
        async with asyncio.timeout(60):
            while len(seconds := _observed(session.landed)) < 300:
                await asyncio.sleep(0.2)
        feeding.cancel()
        await asyncio.wait([feeding])
    assert seconds[0] < NOON + timedelta(minutes=1)
    steps = {later - earlier for earlier, later in itertools.pairwise(seconds)}
    assert steps == {timedelta(seconds=1)}


def _observed(messages: list[RawMessage]) -> list[datetime]:
    if not messages:
        return []
    landed = [replace(one, landing_offset=at) for at, one in enumerate(messages)]
    seconds = market_source("energy_charts_frequency").parse(landed)["observed_at"]
    return seconds.unique().sort().to_list()
