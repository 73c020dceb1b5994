"""Open-Meteo's feed against the simulated service, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from energy_platform.feeds.rest import RestFeed
from energy_platform.formats.open_meteo_sites import SITES
from energy_platform.sources.open_meteo_forecast import OPEN_METEO_FORECAST
from simulator.faults import Fault, FaultKind
from simulator.providers.open_meteo import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import failure
from tests.support.simulated_feed import checked, new_session, polled, settles

EVENING = datetime(2026, 3, 28, 22, 20, tzinfo=UTC)
HAMBURG = {"latitude": "53.55", "longitude": "9.99", "hourly": "temperature_2m,wind_speed_10m"}


QUICK = Pace(beat=timedelta(seconds=0.5))


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/open_meteo/v1"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def forecast(client: httpx.AsyncClient, **params: str) -> Any:
    reply = await client.get("/forecast", params={**HAMBURG, **params})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_runs_that_rewrite_the_future_arrive_as_revisions(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=EVENING, speed=300, pace=QUICK)
    source = OPEN_METEO_FORECAST
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session, every=0.5):
        while len(list(world.journal.emissions(source.name))) < 2:
            await asyncio.sleep(0.05)
        found = await settles(source, world, session)
    assert found.invented.is_empty()
    assert checked(source, session).quarantined.is_empty()
    assert found.stored > 2 * 70 * len(SITES), "nearly every hour ahead has changed with the run"
    rows = checked(source, session).rows
    assert set(rows["site"]) == set(SITES)
    assert rows.null_count().transpose()["column_0"].sum() == 0


async def test_faults_lose_nothing_and_a_bad_row_is_quarantined(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=EVENING, pace=QUICK)
    source = OPEN_METEO_FORECAST
    for kind in (FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.MALFORMED):
        world.faults.ask(source.name, Fault(kind))
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session, every=0.5):
        while world.faults.pending(source.name):
            await asyncio.sleep(0.05)
        world.faults.ask(source.name, Fault(FaultKind.BAD_ROW))
        while world.faults.pending(source.name):
            await asyncio.sleep(0.05)
        found = await settles(source, world, session)
    assert found.invented.is_empty()
    reasons = checked(source, session).quarantined["reason"].to_list()
    assert [reason for reason in reasons if "999.9" in reason]
    assert len(reasons) == 2, "the page in place of a reply, and the bad row"


async def test_one_place_gives_an_object_and_several_an_array(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=EVENING, pace=QUICK)) as client:
        one = await forecast(client)
        two = await forecast(client, latitude="53.55,48.14", longitude="9.99,11.58")
    assert isinstance(one, dict)
    assert [type(place) for place in two] == [dict, dict]
    assert two[0]["hourly"] == one["hourly"] != two[1]["hourly"]


async def test_unless_asked_times_are_text_and_wind_is_in_kilometres_per_hour(
    tmp_path: Path,
) -> None:
    async with served(a_world(tmp_path, origin=EVENING, pace=QUICK)) as client:
        bare = await forecast(client)
        asked = await forecast(client, timeformat="unixtime", wind_speed_unit="ms")
    assert bare["hourly_units"]["time"] == "iso8601"
    assert bare["hourly"]["time"][0] == "2026-03-28T00:00"
    assert asked["hourly"]["time"][0] == datetime(2026, 3, 28, tzinfo=UTC).timestamp()
    slow, fast = (reply["hourly"]["wind_speed_10m"][0] for reply in (asked, bare))
    assert fast == pytest.approx(3.6 * slow, abs=0.06)


async def test_what_a_run_does_not_reach_is_null(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=EVENING, pace=QUICK)) as client:
        reply = await forecast(client, start_date="2026-03-31", end_date="2026-04-01")
    values = reply["hourly"]["temperature_2m"]
    assert None not in values[:24]
    assert values[24:] == [None] * 24


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"hourly": "luck"}, "invalid value luck"),
        ({"latitude": "1,2"}, "same number of elements"),
        ({"start_date": "2020-01-01"}, "out of allowed range"),
    ],
)
async def test_a_bad_question_is_refused_with_its_reason(
    tmp_path: Path, params: dict[str, str], said: str
) -> None:
    async with served(a_world(tmp_path, origin=EVENING, pace=QUICK)) as client:
        reply = await client.get("/forecast", params={**HAMBURG, **params})
    assert reply.status_code == 400
    assert reply.json()["error"] is True
    assert said in reply.json()["reason"]


async def test_the_feed_says_why_it_was_refused(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=EVENING, pace=QUICK)
    source = OPEN_METEO_FORECAST
    session = new_session(world, source)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    async with running(world, [PROVIDER]):
        assert isinstance(source.feed, RestFeed)
        old = source.feed.requests(long_ago, long_ago)
        feed = replace(source.feed, requests=lambda _start, _end: old)
        assert "out of allowed range" in str(await failure(feed, session))
    assert session.landed == []
