"""The simulated open data server: its files, its journal, what goes wrong, restarts."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aioftp
import polars as pl
import pytest

from energy_platform.encodings.zip_archive import is_whole
from energy_platform.formats.dwd_cdc import WIND_PRODUCTS, observations
from energy_platform.market.raw_message import RawMessage
from simulator.faults import Fault, FaultKind
from simulator.providers.dwd.provider import Dwd
from simulator.providers.dwd.wind import FOLDER, SOURCE, STATIONS, measured
from simulator.server import running
from simulator.world import World
from tests.support.feeds import a_world

PROVIDER = partial(Dwd, wind_stations=STATIONS[:20], forecast_stations=())
NOON = datetime(2026, 7, 1, 12, 3, tzinfo=UTC)


def files(world: World) -> list[Path]:
    return sorted((world.folder / "dwd/ftp" / FOLDER).glob("10minutenwerte_wind_*_now.zip"))


def observed(body: bytes) -> pl.DataFrame:
    return observations([RawMessage(body=body, received_at=NOON)], WIND_PRODUCTS)


@asynccontextmanager
async def opened(world: World, count: int = 20) -> AsyncIterator[None]:
    """Run the server, from when its first files are all there."""
    async with running(world, [PROVIDER]):
        async with asyncio.timeout(60):
            while len(files(world)) < count:
                await asyncio.sleep(0.02)
        yield


def a_client(world: World) -> AbstractAsyncContextManager[aioftp.Client]:
    port = world.listeners.port("dwd ftp")
    client: AbstractAsyncContextManager[aioftp.Client] = aioftp.Client.context("127.0.0.1", port)
    return client


async def test_a_session_as_a_client_has_it(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    async with opened(world), a_client(world) as client:
        listing = await client.list(f"/{FOLDER}", raw_command="MLSD")
        names = {path.name: info for path, info in listing}
        assert len(names) == 20
        one = names["10minutenwerte_wind_00003_now.zip"]
        assert one["modify"] == "20260701120000", "dated with market time"
        async with client.download_stream(f"/{FOLDER}/10minutenwerte_wind_00003_now.zip") as stream:
            body = await stream.read()
    assert len(body) == int(one["size"])
    rows = observed(body)
    assert rows["observed_at"].max() == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert rows["observed_at"].min() == datetime(2026, 6, 30, tzinfo=UTC)
    assert rows["station_id"].unique().to_list() == ["00003"]


async def test_nobody_may_write(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    async with opened(world), a_client(world) as client:
        with pytest.raises(aioftp.StatusCodeError, match="550"):
            await client.command(f"DELE /{FOLDER}/10minutenwerte_wind_00003_now.zip", "2xx")


def test_the_same_seed_measures_the_same_at_any_time(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    other = replace(a_world(tmp_path, origin=NOON), seed=8)
    early, late = (
        measured(world, "00003", NOON),
        measured(world, "00003", NOON + timedelta(hours=2)),
    )
    assert early.equals(measured(a_world(tmp_path), "00003", NOON))
    assert not early.equals(measured(other, "00003", NOON))
    changed = early.join(late, on=early.columns, how="anti", nulls_equal=True)
    assert changed.height <= 5, "but for a few corrections"
    speeds = early["wind_speed_m_per_s"].drop_nulls().to_list()
    assert 0 <= min(speeds) < max(speeds) < 40
    assert len(speeds) < early.height, "some are missing"


async def test_the_journal_says_what_the_files_do_over_a_restart(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    async with opened(world):
        pass
    first = [row for one in world.journal.emissions(SOURCE) for row in one.rows]
    later = a_world(tmp_path, origin=NOON + timedelta(minutes=30))
    async with opened(later), asyncio.timeout(60):
        while len(list(later.journal.emissions(SOURCE))) < 2:
            await asyncio.sleep(0.05)
    rows = [row for one in later.journal.emissions(SOURCE) for row in one.rows]
    fresh = rows[len(first) :]
    assert len({(row["station_id"], row["observed_at"]) for row in first}) == len(first)
    new = [row for row in fresh if row["observed_at"] > "2026-07-01T12:00:00+00:00"]
    assert len(new) == 3 * 20, "three times ten minutes of twenty stations"
    again = [row for row in fresh if row not in new]
    assert all(row["quality_level"] == 2 or row in first for row in again), "or a correction"


async def test_a_third_of_the_stations_publish_each_ten_minutes(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    async with opened(world):
        for published in range(1, 7):
            while len(list(world.journal.emissions(SOURCE))) < published:
                await asyncio.sleep(0.02)
            world.clock.origin += timedelta(minutes=10)
    emissions = list(world.journal.emissions(SOURCE))[:6]
    assert {row["station_id"] for row in emissions[0].rows} == set(STATIONS[:20])
    for one, two, three in zip(emissions[2:], emissions[3:], emissions[4:], strict=False):
        each = [{row["station_id"] for row in emission.rows} for emission in (one, two, three)]
        assert sum(map(len, each)) == len(set.union(*each)) == 20


async def test_nothing_is_written_once_the_clock_stands(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON, speed=600.0)
    async with opened(world):
        await asyncio.sleep(1)
        world.clock.freeze()
        await asyncio.sleep(1)
        before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files(world)]
        await asyncio.sleep(1.5)
        assert before == [(file.stat().st_mtime_ns, file.read_bytes()) for file in files(world)]


async def test_faults_of_files(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    for kind in (FaultKind.BAD_ROW, FaultKind.MALFORMED):
        world.faults.ask(SOURCE, Fault(kind))
    async with opened(world, count=21):
        pass
    assert all(is_whole(file.read_bytes()) for file in files(world))
    by_name = {file.name: file for file in files(world)}
    with zipfile.ZipFile(by_name["10minutenwerte_wind_99999_now.zip"]) as malformed:
        assert malformed.namelist() == ["produkt_zehn_now_ff_x.txt"]
    spoilt = observed(by_name["10minutenwerte_wind_00003_now.zip"].read_bytes())
    assert spoilt["wind_speed_m_per_s"].max() == 999.9
    journalled = [row for one in world.journal.emissions(SOURCE) for row in one.rows]
    assert 999.9 not in {row["wind_speed_m_per_s"] for row in journalled}
