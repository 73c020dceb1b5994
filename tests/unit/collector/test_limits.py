"""Feeds of one provider take turns, and stay away together while it bans them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from energy_platform.collector import limits
from energy_platform.collector.limits import ProviderLimits

SELDOM = 0.001
"""Requests per second: the second one would be due in a quarter of an hour."""


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)
    on_waking: Callable[[], None] = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.on_waking()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    # In the module alone: the event loop goes by the real one.
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(limits, "asyncio", SimpleNamespace(sleep=clock.sleep))
    return clock


async def has_a_turn(limits: ProviderLimits, provider: str, rate: float) -> bool:
    try:
        await asyncio.wait_for(limits.turn(provider, rate), 0.05)
    except TimeoutError:
        return False
    return True


async def test_a_provider_is_asked_no_more_often_than_it_allows() -> None:
    limits = ProviderLimits()
    assert await has_a_turn(limits, "OTE", SELDOM)
    assert not await has_a_turn(limits, "OTE", SELDOM)


async def test_providers_do_not_wait_for_each_other() -> None:
    limits = ProviderLimits()
    await limits.turn("OTE", SELDOM)
    assert await has_a_turn(limits, "DWD", SELDOM)


async def test_a_second_holds_as_many_requests_as_the_rate_says() -> None:
    limits = ProviderLimits()
    assert [await has_a_turn(limits, "OTE", 3.0) for _ in range(3)] == [True] * 3


async def test_a_ban_keeps_every_feed_of_the_provider_away(clock: Clock) -> None:
    limits = ProviderLimits()
    limits.ban("ENTSO-E", 600)
    await limits.turn("DWD", 1.0)
    assert clock.slept == []
    await limits.turn("ENTSO-E", 5.0)
    assert clock.slept == [600]
    await limits.turn("ENTSO-E", 5.0)
    assert clock.slept == [600]


async def test_a_shorter_ban_shortens_nothing(clock: Clock) -> None:
    limits = ProviderLimits()
    limits.ban("ENTSO-E", 600)
    limits.ban("ENTSO-E", 5)
    await limits.turn("ENTSO-E", 1.0)
    assert clock.slept == [600]


async def test_a_ban_that_is_renewed_while_waiting_is_waited_for(clock: Clock) -> None:
    limits = ProviderLimits()
    limits.ban("ENTSO-E", 10)
    clock.on_waking = lambda: limits.ban("ENTSO-E", 20) if len(clock.slept) == 1 else None
    await limits.turn("ENTSO-E", 1.0)
    assert clock.slept == [10, 20]


async def test_a_ban_holds_back_those_who_wait_for_their_turn() -> None:
    limits = ProviderLimits()
    for _ in range(10):
        await limits.turn("ENTSO-E", 10.0)
    waiting = asyncio.create_task(limits.turn("ENTSO-E", 10.0))
    await asyncio.sleep(0)
    limits.ban("ENTSO-E", 0.5)
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
