"""All who ask a provider take turns, and stay away together while it bans them."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.provider import Provider, Rate
from energy_platform.settings import StatePlace
from tests.unit.limit_askers import SHARED, start_asker

SELDOM = Provider(name="OTE", rates=(Rate(1, timedelta(minutes=15)),))
ENTSOE = Provider(name="ENTSO-E", rates=(Rate(10),))


@pytest.fixture
def limits(place: StatePlace) -> ProviderLimits:
    return ProviderLimits(place)


async def has_to_wait(limits: ProviderLimits, provider: Provider) -> bool:
    try:
        await asyncio.wait_for(limits.turn(provider), 0.2)
    except TimeoutError:
        return True
    return False


async def takes_a_turn(limits: ProviderLimits, provider: Provider) -> None:
    """Take a turn that is free now; the providers that are asked have none for minutes else."""
    await asyncio.wait_for(limits.turn(provider), 30)


def most_within(times: Sequence[float], seconds: float) -> int:
    """Return the most of `times` that any window of this length holds."""
    return max(sum(first <= at < first + seconds for at in times) for first in times)


async def test_a_provider_is_asked_no_more_often_than_it_allows(limits: ProviderLimits) -> None:
    await takes_a_turn(limits, SELDOM)
    assert await has_to_wait(limits, SELDOM)


async def test_providers_do_not_wait_for_each_other(limits: ProviderLimits) -> None:
    await takes_a_turn(limits, SELDOM)
    await takes_a_turn(limits, ENTSOE)


async def test_a_window_holds_as_many_requests_as_the_rate_says(limits: ProviderLimits) -> None:
    three = Provider(name="DWD", rates=(Rate(3, timedelta(minutes=1)),))
    for _ in range(3):
        await takes_a_turn(limits, three)
    assert await has_to_wait(limits, three)


async def test_every_rate_holds(limits: ProviderLimits) -> None:
    times = []
    for _ in range(40):
        await limits.turn(SHARED)
        times.append(time.time())
    # Turns are exact; when we wake up for them is not, by a few milliseconds.
    assert most_within(times, 0.24) <= 6
    assert most_within(times, 0.98) <= 16
    assert times[-1] - times[0] < 20, "fifteen a second, not one"


async def test_in_a_faster_market_rates_are_higher(limits: ProviderLimits) -> None:
    began = time.monotonic()
    for _ in range(31):
        await limits.turn(Provider(name="OTE"), 60.0)
    assert 0.45 <= time.monotonic() - began < 15, "30 s at the market's own speed"


async def test_a_ban_keeps_every_feed_of_the_provider_away(limits: ProviderLimits) -> None:
    limits.ban(ENTSOE, 600)
    assert await has_to_wait(limits, ENTSOE)
    await takes_a_turn(limits, SELDOM)


async def test_a_shorter_ban_shortens_nothing(limits: ProviderLimits) -> None:
    limits.ban(ENTSOE, 600)
    limits.ban(ENTSOE, 0.01)
    await asyncio.sleep(0.05)
    assert await has_to_wait(limits, ENTSOE)


async def test_a_ban_ends(limits: ProviderLimits) -> None:
    limits.ban(ENTSOE, 0.3)
    began = time.monotonic()
    await takes_a_turn(limits, ENTSOE)
    assert time.monotonic() - began >= 0.25


async def test_a_ban_holds_back_those_who_wait_for_their_turn(limits: ProviderLimits) -> None:
    slow = Provider(name="ENTSO-E", rates=(Rate(1, timedelta(seconds=2)),))
    await limits.turn(slow)
    waiting = asyncio.create_task(limits.turn(slow))
    await asyncio.sleep(0.05)
    limits.ban(slow, 3.0)
    banned_at = time.time()
    await asyncio.wait_for(waiting, 30)
    assert time.time() > banned_at + 2.9


async def test_turns_and_bans_outlive_the_process(place: StatePlace) -> None:
    first = ProviderLimits(place)
    await first.turn(SELDOM)
    first.ban(ENTSOE, 600)
    again = ProviderLimits(place)
    assert await has_to_wait(again, SELDOM)
    assert await has_to_wait(again, ENTSOE)


@pytest.mark.parametrize("back_seconds", [60.0, 5 * 3600.0, 1e8])
async def test_a_clock_that_is_set_back_stops_nobody_and_ends_no_ban(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back_seconds: float
) -> None:
    limits, now = ProviderLimits(StatePlace(tmp_path)), time.time
    briefly = Provider(name="briefly", rates=SELDOM.rates)
    monkeypatch.setattr(time, "time", lambda: now() + back_seconds)
    await limits.turn(SELDOM)
    limits.ban(briefly, 0.3)
    limits.ban(ENTSOE, 600)
    monkeypatch.undo()
    await takes_a_turn(limits, SELDOM)
    await takes_a_turn(limits, briefly)
    assert await has_to_wait(limits, ENTSOE)


async def test_what_no_rate_looks_back_at_is_forgotten(limits: ProviderLimits) -> None:
    for _ in range(200):
        await limits.turn(ENTSOE, 1_000.0)
    with limits._tables.reading() as statements:
        [kept] = statements.execute("SELECT COUNT(*) FROM reserved").fetchone()
    assert kept <= 12


async def test_a_locked_file_leaves_the_event_loop_alone(tmp_path: Path) -> None:
    limits = ProviderLimits(StatePlace(tmp_path))
    await limits.turn(SELDOM)
    with contextlib.closing(sqlite3.connect(tmp_path / "provider_limits.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(limits.turn(ENTSOE))
        # On a loop that waits for the lock, nothing would come to release it.
        await asyncio.sleep(0.2)
        assert not waiting.done()
        other.rollback()
    await asyncio.wait_for(waiting, 30)


def test_processes_share_the_rates_fairly_and_a_ban_outlives_a_kill(place: StatePlace) -> None:
    askers = [start_asker(place) for _ in range(3)]
    try:
        for asker in askers:
            assert asker.stdout is not None
            asker.stdout.readline()  # it is up and asking
        time.sleep(4.0)
        askers[0].kill()
        ProviderLimits(place).ban(SHARED, 600)
        banned_at = time.time()
        time.sleep(1.0)
        replacement = start_asker(place)
        askers.append(replacement)
        time.sleep(1.5)
    finally:
        for asker in askers:
            asker.kill()
    times = [[float(line) for line in asker.communicate()[0].split()] for asker in askers]
    every = sorted(at for asker in times for at in asker)
    assert len(every) > 30
    # A process may be slow to print, by as much as the machine is busy; the turns themselves are
    # exact, and `test_every_rate_holds` looks at one process closely.
    assert most_within(every, 0.9) <= 15 + 3
    # Processes start one after another when the machine is busy: fair is a matter of the time in
    # which all three ask.
    all_ask = max(asker[0] for asker in times[:3])
    shares = [sum(at >= all_ask for at in asker) for asker in times[:3]]
    assert min(shares) > 0.25 * max(shares)
    late = sum(at > banned_at for at in every)
    assert late <= 2, "each of the two that live on may have had its turn just before"
    assert times[3] == []
