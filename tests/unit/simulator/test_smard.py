"""The simulated SMARD, asked over a real socket by hand and by the feeds of its sources."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from energy_platform.market.source import MarketSource
from energy_platform.sources.smard_generation import SMARD_GENERATION
from energy_platform.sources.smard_price import SMARD_PRICE
from simulator.faults import FaultKind
from simulator.providers.smard import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import last_round, until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

WEDNESDAY = datetime(2026, 6, 10, 12, tzinfo=UTC)
IN_THE_LONG_WEEK = datetime(2025, 10, 24, 12, tzinfo=UTC)
IN_THE_SHORT_WEEK = datetime(2025, 3, 28, 12, tzinfo=UTC)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/smard/app/chart_data"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        while not list(world.journal.emissions("smard_price")):
            await asyncio.sleep(0.01)
        yield client


async def last_file(client: httpx.AsyncClient, filter_: str) -> httpx.Response:
    index = (await client.get(f"/{filter_}/DE/index_quarterhour.json")).json()["timestamps"]
    return await client.get(f"/{filter_}/DE/{filter_}_DE_quarterhour_{index[-1]}.json")


@pytest.mark.parametrize(
    ("now", "slots"), [(WEDNESDAY, 672), (IN_THE_LONG_WEEK, 676), (IN_THE_SHORT_WEEK, 668)]
)
async def test_a_file_has_all_slots_of_its_local_week(
    tmp_path: Path, now: datetime, slots: int
) -> None:
    async with served(a_world(tmp_path, origin=now)) as client:
        chart = (await last_file(client, "1223")).json()
    stamps, values = zip(*chart["series"], strict=True)
    assert len(stamps) == slots
    assert {after - before for before, after in itertools.pairwise(stamps)} == {900_000}
    known = [value for value in values if value is not None]
    assert values[: len(known)] == tuple(known), "what is ahead is null"
    assert stamps[len(known) - 1] < now.timestamp() * 1000 <= chart["meta_data"]["created"] + 9e5


async def test_a_new_week_is_listed_before_its_file_is_there(tmp_path: Path) -> None:
    noon = datetime(2026, 6, 14, 10, tzinfo=UTC)
    async with served(a_world(tmp_path / "a", origin=noon - timedelta(minutes=10))) as client:
        ahead = await last_file(client, "4169")
    async with served(a_world(tmp_path / "b", origin=noon + timedelta(minutes=10))) as client:
        there = await last_file(client, "4169")
    assert (ahead.status_code, there.status_code) == (404, 200)


async def test_what_is_not_there_is_404(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=WEDNESDAY)) as client:
        answers = [
            await client.get("/4169/DE/4169_DE_quarterhour_1780869600001.json"),
            await client.get("/4169/DE/4169_AT_quarterhour_1780869600000.json"),
            await client.get("/999/DE/index_quarterhour.json"),
            await last_file(client, "1224"),
        ]
    assert [answer.status_code for answer in answers] == [404] * 4


@pytest.mark.parametrize("source", [SMARD_GENERATION, SMARD_PRICE], ids=lambda source: source.name)
async def test_what_a_feed_lands_is_what_the_journal_says(
    tmp_path: Path, source: MarketSource
) -> None:
    world = a_world(
        tmp_path,
        origin=WEDNESDAY - timedelta(minutes=40),
        speed=1200,
        pace=Pace(beat=timedelta(seconds=0.5)),
    )
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session):
        await until(lambda: last_round(session))
        await suffer(
            world,
            source,
            FaultKind.SERVER_ERROR,
            FaultKind.CUT,
            FaultKind.TRUNCATED,
            FaultKind.BAD_ROW,
        )
        while len(checked(source, session).quarantined) < len(("truncated", "bad row")):
            await asyncio.sleep(0.2)
        comparison = await settles(source, world, session)
    assert comparison.stored > 10_000
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    rows = checked(source, session).rows
    assert rows["published_at"].null_count() == 0


async def test_the_past_is_asked_for_by_the_weeks_that_hold_it(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=WEDNESDAY)
    session = new_session(world, SMARD_PRICE)
    start, end = datetime(2024, 10, 26, tzinfo=UTC), datetime(2024, 10, 30, tzinfo=UTC)
    async with served(world), SMARD_PRICE.feed.history(session, start, end) as chunks:  # type: ignore[attr-defined]
        assert len({chunk.key for chunk in chunks}) == len(chunks) == 14 * 2
        for chunk in chunks:
            await session.land(await chunk.fetch())
    rows = checked(SMARD_PRICE, session).rows
    per_zone = rows.group_by("bidding_zone").len()
    assert per_zone["len"].unique().to_list() == [676 + 672]
    assert rows["delivery_start"].min() == datetime(2024, 10, 20, 22, tzinfo=UTC)
    assert rows["delivery_start"].is_between(start, end).any()
    assert session.landed[0].context["url"].endswith("_quarterhour_1729461600000.json")


async def test_nothing_is_landed_of_a_series_that_has_ended(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=WEDNESDAY)
    session = new_session(world, SMARD_GENERATION)
    async with polled(world, PROVIDER, SMARD_GENERATION, session):
        await until(lambda: last_round(session))
    types = checked(SMARD_GENERATION, session).rows["production_type"]
    assert types.n_unique() == 11
    assert not types.is_in(["nuclear"]).any()
