"""The simulated Elexon, asked over a real socket by hand and by the feeds of its sources."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.sources.elexon_frequency import ELEXON_FREQUENCY
from energy_platform.sources.elexon_generation import ELEXON_GENERATION
from energy_platform.sources.elexon_system_price import ELEXON_SYSTEM_PRICE
from simulator.faults import Fault, FaultKind
from simulator.providers.elexon import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import failure
from tests.support.simulated_feed import checked, new_session, polled, settles

SOURCES = [ELEXON_FREQUENCY, ELEXON_GENERATION, ELEXON_SYSTEM_PRICE]
SUMMER = datetime(2026, 6, 10, 12, tzinfo=UTC)
AFTER_THE_LONG_DAY = datetime(2026, 10, 26, 6, tzinfo=UTC)
AFTER_THE_SHORT_DAY = datetime(2026, 3, 30, 6, tzinfo=UTC)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/elexon/bmrs/api/v1"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        while not list(world.journal.emissions("elexon_frequency")):
            await asyncio.sleep(0.01)
        yield client


async def test_both_shapes_of_a_dataset_hold_the_same_records(tmp_path: Path) -> None:
    window = {
        "publishDateTimeFrom": "2026-06-10T11:00:00Z",
        "publishDateTimeTo": "2026-06-10T11:10Z",
    }
    async with served(a_world(tmp_path, origin=SUMMER)) as client:
        wrapped = (await client.get("/datasets/FUELINST", params=window)).json()
        bare = (await client.get("/datasets/FUELINST/stream", params=window)).json()
    assert wrapped == {"data": bare}
    assert set(bare[0]) == {
        "dataset", "publishTime", "startTime", "settlementDate", "settlementPeriod", "fuelType",
        "generation",
    }  # fmt: skip
    assert {record["publishTime"][11:16] for record in bare} == {"11:00", "11:05", "11:10"}
    fuels = {record["fuelType"] for record in bare}
    assert len(fuels) == 20
    assert any(record["generation"] < 0 for record in bare)
    assert {record["settlementPeriod"] for record in bare} == {24, 25}, "British summer time"


async def test_an_hour_of_samples_has_both_its_ends(tmp_path: Path) -> None:
    window = {
        "measurementDateTimeFrom": "2026-06-10T10:00:00Z",
        "measurementDateTimeTo": "2026-06-10T11:00:00Z",
    }
    async with served(a_world(tmp_path, origin=SUMMER)) as client:
        samples = (await client.get("/datasets/FREQ", params=window)).json()["data"]
    assert len(samples) == 241
    assert samples[0]["measurementTime"] == "2026-06-10T11:00:00Z", "the newest comes first"


async def test_a_window_by_another_name_is_ignored_without_a_word(tmp_path: Path) -> None:
    window = {
        "publishDateTimeFrom": "2026-06-10T10:00:00Z",
        "publishDateTimeTo": "2026-06-10T11:00:00Z",
    }
    async with served(a_world(tmp_path, origin=SUMMER)) as client:
        samples = (await client.get("/datasets/FREQ", params=window)).json()["data"]
    assert len(samples) > 5_700


@pytest.mark.parametrize(
    ("origin", "day", "periods"),
    [
        (AFTER_THE_LONG_DAY, "2026-10-25", 50),
        (AFTER_THE_SHORT_DAY, "2026-03-29", 46),
        (SUMMER, "2026-06-09", 48),
    ],
)
async def test_a_settlement_day_has_its_own_number_of_periods(
    tmp_path: Path, origin: datetime, day: str, periods: int
) -> None:
    path = f"/balancing/settlement/system-prices/{day}"
    async with served(a_world(tmp_path, origin=origin)) as client:
        body = (await client.get(path)).content
    rows = ELEXON_SYSTEM_PRICE.parse(
        [RawMessage(body=body, received_at=origin, context={}, landing_offset=0)]
    )
    assert rows["settlement_period"].to_list() == list(range(1, periods + 1))
    assert set(rows["settlement_date"]) == {day}


async def test_a_day_to_come_is_empty(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=SUMMER)) as client:
        reply = await client.get("/balancing/settlement/system-prices/2026-06-12")
    assert (reply.status_code, reply.json()) == (200, {"data": []})


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        (
            "/datasets/FUELINST",
            {"publishDateTimeFrom": "2026-06-08", "publishDateTimeTo": "2026-06-10"},
            "must not exceed 1 day",
        ),
        (
            "/datasets/FUELINST",
            {"publishDateTimeFrom": "yesterday", "publishDateTimeTo": "2026-06-10"},
            "yesterday",
        ),
        ("/balancing/settlement/system-prices/today", {}, "today"),
    ],
)
async def test_bad_questions_are_refused_with_a_problem_document(
    tmp_path: Path, path: str, params: dict[str, str], says: str
) -> None:
    async with served(a_world(tmp_path, origin=SUMMER)) as client:
        reply = await client.get(path, params=params)
    assert reply.status_code == 400
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert says in reply.json()["errors"][""][0]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
async def test_what_a_feed_lands_is_what_the_journal_says(
    tmp_path: Path, source: MarketSource
) -> None:
    world = a_world(tmp_path, origin=SUMMER, speed=300, pace=Pace(beat=timedelta(seconds=0.5)))
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session):
        while not session.landed:
            await asyncio.sleep(0.05)
        for kind in (FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.TRUNCATED):
            world.faults.ask(source.name, Fault(kind))
        while world.faults.pending(source.name):
            await asyncio.sleep(0.05)
        world.faults.ask(source.name, Fault(FaultKind.BAD_ROW))
        while len(checked(source, session).quarantined) < len(("truncated", "bad row")):
            await asyncio.sleep(0.1)
        while world.clock.now() < SUMMER + timedelta(minutes=10):
            await asyncio.sleep(0.05)
        comparison = await settles(source, world, session)
    assert comparison.stored > 0
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    bad, cut = sorted(checked(source, session).quarantined["check"])
    assert bad.startswith("in_range(")
    assert cut == "parse"


async def test_a_later_publication_is_a_revision_also_within_one_reply(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=SUMMER, speed=60)
    session = new_session(world, ELEXON_GENERATION)
    async with polled(world, PROVIDER, ELEXON_GENERATION, session):
        await asyncio.sleep(0.5)
        await settles(ELEXON_GENERATION, world, session)
    rows = checked(ELEXON_GENERATION, session).rows
    revised = rows.unique(["fuel_type", "delivery_start", "published_at"]).filter(
        pl.len().over("fuel_type", "delivery_start") > 1
    )
    assert revised.height > 10


async def test_a_restart_goes_on_from_the_cursor(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=SUMMER, speed=60)
    session = new_session(world, ELEXON_FREQUENCY)
    async with polled(world, PROVIDER, ELEXON_FREQUENCY, session):
        while not session.landed:
            await asyncio.sleep(0.01)
    again = new_session(world, ELEXON_FREQUENCY)
    again.cursor = session.cursor
    async with polled(world, PROVIDER, ELEXON_FREQUENCY, again):
        while not again.landed:
            await asyncio.sleep(0.01)
    before, after = (checked(ELEXON_FREQUENCY, s).rows["observed_at"] for s in (session, again))
    assert before.min() < after.min() <= before.max()  # type: ignore[operator]


async def test_a_refusal_is_told_in_elexons_words(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=SUMMER)
    world.faults.ask("elexon_generation", Fault(FaultKind.SERVER_ERROR))
    session = new_session(world, ELEXON_GENERATION)
    async with served(world):
        error = await failure(ELEXON_GENERATION.feed, session)
    assert "Server error" in str(error)
