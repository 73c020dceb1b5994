"""The simulated regelleistung.net, asked over a real socket, by hand and by the feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.sources.regelleistung_tender import REGELLEISTUNG_TENDER as SOURCE
from simulator.faults import FaultKind
from simulator.providers import regelleistung
from simulator.providers.regelleistung import PROVIDER, bids
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import last_round, run_until, until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

MORNING = datetime(2026, 6, 10, 6, 20, tzinfo=UTC)
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
A_MARKET_DAY = 100_000


FEW = partial(PROVIDER, tenders=[replace(tender, bids=3) for tender in regelleistung._TENDERS])


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/regelleistung/apps/cpp-publisher/api/v1"
    async with running(world, [FEW]), httpx.AsyncClient(base_url=base, timeout=30) as client:
        yield client


async def asked(client: httpx.AsyncClient, day: str, market: str, kind: str) -> httpx.Response:
    params = {"date": day, "exportFormat": "xlsx", "market": market, "productTypes": kind}
    return await client.get("/download/tenders/anonymousresults", params=params)


async def test_a_list_of_capacity_is_a_workbook_with_dates(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=NOON)) as client:
        reply = await asked(client, "2026-06-11", "CAPACITY", "FCR")
    sheet = pl.read_excel(BytesIO(reply.content), sheet_name="001")
    assert sheet.height == 6 * 3
    assert sheet["DATE_FROM"].unique().to_list() == [date(2026, 6, 11)]
    assert sheet["PRODUCTNAME"].n_unique() == 6
    assert sheet["CAPACITY_PRICE_[EUR/MW]"].dtype == pl.Float64


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-06-09", 96), ("2026-03-29", 92), ("2025-10-26", 100)]
)
async def test_a_list_of_energy_has_numbers_for_dates_and_texts_for_prices(
    tmp_path: Path, day: str, quarters: int
) -> None:
    async with served(a_world(tmp_path, origin=NOON)) as client:
        reply = await asked(client, day, "ENERGY", "aFRR")
    sheet = pl.read_excel(BytesIO(reply.content))
    serial = (date.fromisoformat(day) - date(1899, 12, 30)).days
    assert sheet["DELIVERY_DATE"].unique().to_list() == [serial]
    assert sheet["PRODUCT"].n_unique() == 2 * quarters
    assert sheet["ENERGY_PRICE_[EUR/MWh]"].str.contains(r"^\d+,\d\d$").all()


@pytest.mark.parametrize(
    ("day", "market", "kind", "status"),
    [
        ("2026-06-11", "CAPACITY", "FCR", 404),
        ("2026-06-09", "ENERGY", "aFRR", 404),
        ("2026-06-10", "ENERGY", "FCR", 400),
        ("tomorrow", "CAPACITY", "FCR", 400),
    ],
    ids=["not auctioned yet", "not published yet", "no such tender", "no date"],
)
async def test_what_is_not_there_is_refused(
    tmp_path: Path, day: str, market: str, kind: str, status: int
) -> None:
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        assert (await asked(client, day, market, kind)).status_code == status


async def test_a_workbook_is_the_same_to_the_byte_after_a_restart(tmp_path: Path) -> None:
    bodies = []
    for _ in range(2):
        async with served(a_world(tmp_path, origin=NOON)) as client:
            bodies.append((await asked(client, "2026-06-10", "CAPACITY", "aFRR")).content)
    assert bodies[0] == bodies[1]


async def test_what_the_feed_lands_is_what_the_journal_says(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=MORNING, speed=3600, pace=Pace(beat=timedelta(seconds=0.5)))
    session = new_session(world, SOURCE)
    async with polled(world, FEW, SOURCE, session):
        await until(lambda: last_round(session))
        await suffer(world, SOURCE, FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.BAD_ROW)
        while checked(SOURCE, session).quarantined.is_empty():
            await asyncio.sleep(0.2)
        while world.clock.now() < NOON:
            await asyncio.sleep(0.05)
        comparison = await settles(SOURCE, world, session)
    assert comparison.invented.is_empty()
    assert comparison.stale.is_empty()
    assert comparison.doubled == 0
    result = checked(SOURCE, session)
    assert result.quarantined.height == 1
    tenders = result.rows.group_by("market", "reserve_type").agg(pl.col("delivery_start").max())
    assert tenders.height == 5


def test_a_market_day_is_large() -> None:
    day = [bids(7, tender, date(2026, 6, 9)) for tender in regelleistung._TENDERS]
    assert sum(rows[name].count() for rows in day for name in SOURCE.fields) > A_MARKET_DAY


async def test_the_past_is_asked_for_day_by_day(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    session = new_session(world, SOURCE)
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    async with (
        served(world),
        SOURCE.feed.history(session, start, start + timedelta(hours=25)) as chunks,  # type: ignore[attr-defined]
    ):
        for chunk in chunks:
            await session.land(await chunk.fetch())
    rows = checked(SOURCE, session).rows
    on_the_day = rows.filter(pl.col("delivery_start") < start + timedelta(hours=25))
    assert on_the_day.height == (6 + 12 + 12 + 200 + 200) * 3


async def test_a_restart_with_the_cursor_lands_only_what_is_new(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON, speed=3600)
    session = new_session(world, SOURCE)
    async with served(world):
        await run_until(SOURCE.feed, session, lambda: last_round(session) is not None)
        before, known = len(session.landed), last_round(session)
        await run_until(SOURCE.feed, session, lambda: last_round(session) != known)
    assert {message.context["date"] for message in session.landed[before:]} == {"2026-06-11"}


def test_a_block_over_a_clock_change_has_its_hours() -> None:
    lengths = {
        day: [end - start for _, start, end in regelleistung._TENDERS[0].products(day)]
        for day in (date(2026, 3, 29), date(2026, 10, 25))
    }
    assert [one[0] for one in lengths.values()] == [timedelta(hours=3), timedelta(hours=5)]
    assert {length for one in lengths.values() for length in one[1:]} == {timedelta(hours=4)}
    assert regelleistung._TENDERS[0].at == time(8, 30)
