"""AGSI+'s feed against the simulated service, on a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.formats.agsi import gas_days, question
from energy_platform.sources.agsi_storage import AGSI_STORAGE, requests
from simulator.faults import Fault, FaultKind
from simulator.providers.agsi import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.http_server import reply, scripted
from tests.support.running_feeds import failure
from tests.support.simulated_feed import checked, new_session, polled, settles

BEFORE_THE_EVENING = datetime(2025, 10, 27, 17, 30, tzinfo=UTC)
KEY = {"x-key": "simulated"}


QUICK = Pace(beat=timedelta(seconds=0.5))


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/agsi"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def test_estimates_and_what_becomes_of_them_arrive(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_EVENING, speed=7200, pace=QUICK)
    session = new_session(world, AGSI_STORAGE)
    async with polled(world, PROVIDER, AGSI_STORAGE, session, every=1):
        while len({row["market_at"] for row in emissions(world)}) < 3:
            await asyncio.sleep(0.05)
        found = await settles(AGSI_STORAGE, world, session)
    assert found.invented.is_empty()
    result = checked(AGSI_STORAGE, session)
    assert result.quarantined.is_empty()
    assert {"DE", "EU", "NE"} < set(result.rows["code"])
    assert set(result.rows["status"]) == {"E", "C"}
    lengths = result.rows.select(pl.col("delivery_end") - pl.col("delivery_start")).to_series()
    hours = {length.total_seconds() / 3600 for length in lengths}
    assert hours == {24, 25}, "the gas day of the change has an hour more"
    unknown = result.rows.filter(code="SE")["trend_pct"]
    assert unknown.null_count() == len(unknown) > 0, "a dash is no zero"


def emissions(world: World) -> list[dict[str, datetime]]:
    return [{"market_at": each.market_at} for each in world.journal.emissions(AGSI_STORAGE.name)]


async def test_faults_lose_nothing_and_a_bad_row_is_quarantined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)
    for kind in (
        FaultKind.SERVER_ERROR,
        FaultKind.MALFORMED,
        FaultKind.TRUNCATED,
        FaultKind.CUT,
        FaultKind.TOO_MANY_REQUESTS,
    ):
        world.faults.ask(AGSI_STORAGE.name, Fault(kind, seconds=0.5))
    session = new_session(world, AGSI_STORAGE)
    async with polled(world, PROVIDER, AGSI_STORAGE, session, every=2):
        while world.faults.pending(AGSI_STORAGE.name):
            await asyncio.sleep(0.05)
        world.faults.ask(AGSI_STORAGE.name, Fault(FaultKind.BAD_ROW))
        while world.faults.pending(AGSI_STORAGE.name):
            await asyncio.sleep(0.05)
        found = await settles(AGSI_STORAGE, world, session)
    assert found.invented.is_empty()
    assert ["612.5" in reason for reason in checked(AGSI_STORAGE, session).quarantined["reason"]]
    kept = [str(message.context) + message.body.decode() for message in session.landed]
    assert not [text for text in [*kept, str(session.cursor), caplog.text] if "simulated" in text]


async def test_with_a_wrong_key_the_answer_is_200_and_no_answer(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)
    session = new_session(world, AGSI_STORAGE)
    session.secrets["GIE_API_KEY"] = "5ecre7"
    async with running(world, [PROVIDER]):
        error = await failure(AGSI_STORAGE.feed, session)
    assert "5ecre7" not in str(error)
    assert "answered 200: refused: access denied" in str(error)
    assert session.landed == []


async def test_a_reply_that_repeats_the_key_is_not_kept(tmp_path: Path) -> None:
    body = b'{"error": "unavailable", "message": "no answer for key 5ecre7"}'
    world = a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)
    session = new_session(world, AGSI_STORAGE)
    session.secrets["GIE_API_KEY"] = "5ecre7"
    async with scripted(reply(body)) as service:
        session.addresses = {"https://agsi.gie.eu": service.url}
        error = await failure(AGSI_STORAGE.feed, session)
    assert "5ecre7" not in str(error)
    assert session.landed == []


async def test_a_future_day_is_answered_with_the_last_one(tmp_path: Path) -> None:
    async with served(
        a_world(tmp_path, origin=BEFORE_THE_EVENING + timedelta(hours=2), pace=QUICK)
    ) as client:
        params = {"country": "DE", "from": "2025-10-26", "to": "2030-01-01"}
        answer = (await client.get("/api", params=params, headers=KEY)).json()
    assert [record["gasDayStart"] for record in answer["data"]] == ["2025-10-26"]
    assert answer["data"][0]["status"] == "E"


async def told(client: httpx.AsyncClient, country: str, year: int) -> pl.DataFrame:
    """Return the gas days of a year as the feed's parser reads them, the earliest first."""
    answers = [
        await client.get("/api", params={"country": country, "from": first.isoformat(),
                                         "to": (first + timedelta(days=30)).isoformat(),
                                         "size": "300"}, headers=KEY)
        for first in (date(year, month, 1) for month in range(1, 13))
    ]  # fmt: skip
    rows = pl.concat([gas_days(answer.content) for answer in answers])
    return rows.unique(["code", "delivery_start"]).sort("code", "delivery_start")


