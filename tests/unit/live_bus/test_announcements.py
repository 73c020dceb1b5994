"""What the hot lane shows it announces, and a follower misses nothing without being told."""

import asyncio
import math
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.pipeline.hot_lane import announcer as module
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.storage.live_bus import valkey
from energy_platform.storage.live_bus.protocol import Gap, LiveBus, Rows
from tests.support.live_bus import EACH_BUS, Following, LiveBusProcess
from tests.support.sources import EXAMPLE, an_eventful_log
from tests.support.stores import batches_in, hot, land, run_all, stored

Follow = Callable[..., Awaitable[Following]]


@pytest.fixture
def batches(tmp_path: Path, bus: LiveBus) -> MicroBatches:
    return replace(batches_in(tmp_path, batch_messages=3), announcer=Announcer(lambda: bus))


@EACH_BUS
async def test_followers_get_the_rows_of_the_table(batches: MicroBatches, follow: Follow) -> None:
    follower = await follow(EXAMPLE.name)
    land(batches, an_eventful_log(40))
    HotLane(batches, EXAMPLE).bring_up()
    run_all(batches)
    wanted = stored(batches)
    got = wanted.clear()
    while got.height < wanted.height:
        got = pl.concat([got, (await follower.rows()).rows])
    by = ["landing_offset", *EXAMPLE.key]
    assert_frame_equal(got.sort(by, maintain_order=True), wanted)
    assert await follower.is_idle()


@pytest.mark.parametrize("seed", range(3))
async def test_however_often_lane_and_bus_are_killed_no_row_is_missed_untold(
    batches: MicroBatches, process: LiveBusProcess, follow: Follow, seed: int
) -> None:
    """Each row is delivered, or is in the hot store when a later gap is told."""
    chance = random.Random(seed)
    follower = await follow(EXAMPLE.name)
    lane = HotLane(batches, EXAMPLE)
    for landed in an_eventful_log(25):
        land(batches, [landed])
        await asyncio.sleep(0.02)
        match chance.randrange(6):
            case 0:
                lane = HotLane(batches, EXAMPLE)
            case 1:
                process.kill()
                lane.bring_up()
                process.start()
            case 2:
                batches.run(EXAMPLE)
            case 3:
                lane.bring_up()
    # The bus is taken for down for a moment.
    assert batches.announcer is not None
    batches.announcer._silent_until = 0.0
    land(batches, an_eventful_log(1))
    HotLane(batches, EXAMPLE).bring_up()
    while batches.is_behind(EXAMPLE):
        batches.run(EXAMPLE)
    seen: set[int] = set()
    while not await follower.is_idle(2.0):
        message = await follower.next()
        if isinstance(message, Gap):
            seen.update(range(message.since, 10_000))
        else:
            seen.update(message.rows["landing_offset"])
    assert set(stored(batches)["landing_offset"]) <= seen


@EACH_BUS
async def test_what_was_shown_while_the_bus_was_down_is_told_without_new_rows(
    batches: MicroBatches, follow: Follow
) -> None:
    follower = await follow(EXAMPLE.name)
    lane = HotLane(batches, EXAMPLE)
    assert batches.announcer is not None
    batches.announcer._silent_until = math.inf
    land(batches, an_eventful_log(3))
    lane.bring_up()
    batches.announcer._silent_until = 0.0
    lane.step()
    assert isinstance(await follower.next(), Gap)
    lane.step()
    assert await follower.is_idle()


@EACH_BUS
async def test_a_lane_that_died_before_it_announced_is_made_up_for(
    batches: MicroBatches, bus: LiveBus, follow: Follow
) -> None:
    follower = await follow(EXAMPLE.name)
    land(batches, an_eventful_log(3))
    run_all(replace(batches, announcer=None))
    HotLane(replace(batches, announcer=Announcer(lambda: bus)), EXAMPLE).step()
    assert isinstance(await follower.next(), Gap)


@EACH_BUS
async def test_a_replay_tells_followers_to_look_again(
    batches: MicroBatches, follow: Follow
) -> None:
    follower = await follow(EXAMPLE.name)
    land(batches, an_eventful_log(20))
    HotLane(batches, EXAMPLE).bring_up()
    run_all(batches)
    cursor = (await follower.rows()).cursor
    replay(batches, EXAMPLE, start=0)
    resumed = await follow(EXAMPLE.name, cursor=cursor)
    while isinstance(message := await resumed.next(), Rows):
        pass
    assert message.since == 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_bus_that_is_down_does_not_hold_the_lane_up(
    batches: MicroBatches, process: LiveBusProcess, tmp_path: Path, sent: signal.Signals
) -> None:
    process.process.send_signal(sent)
    land(batches, an_eventful_log(40))
    began = time.monotonic()
    HotLane(batches, EXAMPLE).bring_up()
    assert time.monotonic() - began < 10 * valkey._PATIENCE_SECONDS
    beside = batches_in(tmp_path / "beside")
    land(beside, an_eventful_log(40))
    HotLane(beside, EXAMPLE).bring_up()
    assert_frame_equal(hot(batches), hot(beside))


def test_how_far_a_quiet_source_is_is_told_from_time_to_time(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So who begins to follow it finds out later what was never announced."""
    lane = HotLane(batches, EXAMPLE)
    land(batches, an_eventful_log(3))
    lane.bring_up()
    batches.run(EXAMPLE)
    told: list[range] = []
    announcer = batches.announcer
    assert announcer is not None
    bus = announcer.open()
    publish = bus.publish

    def note(source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        told.append(offsets)
        publish(source, rows, copy=copy, offsets=offsets)

    monkeypatch.setattr(bus, "publish", note)
    lane.step()
    assert told == []
    monkeypatch.setattr(module, "_TOLD_AGAIN_SECONDS", 0.0)
    lane.step()
    assert told == [range(3, 3)]
