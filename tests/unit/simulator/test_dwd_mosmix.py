"""DWD's simulated forecasts, met by the real feed and the real parser by FTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from energy_platform.feeds.ftp import FtpFeed
from energy_platform.formats.dwd_mosmix import STATIONS
from energy_platform.sources.dwd_mosmix_forecast import DWD_MOSMIX_FORECAST as SOURCE
from simulator.faults import Fault, FaultKind
from simulator.providers.dwd.mosmix import newest_issue
from simulator.providers.dwd.provider import Dwd
from simulator.server import running
from simulator.world import World
from tests.support.comparison import compare, journalled_rows
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import comes_true, run_until
from tests.support.simulated_feed import checked

assert isinstance(SOURCE.feed, FtpFeed)
SOME = STATIONS[:4]
PROVIDER = partial(Dwd, wind_stations=(), forecast_stations=SOME)
FEED = replace(
    SOURCE.feed,
    folders=tuple(f"{station}/kml/" for station in SOME),
    settle=timedelta(seconds=0.2),
    every=timedelta(seconds=0.2),
    answer_seconds=5.0,
)
BEFORE_AN_ISSUE = datetime(2026, 3, 28, 22, 20, tzinfo=UTC)
"""The issue of 21:00 appears at 22:30."""


@asynccontextmanager
async def served(world: World) -> AsyncIterator[None]:
    """Run the server, from when it takes connections."""
    async with running(world, [PROVIDER]):
        yield


def a_client(world: World) -> MemorySession:
    return a_session(world, SOURCE.name)


def assert_same(world: World, session: MemorySession) -> None:
    found = compare(SOURCE, world.journal, checked(SOURCE, session).rows)
    assert found.journalled > 0
    assert found.lost.is_empty()
    assert found.invented.is_empty()
    assert found.doubled == 0


async def test_each_issue_lands_and_is_the_journal_s(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_AN_ISSUE, speed=120.0)
    session = a_client(world)
    async with served(world):
        await run_until(FEED, session, lambda: len(session.landed) >= 2 * len(SOME))
        world.clock.freeze()
        assert_same(world, session)
    rows = checked(SOURCE, session).rows
    assert rows["run_at"].unique().dt.hour().sort().to_list() == [15, 21]
    assert rows.height == 2 * len(SOME) * 247
    cells = rows.select(SOURCE.value_columns)
    assert cells.null_count().sum_horizontal().item() == 2 * len(SOME), "radiation's first step"
    assert rows["station_name"][0] == "MÜHLE 10015"


async def test_a_restarted_simulator_writes_the_same_files(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_AN_ISSUE)
    session = a_client(world)
    async with served(world):
        await run_until(FEED, session, lambda: len(session.landed) >= len(SOME))
    emitted = journalled_rows(SOURCE, world.journal).height
    async with served(world):
        await asyncio.sleep(1.0)
        assert journalled_rows(SOURCE, world.journal).height == emitted
        with pytest.raises(TimeoutError):
            await run_until(FEED, session, lambda: len(session.landed) > len(SOME), seconds=2.0)
    assert_same(world, session)


async def test_a_fault_loses_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_AN_ISSUE)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.TRUNCATED))
    async with served(world):
        await run_until(FEED, session, lambda: len(session.landed) >= len(SOME))
    assert_same(world, session)


async def test_garbage_and_a_bad_row_are_quarantined_alone(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_AN_ISSUE)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.MALFORMED))
    world.faults.ask(SOURCE.name, Fault(FaultKind.BAD_ROW))
    async with served(world):
        await run_until(FEED, session, lambda: checked(SOURCE, session).quarantined.height == 2)
        await comes_true(lambda: assert_same(world, session))
    reasons = checked(SOURCE, session).quarantined["reason"].to_list()
    assert any("not a whole ZIP archive" in reason for reason in reasons)
    assert any("wind_speed_m_per_s = 999.0" in reason for reason in reasons)
    newcomer = a_client(world)
    async with served(world):  # it shows the same again, though no fault asks for it now
        await run_until(FEED, newcomer, lambda: len(newcomer.landed) >= len(SOME))
        assert_same(world, newcomer)


async def test_a_station_without_a_folder_holds_no_other_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = a_world(tmp_path, origin=BEFORE_AN_ISSUE)
    session = a_client(world)
    feed = replace(FEED, folders=("99999/kml/", *FEED.folders))
    async with served(world):
        await run_until(feed, session, lambda: len(session.landed) >= len(SOME))
    assert "single_stations/99999/kml/ is not there" in caplog.text


def test_the_newest_issue() -> None:
    assert newest_issue(datetime(2026, 3, 28, 22, 29, tzinfo=UTC)).hour == 15
    assert newest_issue(datetime(2026, 3, 28, 22, 30, tzinfo=UTC)).hour == 21
