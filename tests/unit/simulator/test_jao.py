"""The simulated Publication Tool of JAO, asked over a real socket, by hand and by the feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from energy_platform.sources.jao_max_exchange import JAO_MAX_EXCHANGE
from simulator.faults import Fault, FaultKind
from simulator.providers.jao import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import failure, last_round, run_until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

MORNING = datetime(2026, 10, 24, 6, tzinfo=UTC)
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
STAMP = "%Y-%m-%dT%H:%M:%S.000Z"


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/jao/core/api/data"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def asked(
    client: httpx.AsyncClient, start: datetime, end: datetime, **params: str
) -> httpx.Response:
    window = {"FromUtc": f"{start:{STAMP}}", "ToUtc": f"{end:{STAMP}}"}
    return await client.get("/maxExchanges", params={**window, **params})


async def test_a_reply_has_the_tools_form(tmp_path: Path) -> None:
    day = datetime(2026, 10, 23, 22, tzinfo=UTC)
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        reply = (await asked(client, day, day + timedelta(days=1))).json()
        page = (await asked(client, day, day + timedelta(days=1), Skip="20", Take="5000")).json()
    assert set(reply) == {"data", "rejected", "messages", "totalRowsWithFilter"}
    assert len(reply["data"]) == reply["totalRowsWithFilter"] == 24
    assert reply["data"][0]["dateTimeUtc"] == "2026-10-23T22:00:00Z"
    assert sum(name.startswith("border_") for name in reply["data"][0]) == 132
    assert page["data"] == reply["data"][20:]
    assert page["totalRowsWithFilter"] == 24


async def test_two_days_are_too_long_when_one_has_25_hours(tmp_path: Path) -> None:
    first = datetime(2026, 10, 23, 22, tzinfo=UTC)
    async with served(a_world(tmp_path, origin=NOON)) as client:
        short = await asked(client, first, first + timedelta(hours=48))
        long = await asked(client, first, first + timedelta(hours=49))
    assert (short.status_code, long.status_code) == (200, 400)


async def test_tomorrow_is_empty_until_it_is_published(tmp_path: Path) -> None:
    tomorrow = datetime(2026, 10, 24, 22, tzinfo=UTC)
    counts = []
    for name, origin in (("morning", MORNING), ("noon", NOON)):
        async with served(a_world(tmp_path / name, origin=origin)) as client:
            reply = await asked(client, tomorrow, tomorrow + timedelta(hours=25))
        counts.append(len(reply.json()["data"]))
    assert counts == [0, 25]


async def test_what_the_feed_lands_is_what_the_journal_says(tmp_path: Path) -> None:
    world = a_world(
        tmp_path,
        origin=MORNING + timedelta(hours=1, minutes=50),
        speed=900,
        pace=Pace(beat=timedelta(seconds=0.5)),
    )
    session = new_session(world, JAO_MAX_EXCHANGE)
    async with polled(world, PROVIDER, JAO_MAX_EXCHANGE, session):
        while len(session.landed) < 4:
            await asyncio.sleep(0.05)
        await suffer(
            world, JAO_MAX_EXCHANGE, FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.BAD_ROW
        )
        while checked(JAO_MAX_EXCHANGE, session).quarantined.is_empty():
            await asyncio.sleep(0.2)
        while world.clock.now() < MORNING + timedelta(hours=4):
            await asyncio.sleep(0.05)
        comparison = await settles(JAO_MAX_EXCHANGE, world, session)
    assert comparison.stored > (4 * 24 + 25) * 132, "the days before, tomorrow, and corrections"
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    assert checked(JAO_MAX_EXCHANGE, session).quarantined.height == 1


async def test_a_refusal_keeps_the_feed_away_for_a_minute(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=MORNING)
    session = new_session(world, JAO_MAX_EXCHANGE)
    async with running(world, [PROVIDER]):
        world.faults.ask(JAO_MAX_EXCHANGE.name, Fault(FaultKind.TOO_MANY_REQUESTS, seconds=60))
        error = await failure(JAO_MAX_EXCHANGE.feed, session)
    assert error.retry_after_seconds == 60
    assert session.bans == {"JAO": 60}


async def test_a_restart_with_the_cursor_lands_only_what_is_new(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    session = new_session(world, JAO_MAX_EXCHANGE)
    rounds = []
    async with running(world, [PROVIDER]):
        for _ in range(2):
            before, known = len(session.landed), last_round(session)

            def is_further(known: datetime | None = known) -> bool:
                return last_round(session) != known

            await run_until(JAO_MAX_EXCHANGE.feed, session, is_further)
            rounds.append([one.context["FromUtc"] for one in session.landed[before:]])
    assert len(rounds[0]) == 4
    assert rounds[1] == ["2026-10-24T22:00:00.000Z"], "tomorrow, which the first did not ask for"


async def test_the_past_is_asked_for_day_by_day(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    session = new_session(world, JAO_MAX_EXCHANGE)
    start, end = datetime(2025, 10, 25, tzinfo=UTC), datetime(2025, 10, 27, tzinfo=UTC)
    async with (
        running(world, [PROVIDER]),
        JAO_MAX_EXCHANGE.feed.history(session, start, end) as chunks,  # type: ignore[attr-defined]
    ):
        for chunk in chunks:
            await session.land(await chunk.fetch())
    rows = checked(JAO_MAX_EXCHANGE, session).rows
    assert rows.height == (24 + 25 + 24) * 132