async def test_storages_follow_the_season_by_tenths_of_a_point_a_day(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)) as client:
        by_code = {code: await told(client, code, 2024) for code in ("DE", "SK", "SE", "EU")}
    for code, days in by_code.items():
        rows = days.filter(code=code)
        assert rows.height == 366, code
        full, change = rows["full_pct"], rows["full_pct"].diff().drop_nulls()
        assert 15 < full.min() < 45, code  # type: ignore[operator] # a float
        assert 75 < full.max() < 100, code  # type: ignore[operator] # a float
        # The smallest storage's errors are of four digits of a TWh, which are more of its room.
        assert change.abs().max() <= (1.0 if code != "SE" else 3.0), code  # type: ignore[operator] # a float
        if code != "SE":
            assert 0.2 < change.abs().mean() < 0.6, code  # type: ignore[operator] # a float
            assert (rows["trend_pct"][1:] - change).abs().max() < 0.05, code  # type: ignore[operator] # a float
        volume = rows["working_gas_volume_twh"][0]
        stored = rows["gas_in_storage_twh"].diff().drop_nulls() * 1_000
        drawn = rows["net_withdrawal_gwh_per_d"][1:]
        assert (stored + drawn).abs().max() <= 0.4 * max(volume, 2), "what went out is gone"
        fullest = rows.sort("full_pct")["delivery_start"][-1]
        assert fullest.month in {10, 11}, code
        assert (rows["injection_gwh_per_d"] >= 0).all()


async def test_an_aggregate_is_the_sum_of_its_countries(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)) as client:
        [both, *each] = [await told(client, code, 2024) for code in ("NE", "GB", "UA")]
    sums = pl.concat(each).group_by("delivery_start").agg(pl.col("gas_in_storage_twh").sum())
    joined = both.filter(code="NE").join(sums, on="delivery_start", suffix="_of_both")
    apart = joined["gas_in_storage_twh"] - joined["gas_in_storage_twh_of_both"]
    assert joined.height == 366
    assert apart.abs().max() < 0.1, "but for errors in the last digits"  # type: ignore[operator] # a float


async def test_more_than_a_page_is_told(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_EVENING, pace=QUICK)) as client:
        params = {"country": "eu", "from": "2025-10-01", "to": "2025-10-20", "size": "30"}
        first = (await client.get("/api", params=params, headers=KEY)).json()
        last = (await client.get("/api", params={**params, "page": "2"}, headers=KEY)).json()
    assert first["last_page"] == 2
    assert (len(first["data"]), len(last["data"])) == (30, 10)
    assert {record["code"] for record in first["data"]} == {"EU", "NE"}


def test_a_page_holds_whatever_one_question_of_a_backfill_asks_for() -> None:
    feed = AGSI_STORAGE.feed
    chunk = getattr(feed, "history_chunk", None)
    assert isinstance(chunk, timedelta)
    asked = question("EU", BEFORE_THE_EVENING - chunk, BEFORE_THE_EVENING)
    first, last = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
    assert 2 * ((last - first).days + 1) <= int(asked["size"]) <= 300


def test_before_six_it_is_still_the_day_before() -> None:
    night = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
    assert {request.params["to"] for request in requests(night, night)} == {"2026-02-28"}
    assert len(requests(night, night)) > 15
