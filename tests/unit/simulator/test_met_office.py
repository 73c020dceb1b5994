"""The Met Office's simulated side: it pushes to the real feed, which fetches from the bucket."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.feeds.sns.announced_files import FollowUp
from energy_platform.feeds.sns.bucket_files import BucketFiles
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.sources.met_office_forecast import MET_OFFICE_FORECAST as SOURCE
from simulator import server
from simulator.faults import Fault, FaultKind
from simulator.providers.met_office import PROVIDER
from simulator.providers.met_office.schedule import STEP_OF_A_BAD_ROW, STEP_OF_GARBAGE, issues
from simulator.world import World
from tests.support.comparison import compare, journalled_rows
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import carrying, comes_true, until
from tests.support.simulated_feed import checked

assert isinstance(SOURCE.feed, SnsEndpointFeed)
assert isinstance(SOURCE.feed.files, BucketFiles)
FAST = replace(
    SOURCE.feed,
    files=replace(SOURCE.feed.files, answer_seconds=3.0, file_seconds=10.0),
    follow_up=FollowUp(retry_seconds=0.5),
)
ORIGIN = datetime(2026, 3, 28, 22, tzinfo=UTC)
POINTS = 18 * 21


def a_fast_world(folder: Path, **settings: Any) -> World:
    return a_world(folder, origin=ORIGIN, speed=60.0, **settings)


def a_client(world: World) -> MemorySession:
    return a_session(world, SOURCE.name)


def files(session: MemorySession) -> list[str]:
    return [one.context["key"] for one in session.landed if "key" in one.context]


def assert_same(world: World, session: MemorySession) -> None:
    found = compare(SOURCE, world.journal, checked(SOURCE, session).rows)
    assert found.journalled > 0
    assert found.lost.is_empty()
    assert found.invented.is_empty()
    assert found.doubled == 0


async def settled(world: World, session: MemorySession) -> None:
    """Stop the market and wait until all that it published has landed."""
    world.clock.freeze()
    await comes_true(lambda: assert_same(world, session))


async def test_every_published_row_lands_once(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: len(files(session)) >= 8)
        await settled(world, session)
    keys = files(session)
    assert len(keys) == len(set(keys))
    announced = [one.context["announces"] for one in session.landed if "key" not in one.context]
    assert sorted(announced) == sorted(keys)
    rows = checked(SOURCE, session).rows
    assert rows.height == len(keys) * POINTS
    assert rows["run_at"].unique().to_list() == [datetime(2026, 3, 28, 18, tzinfo=UTC)]
    assert set(rows["height_m"]) <= {0.0, 1.5, 10.0}
    assert json.loads(session.cursor or "")["waiting"] == {}


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.SERVER_ERROR,
        FaultKind.TRUNCATED,
        FaultKind.CUT,
        FaultKind.HANG,
        FaultKind.DUPLICATE,
        FaultKind.REORDERED,
    ],
)
async def test_a_fault_on_the_wire_loses_nothing(tmp_path: Path, kind: FaultKind) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(kind, count=2, seconds=4.0))
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: not world.faults.pending(SOURCE.name) and len(files(session)) >= 8)
        await settled(world, session)


async def test_garbage_and_a_bad_row_are_quarantined_alone(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.MALFORMED))
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: flawed(session) == 1)
        world.faults.ask(SOURCE.name, Fault(FaultKind.BAD_ROW))
        await until(lambda: flawed(session) == 2)
        await settled(world, session)
    reasons = checked(SOURCE, session).quarantined["reason"].to_list()
    assert len(reasons) == 2
    assert reasons[0].startswith("a broken NetCDF 4 file")
    assert "wind_speed_m_per_s = 999.0" in reasons[1]


def flawed(session: MemorySession) -> int:
    steps = (STEP_OF_A_BAD_ROW, STEP_OF_GARBAGE)
    return sum(f"PT{step:04}H" in file for file in files(session) for step in steps)


async def test_a_file_with_a_bad_row_survives_a_restart_of_the_market(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.SERVER_ERROR, count=1_000))
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        world.faults.ask(SOURCE.name, Fault(FaultKind.BAD_ROW))
        await until(lambda: any(of_a_bad_row(one) for one in announced(session)))
    assert flawed(session) == 0
    while world.faults.take(SOURCE.name, FaultKind.SERVER_ERROR):
        pass
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await settled(world, session)
    assert flawed(session) == 1


def announced(session: MemorySession) -> list[str]:
    return [one.context["announces"] for one in session.landed if "announces" in one.context]


def of_a_bad_row(file: str) -> bool:
    return f"PT{STEP_OF_A_BAD_ROW:04}H" in file


async def test_restarts_of_either_side_lose_nothing(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    async with server.running(world, [PROVIDER]):
        async with carrying(FAST, session):
            await until(lambda: len(files(session)) >= 3)
        came = len(files(session))
        await until(lambda: emitted_files(world) > came)  # pushes find nobody, and are tried again
        missed = emitted_files(world)
        async with carrying(FAST, session):
            await until(lambda: len(files(session)) >= missed)
        await asyncio.sleep(2.0)  # these die with the simulator
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await settled(world, session)
    assert len(files(session)) == len(set(files(session)))


def emitted_files(world: World) -> int:
    return sum(1 for _ in world.journal.emissions(SOURCE.name))


async def test_files_that_waited_are_fetched_after_a_restart_of_the_feed(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.SERVER_ERROR, count=1_000))
    async with server.running(world, [PROVIDER]):
        async with carrying(FAST, session):
            await until(lambda: len(session.landed) >= 5)
        assert files(session) == []
        assert len(json.loads(session.cursor or "")["waiting"]) == len(session.landed)
        while world.faults.take(SOURCE.name, FaultKind.SERVER_ERROR):
            pass
        async with carrying(FAST, session):
            await settled(world, session)


async def test_other_files_of_the_topic_are_left_alone(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    async with server.running(world, [PROVIDER]) as [opened], carrying(FAST, session):
        await until(lambda: len(files(session)) >= 1)
        landed = len(session.landed)
        world.clock.freeze()
        assert isinstance(opened, PROVIDER)
        sender = opened._sender
        key = "uk-deterministic-2km/20260329T0000Z/20260329T0000Z-PT0000H00M-wind_speed_at_10m.nc"
        record = {
            "eventVersion": "2.1",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "met-office-atmospheric-model-data"},
                "object": {"key": key, "eTag": "e"},
            },
        }
        assert await sender.publish(json.dumps({"Records": [record]})) == 200
        assert await sender.publish(json.dumps({"Event": "s3:TestEvent"})) == 200
        assert await sender.publish("not an event") == 200
        await settled(world, session)
    assert key not in files(session)
    assert len(session.landed) >= landed
    refused = checked(SOURCE, session).quarantined
    assert refused["reason"].to_list() == [refused["reason"][0]]
    assert refused["reason"][0].startswith("what was announced could not be read")


def test_a_market_day_of_the_schedule() -> None:
    day = list(issues(ORIGIN, ORIGIN + timedelta(days=1)))
    assert len(day) == 2 * (89 + 59) * 5
    assert len({issue.key for issue in day}) == len(day)
    halves = [
        *issues(ORIGIN, ORIGIN + timedelta(hours=7)),
        *issues(ORIGIN + timedelta(hours=7), ORIGIN + timedelta(days=1)),
    ]
    assert halves == day
    assert all(issue.at - issue.run_at <= timedelta(hours=9) for issue in day)


async def test_a_day_has_more_than_a_hundred_thousand_points(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_client(world)
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: len(files(session)) >= 2)
        await settled(world, session)
    emitted = journalled_rows(SOURCE, world.journal)
    cells = emitted.select(pl.sum_horizontal(pl.col(SOURCE.value_columns).is_not_null())).sum()
    per_file = cells.item() / emitted.group_by("valid_at", "parameter").len().height
    assert per_file * 2 * (89 + 59) * 5 > 500_000
