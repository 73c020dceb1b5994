"""NOAA's simulated side, met by the real feed and the real parser over real sockets."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.noaa_gfs_wind_forecast import NOAA_GFS_WIND_FORECAST as SOURCE
from simulator import server
from simulator.faults import Fault, FaultKind
from simulator.providers.noaa import PROVIDER
from simulator.world import World
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import carrying, comes_true, until

assert isinstance(SOURCE.feed, SnsQueueFeed)
FAST = replace(
    SOURCE.feed,
    wait_seconds=1,
    visibility_seconds=4,
    answer_seconds=3.0,
    file_seconds=10.0,
    retry_seconds=1.0,
)
ORIGIN = datetime(2026, 3, 28, 22, tzinfo=UTC)


def a_fast_world(folder: Path, **settings: Any) -> World:
    return a_world(folder, origin=ORIGIN, speed=20.0, rate=5.0, **settings)


def rows_of(messages: list[RawMessage]) -> pl.DataFrame:
    landed = [replace(each, landing_offset=offset) for offset, each in enumerate(messages)]
    return check_messages(SOURCE, landed).rows.drop("received_at", "landing_offset")


def refused_by(session: MemorySession) -> pl.DataFrame:
    landed = [replace(each, landing_offset=at) for at, each in enumerate(session.landed)]
    return check_messages(SOURCE, landed).quarantined


def journalled(world: World) -> pl.DataFrame:
    rows = [row for emission in world.journal.emissions(SOURCE.name) for row in emission.rows]
    instants = [
        pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC")
        for name in SOURCE.key[:2]
    ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(instants)


def assert_same(world: World, session: MemorySession) -> None:
    landed, emitted = rows_of(session.landed), journalled(world)
    assert emitted.height > 0
    for what, there, here in (("lost", emitted, landed), ("invented", landed, emitted)):
        missing = there.join(here, on=landed.columns, how="anti", nulls_equal=True)
        assert missing.is_empty(), (what, missing.to_dicts()[:3], refused_by(session).to_dicts())


async def settled(world: World, session: MemorySession) -> None:
    """Stop the market and wait until all that it published has landed."""
    world.clock.freeze()
    await comes_true(lambda: assert_same(world, session))


async def test_every_published_row_lands_once(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_session(world, SOURCE.name)
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: len(session.landed) >= 3)
        await settled(world, session)
    assert rows_of(session.landed[:1]).height == 35 * 41 * 3
    keys = [message.context["key"] for message in session.landed]
    assert len(keys) == len(set(keys))


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
    session = a_session(world, SOURCE.name)
    world.faults.ask(SOURCE.name, Fault(kind, count=2, seconds=6.0))
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: world.faults.pending(SOURCE.name) == 0 and len(session.landed) >= 3)
        await settled(world, session)


async def test_a_corrupt_file_and_a_bad_row_are_quarantined_alone(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_session(world, SOURCE.name)
    world.faults.ask(SOURCE.name, Fault(FaultKind.MALFORMED))
    world.faults.ask(SOURCE.name, Fault(FaultKind.BAD_ROW))
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: refused_by(session).height == 2)
        await settled(world, session)
    refused = refused_by(session)
    assert refused.height == 2
    assert refused.filter(check="parse")["reason"][0].startswith("the GRIB message cannot be")


async def test_a_restarted_simulator_and_a_restarted_feed_lose_nothing(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_session(world, SOURCE.name)
    async with server.running(world, [PROVIDER]):
        async with carrying(FAST, session):
            await until(lambda: len(session.landed) >= 2)
        came = rows_of(session.landed).height
        # Events queue up that die with moto's memory.
        await until(lambda: journalled(world).height > came)
    async with server.running(world, [PROVIDER]), carrying(FAST, session):
        await until(lambda: len(session.landed) >= 5)
        await settled(world, session)
    contents = [(message.context["key"], message.body) for message in session.landed]
    assert len(contents) == len(set(contents))


async def test_the_bucket_is_public_and_speaks_ranges(tmp_path: Path) -> None:
    world = a_fast_world(tmp_path)
    session = a_session(world, SOURCE.name)
    async with (
        server.running(world, [PROVIDER]),
        carrying(FAST, session),
        httpx.AsyncClient(timeout=60) as client,
    ):
        await until(lambda: session.landed)
        url = session.address(
            f"https://noaa-gfs-bdp-pds.s3.amazonaws.com/{session.landed[0].context['key']}"
        )
        part = await client.get(url, headers={"Range": "bytes=0-15"})
        assert (part.status_code, part.content[:4], len(part.content)) == (206, b"GRIB", 16)
        assert (await client.get(url + ".none")).status_code == 404
