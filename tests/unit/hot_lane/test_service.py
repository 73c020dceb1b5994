"""The hot lane's process: told of landings, and never held up by one source for the others."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from energy_platform.market.feed import WireProtocol
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane import service
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import landing_pipe, open_micro_batches
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingListener, LandingNews
from tests.support.sources import EXAMPLE, NoFeed, prices, quote
from tests.support.stores import hot, land

PROJECT = Path(__file__).parents[3]
PROMPT_SECONDS = 10.0
"""Far less than the time after which the lane looks by itself."""


class Stream(NoFeed):
    protocol = WireProtocol.WEBSOCKET


OTHER = replace(EXAMPLE, name="other_price", feed=Stream())


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def batches(chosen: Settings) -> MicroBatches:
    return replace(open_micro_batches(chosen), hot_days=36_500)


@pytest.fixture(autouse=True)
def hot_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        service,
        "open_micro_batches",
        lambda chosen: replace(open_micro_batches(chosen), hot_days=36_500),
    )


@asynccontextmanager
async def following(chosen: Settings, *sources: MarketSource) -> AsyncIterator[None]:
    task = asyncio.create_task(service.follow(chosen, sources))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PROMPT_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def reach(batches: MicroBatches, source: MarketSource = EXAMPLE) -> int:
    return batches.hot_copies.reached(source)


def is_at(batches: MicroBatches, offset: int) -> bool:
    return reach(batches) == offset


async def test_what_landed_before_and_after_the_start_is_shown(
    chosen: Settings, batches: MicroBatches
) -> None:
    land(batches, [quote(1.0)])
    async with following(chosen, EXAMPLE, OTHER):
        await until(lambda: reach(batches) == 1)
        for n in range(2, 5):
            land(batches, [quote(float(n))])
            await until(partial(is_at, batches, n))
        batches.landing.guest(OTHER.name).append([quote(9.0)])
        await until(lambda: reach(batches, OTHER) == 1)
    assert prices(hot(batches)) == [4.0]
    assert prices(hot(batches, OTHER)) == [9.0]


async def test_a_word_that_was_lost_is_made_up_for(
    chosen: Settings, batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.2)
    silent = replace(batches, landing=type(batches.landing).open(chosen.landing_url))
    async with following(chosen, EXAMPLE):
        await asyncio.sleep(0.3)
        land(silent, [quote(1.0)])
        await until(lambda: reach(batches) == 1)


async def test_one_source_that_fails_holds_back_no_other_and_comes_back(
    chosen: Settings, batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(service, "_LONGEST_PAUSE_SECONDS", 0.1)
    step, broken = HotLane.step, [EXAMPLE.name]

    def sometimes(lane: HotLane) -> bool:
        if lane.source.name in broken:
            raise RuntimeError("its table can't be read")
        return step(lane)

    monkeypatch.setattr(HotLane, "step", sometimes)
    async with following(chosen, EXAMPLE, OTHER):
        for source in (EXAMPLE, OTHER):
            land(batches, [quote(1.0)], source=source)
        await until(lambda: reach(batches, OTHER) == 1)
        assert reach(batches) == 0
        broken.clear()
        await until(lambda: reach(batches) == 1)


async def test_a_long_file_keeps_no_stream_waiting(
    chosen: Settings, batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, read = HotLane.step, asyncio.Event()

    def slow(lane: HotLane) -> bool:
        while lane.source is EXAMPLE and not read.is_set():
            time.sleep(0.01)
        return step(lane)

    monkeypatch.setattr(HotLane, "step", slow)
    async with following(chosen, EXAMPLE, OTHER):
        try:
            land(batches, [quote(1.0)], source=OTHER)
            await until(lambda: reach(batches, OTHER) == 1)
        finally:
            read.set()


# The pipe.


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    return tmp_path / "run" / "landed"


async def test_words_reach_whoever_listens_and_nobody_else_is_missed(pipe: Path) -> None:
    news = LandingNews(pipe)
    news("nobody_listens_yet", range(1))
    for _ in range(2):  # the second reader begins after the first has gone
        heard: list[str] = []
        listener = LandingListener(pipe)
        listener.listen(heard.append)
        news("ceps_load", range(1))
        news("smard_price", range(1))
        async with asyncio.timeout(PROMPT_SECONDS):
            while sorted(heard) != ["ceps_load", "smard_price"]:
                await asyncio.sleep(0.01)
        listener.close()
    news("nobody_listens_any_more", range(1))
    news.close()


async def test_a_reader_that_hangs_holds_nobody_up(pipe: Path) -> None:
    listener, news = LandingListener(pipe), LandingNews(pipe)
    began = time.monotonic()
    for _ in range(20_000):
        news("entsoe_day_ahead_price", range(1))
    assert time.monotonic() - began < PROMPT_SECONDS
    heard: list[str] = []
    listener.listen(heard.append)
    await until(lambda: "entsoe_day_ahead_price" in heard)
    await asyncio.sleep(0.1)
    assert set(heard) == {"entsoe_day_ahead_price"}, "no word is torn"
    listener.close()


def test_what_is_in_the_place_of_the_pipe_is_replaced(pipe: Path) -> None:
    pipe.parent.mkdir()
    pipe.write_text("no pipe")
    LandingListener(pipe)
    assert pipe.is_fifo()


# The process.


@pytest.fixture
def process(chosen: Settings) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [Path(sys.executable).parent / "energy-platform", "hot-lane"],
        cwd=PROJECT,
        env={**os.environ, "ENERGY_PLATFORM_HOME": str(chosen.home)},
    )
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_ends_at_once_when_told_to(
    chosen: Settings, process: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    deadline = time.monotonic() + 60
    while not landing_pipe(chosen).exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(5) == -number
