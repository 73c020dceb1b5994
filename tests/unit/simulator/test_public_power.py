"""The simulated public power of Energy-Charts, asked by hand and by its source's feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.sources.energy_charts_generation import ENERGY_CHARTS_GENERATION
from simulator.faults import FaultKind
from simulator.providers.energy_charts import PROVIDER, public_power
from simulator.server import running
from simulator.world import Pace, World
from tests.support.comparison import journalled_rows
from tests.support.feeds import a_world
from tests.support.running_feeds import last_round, until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
EXPECTED_POINTS = 100_000


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/energy_charts"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def test_a_reply_has_every_series_of_its_country_beside_the_times(tmp_path: Path) -> None:
    window = {"start": "2026-06-10T08:00Z", "end": "2026-06-10T18:00Z"}
    async with served(a_world(tmp_path, origin=NOON)) as client:
        reply = (await client.get("/public_power", params={"country": "de", **window})).json()
    assert set(reply) == {"unix_seconds", "production_types", "deprecated"}
    series = {column["name"]: column["data"] for column in reply["production_types"]}
    assert {"Load", "Solar", "Fossil brown coal / lignite", "Renewable share of load"} <= set(
        series
    )
    assert "Nuclear" not in series
    assert {len(data) for data in series.values()} == {len(reply["unix_seconds"])}
    assert min(series["Hydro pumped storage consumption"]) < 0
    assert reply["unix_seconds"][-1] < NOON.timestamp(), "nothing of the time to come"


async def test_some_countries_deliver_hours(tmp_path: Path) -> None:
    window = {"start": "2026-06-10T06:00Z", "end": "2026-06-10T09:00Z"}
    async with served(a_world(tmp_path, origin=NOON)) as client:
        reply = (await client.get("/public_power", params={"country": "ch", **window})).json()
    assert len(reply["unix_seconds"]) == 4, "both ends are included"


@pytest.mark.parametrize(("country", "status"), [("mt", 404), ("atlantis", 422)])
async def test_a_country_without_data_is_absent_and_an_unknown_one_refused(
    tmp_path: Path, country: str, status: int
) -> None:
    async with served(a_world(tmp_path, origin=NOON)) as client:
        reply = await client.get("/public_power", params={"country": country})
    assert reply.status_code == status


async def test_what_the_feed_lands_is_what_the_journal_says(tmp_path: Path) -> None:
    source = ENERGY_CHARTS_GENERATION
    world = a_world(tmp_path, origin=NOON, speed=900, pace=Pace(beat=timedelta(seconds=1)))
    session = new_session(world, source)
    async with polled(world, partial(PROVIDER, countries=("ch", "de", "fr")), source, session):
        await until(lambda: last_round(session))
        await suffer(world, source, FaultKind.SERVER_ERROR, FaultKind.TRUNCATED, FaultKind.BAD_ROW)
        while len(checked(source, session).quarantined) < len(("truncated", "bad row")):
            await asyncio.sleep(0.2)
        comparison = await settles(source, world, session)
    assert comparison.stored > 3_000
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    rows = checked(source, session).rows
    one_value = pl.sum_horizontal(pl.col("power_mw", "share_pct").is_not_null()) == 1
    assert rows.select(one_value.all()).item()


async def test_a_day_gives_a_hundred_thousand_points(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    market = public_power.public_power(world)
    market.journalled(NOON - timedelta(days=1))
    world.journal.emit(market.source, NOON, market.news(NOON))
    rows = journalled_rows(ENERGY_CHARTS_GENERATION, world.journal)
    assert rows["power_mw"].count() + rows["share_pct"].count() > EXPECTED_POINTS
