"""ENTSOG's simulated Transparency Platform, asked over a real socket, by hand and by the feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.sources.entsog_flow import ENTSOG_FLOW
from simulator.faults import Fault, FaultKind
from simulator.providers import entsog
from simulator.providers.entsog import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import failure, last_round, run_until, until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

AFTERNOON = datetime(2026, 6, 10, 13, 30, tzinfo=UTC)
FIXED = {"periodType": "hour", "timeZone": "UCT", "limit": "-1", "offset": "0"}
A_MARKET_DAY = 100_000


FEW = partial(PROVIDER, points=6)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/entsog/api/v1"
    async with running(world, [FEW]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        while not list(world.journal.emissions("entsog_flow")):
            await asyncio.sleep(0.01)
        yield client


async def asked(client: httpx.AsyncClient, **params: str) -> httpx.Response:
    window = {"from": "2026-06-10", "to": "2026-06-10", "indicator": "Physical Flow", **FIXED}
    return await client.get("/operationalData", params={**window, **params})


async def test_a_reply_has_the_platforms_form(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=AFTERNOON)) as client:
        reply = (await asked(client)).json()
        page = (await asked(client, limit="10", offset="5")).json()
    hours = 8  # from six o'clock local time until what is reported after an hour and 40 minutes
    assert set(reply) == {"meta", "operationalData"}
    assert reply["meta"]["total"] == len(reply["operationalData"]) == 12 * hours
    first = reply["operationalData"][0]
    assert first["periodFrom"] == "2026-06-10T06:00:00+02:00"
    assert first["unit"] == "kWh/h"
    assert first["flowStatus"] == "Provisional"
    assert {record["directionKey"] for record in reply["operationalData"]} == {"entry", "exit"}
    assert page["operationalData"] == reply["operationalData"][5:15]


@pytest.mark.parametrize(
    "params",
    [{"indicator": "physical flow"}, {"from": "2026-06-12", "to": "2026-06-12"}],
    ids=["the indicator's letters count", "a day to come"],
)
async def test_nothing_is_a_404_that_says_so(tmp_path: Path, params: dict[str, str]) -> None:
    async with served(a_world(tmp_path, origin=AFTERNOON)) as client:
        reply = await asked(client, **params)
    assert (reply.status_code, reply.json()) == (404, {"message": "No result found"})


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 23), ("2026-10-24", 25)])
async def test_a_gas_day_over_a_clock_change(tmp_path: Path, day: str, hours: int) -> None:
    world = a_world(tmp_path, origin=datetime(2026, 11, 1, tzinfo=UTC))
    async with served(world) as client:
        reply = (await asked(client, **{"from": day, "to": day})).json()
    assert len(reply["operationalData"]) == 12 * hours
    assert {record["flowStatus"] for record in reply["operationalData"]} == {"Confirmed"}


async def test_what_the_feed_lands_is_what_the_journal_says(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=AFTERNOON, speed=3600, pace=Pace(beat=timedelta(seconds=0.5)))
    session = new_session(world, ENTSOG_FLOW)
    async with polled(world, FEW, ENTSOG_FLOW, session):
        await until(lambda: last_round(session))
        await suffer(world, ENTSOG_FLOW, FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.BAD_ROW)
        while checked(ENTSOG_FLOW, session).quarantined.is_empty():
            await asyncio.sleep(0.2)
        comparison = await settles(ENTSOG_FLOW, world, session)
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    result = checked(ENTSOG_FLOW, session)
    assert result.quarantined.height == 1
    statuses = result.rows.group_by(ENTSOG_FLOW.key).agg(pl.col("flow_status").last())
    assert set(statuses["flow_status"]) == {"Provisional", "Confirmed"}


async def test_a_platform_in_trouble_is_an_error(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=AFTERNOON)
    session = new_session(world, ENTSOG_FLOW)
    async with served(world):
        world.faults.ask(ENTSOG_FLOW.name, Fault(FaultKind.SERVER_ERROR))
        error = await failure(ENTSOG_FLOW.feed, session)
        await run_until(ENTSOG_FLOW.feed, session, lambda: last_round(session) is not None)
    assert "answered 504: the platform is in trouble" in str(error)


async def test_the_past_is_asked_for_by_gas_days(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=AFTERNOON)
    session = new_session(world, ENTSOG_FLOW)
    start, end = datetime(2025, 10, 26, tzinfo=UTC), datetime(2025, 10, 27, tzinfo=UTC)
    async with (
        served(world),
        ENTSOG_FLOW.feed.history(session, start, end) as chunks,  # type: ignore[attr-defined]
    ):
        for chunk in chunks:
            await session.land(await chunk.fetch())
    rows = checked(ENTSOG_FLOW, session).rows
    assert rows.height == (25 + 24 + 24) * 12 * 5
    assert rows.filter(pl.col("delivery_start").is_between(start, end)).height == 25 * 12 * 5


def test_a_market_day_is_large(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=AFTERNOON)
    start = datetime(2026, 6, 1, 4, tzinfo=UTC)
    statements = sum(
        entsog._reports(world, indicator, entsog._POINTS)
        .stated(start, start + timedelta(days=1))
        .height
        for indicator in entsog._UNITS
    )
    assert statements > A_MARKET_DAY, "each is one value: provisional, then confirmed"
