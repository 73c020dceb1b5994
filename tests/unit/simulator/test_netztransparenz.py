"""The simulated netztransparenz.de, asked over a real socket, by hand and by the feed."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.sources.netztransparenz_imbalance import NETZTRANSPARENZ_IMBALANCE as SOURCE
from simulator.faults import FaultKind
from simulator.providers.netztransparenz import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.running_feeds import last_round, run_until, until
from tests.support.simulated_feed import checked, new_session, polled, settles, suffer

NOW = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
FORM = {
    "grant_type": "client_credentials",
    "scope": "ntpStatistic.read_all_public",
    "client_id": "desk",
    "client_secret": "hush",
}
BALANCE = "NrvSaldo/NRVSaldo/Betrieblich"
PRICE = "NrvSaldo/reBAP/Qualitaetsgesichert"


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/netztransparenz"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        while not list(world.journal.emissions(SOURCE.name)):
            await asyncio.sleep(0.01)
        yield client


async def logged_in(client: httpx.AsyncClient) -> dict[str, str]:
    token = (await client.post("/users/connect/token", data=FORM)).json()
    assert token["token_type"] == "Bearer"
    assert token["expires_in"] == 3600
    return {"Authorization": f"Bearer {token['access_token']}"}


def path(product: str, start: str, end: str) -> str:
    return f"/api/v1/data/{product}/{start}T00:00:00/{end}T00:00:00"


async def test_a_reply_is_german_csv(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=NOW)) as client:
        token = await logged_in(client)
        balance = await client.get(path(BALANCE, "2026-06-09", "2026-06-10"), headers=token)
        price = await client.get(path(PRICE, "2026-05-01", "2026-06-01"), headers=token)
    header, *lines = balance.text.splitlines()
    assert header.startswith("Datum;Zeitzone;von;bis;Datenkategorie;Datentyp;Einheit;Deutschland;")
    assert lines[0].startswith("09.06.2026;UTC;00:00;00:15;NRV-Saldo;Betrieblich;MW;")
    assert lines[-1].startswith("09.06.2026;UTC;23:45;00:00;")
    assert len(lines) == 96
    last = price.text.splitlines()[-1].split(";")
    assert last[0] == "20.05.2026", "the newest of what is quality-assured"
    assert last[5:7] == ["Qualitätsgesichert", "EUR/MWh"]
    assert last[7] == last[8], "one price, whichever way the group is out"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (path("NrvSaldo/Unknown/Betrieblich", "2026-06-09", "2026-06-10"), 404),
        (path(PRICE, "2026-06-01", "2026-07-01"), 404),
        (path(BALANCE, "2024-01-01", "2026-01-01"), 500),
        (path(BALANCE, "yesterday", "2026-01-01"), 400),
    ],
    ids=["unknown", "not out yet", "too long", "no date"],
)
async def test_what_is_not_served_is_refused(tmp_path: Path, asked: str, status: int) -> None:
    async with served(a_world(tmp_path, origin=NOW)) as client:
        assert (await client.get(asked)).status_code == 401
        assert (await client.get(asked, headers=await logged_in(client))).status_code == status


@pytest.mark.parametrize("lacking", FORM)
async def test_a_token_takes_the_whole_form(tmp_path: Path, lacking: str) -> None:
    form = {name: value for name, value in FORM.items() if name != lacking}
    async with served(a_world(tmp_path, origin=NOW)) as client:
        assert (await client.post("/users/connect/token", data=form)).status_code == 400


async def test_what_the_feed_lands_is_what_the_journal_says(tmp_path: Path) -> None:
    world = a_world(
        tmp_path,
        origin=datetime(2026, 6, 10, 7, 30, tzinfo=UTC),
        speed=900,
        pace=Pace(beat=timedelta(seconds=0.5)),
    )
    session = new_session(world, SOURCE)
    async with polled(world, PROVIDER, SOURCE, session):
        await until(lambda: last_round(session))
        await suffer(world, SOURCE, FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.BAD_ROW)
        while checked(SOURCE, session).quarantined.is_empty():
            await asyncio.sleep(0.2)
        while world.clock.now() < datetime(2026, 6, 10, 8, 30, tzinfo=UTC):
            await asyncio.sleep(0.05)
        comparison = await settles(SOURCE, world, session)
    assert comparison.invented.is_empty()
    assert comparison.doubled == 0
    result = checked(SOURCE, session)
    assert result.quarantined.height == 1
    newest = result.rows.group_by("product", "quality").agg(pl.col("delivery_start").max())
    assert newest.height == 5
    assured = newest.filter(quality="quality_assured")["delivery_start"]
    assert assured.unique().to_list() == [datetime(2026, 5, 20, 21, 45, tzinfo=UTC)], "10 o'clock"


async def test_a_token_that_the_service_forgot_is_replaced_and_kept_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = a_world(tmp_path, origin=NOW, speed=3600)
    session = new_session(world, SOURCE)
    session.secrets["NETZTRANSPARENZ_CLIENT_SECRET"] = "hush-hush"
    async with running(world, [PROVIDER]) as [opened]:
        assert isinstance(opened, PROVIDER)
        await run_until(SOURCE.feed, session, lambda: last_round(session) is not None)
        issued = set(opened._tokens)
        opened._tokens.clear()
        known = last_round(session)
        await run_until(SOURCE.feed, session, lambda: last_round(session) != known)
        issued |= set(opened._tokens)
    assert len(issued) == 2
    kept = f"{[message.context for message in session.landed]} {session.cursor} {caplog.text}"
    assert not any(secret in kept for secret in (*issued, "hush-hush"))


async def test_a_token_is_replaced_before_its_end(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOW, pace=Pace(token_life=timedelta(seconds=61)))
    session = new_session(world, SOURCE)
    async with polled(world, PROVIDER, SOURCE, session) as opened:
        assert isinstance(opened, PROVIDER)
        while len(opened._tokens) < 2:
            await asyncio.sleep(0.05)


async def test_the_past_is_asked_for_in_windows_that_the_service_answers(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOW)
    session = new_session(world, SOURCE)
    start, end = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 15, tzinfo=UTC)
    async with (
        served(world),
        SOURCE.feed.history(session, start, end) as chunks,  # type: ignore[attr-defined]
    ):
        for chunk in chunks:
            await session.land(await chunk.fetch())
    inside = checked(SOURCE, session).rows.filter(
        (pl.col("delivery_start") >= start) & (pl.col("delivery_start") < end)
    )
    quarters = (end - start) // timedelta(minutes=15)
    counts = inside.group_by("product", "quality", "series").agg(
        pl.col("delivery_start").n_unique()
    )
    assert counts.height == 1 + 4 + 1 + 1 + 2
    assert counts["delivery_start"].unique().to_list() == [quarters]
