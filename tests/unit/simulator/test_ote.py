"""The simulated OTE, asked by hand-written envelopes over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from lxml import etree

from simulator.providers.ote import PROVIDER, intraday
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world

NAMESPACE = "http://www.ote-cr.cz/schema/service/public"
SOAP = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
BEFORE_THE_LONG_DAY = datetime(2025, 10, 25, 12, tzinfo=UTC)
DAY_AHEAD = "GetDamPricePeriodE"


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/ote/services"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def call(
    client: httpx.AsyncClient, operation: str, version: str = "1.1", action: str = "", **parts: str
) -> httpx.Response:
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in parts.items())
    envelope = (
        f'<e:Envelope xmlns:e="{SOAP[version]}"><e:Body>'
        f'<{operation} xmlns="{NAMESPACE}">{inside}</{operation}>'
        "</e:Body></e:Envelope>"
    )
    headers = {"SOAPAction": action} if action else {}
    return await client.post("/PublicDataService", content=envelope, headers=headers)


async def day_ahead(
    client: httpx.AsyncClient, start: str, end: str, **parts: str
) -> list[dict[str, str]]:
    days = {"StartDate": start, "EndDate": end, "PeriodResolution": "PT15M"}
    return items(await call(client, DAY_AHEAD, **days | parts))


def items(reply: httpx.Response) -> list[dict[str, str]]:
    assert reply.status_code == 200, reply.text
    found = etree.fromstring(reply.content).iter(f"{{{NAMESPACE}}}Item")
    return [{etree.QName(part).localname: part.text or "" for part in item} for item in found]


def faultstring(reply: httpx.Response) -> str:
    assert reply.status_code == 500
    return str(etree.fromstring(reply.content).xpath("string(//faultstring)"))


async def test_the_wsdl_is_at_its_place(tmp_path: Path) -> None:
    async with served(a_world(tmp_path)) as client:
        wsdl = await client.get("/PublicDataService?wsdl")
        bare = await client.get("/PublicDataService")
    assert etree.QName(etree.fromstring(wsdl.content)).localname == "definitions"
    assert bare.status_code == 400


async def test_the_long_day_has_a_hundred_periods_and_tells_its_hours_apart(
    tmp_path: Path,
) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        rows = await day_ahead(client, "2025-10-26", "2025-10-26")
    assert [row["PeriodIndex"] for row in rows] == [str(number) for number in range(1, 101)]
    labels = [row["PeriodInterval"] for row in rows]
    assert labels[8] == labels[12] == "02:00-02:15", "a label comes twice"
    assert labels[-1] == "23:45-24:00"
    for first in range(0, 100, 4):
        mean = sum(float(row["Price"]) for row in rows[first : first + 4]) / 4
        [hourly] = {row["HourlyPrice"] for row in rows[first : first + 4]}
        assert float(hourly) == pytest.approx(mean, abs=0.005001)


async def test_tomorrow_has_no_items_before_its_publication(tmp_path: Path) -> None:
    morning = BEFORE_THE_LONG_DAY - timedelta(hours=4)
    async with served(a_world(tmp_path, origin=morning)) as client:
        rows = await day_ahead(client, "2025-10-25", "2025-10-26")
    assert {row["Date"] for row in rows} == {"2025-10-25"}


async def test_hours_can_be_asked_for(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        rows = await day_ahead(client, "2025-10-26", "2025-10-26", PeriodResolution="PT60M")
    assert len(rows) == 25
    assert rows[-1]["PeriodInterval"] == "23-24"


async def test_periods_can_be_asked_for(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        rows = await day_ahead(client, "2025-10-26", "2025-10-26", StartPeriod="9", EndPeriod="12")
        none = await day_ahead(client, "2025-10-26", "2025-10-26", StartPeriod="9", EndPeriod="8")
    assert [row["PeriodIndex"] for row in rows] == ["9", "10", "11", "12"]
    assert none == []


async def test_more_than_31_days_are_cut_off_without_a_word(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        within = await day_ahead(client, "2025-09-26", "2025-11-30")
        beyond = await day_ahead(client, "2025-09-24", "2025-11-30")
    assert {row["Date"] for row in within} >= {"2025-09-26", "2025-10-25", "2025-10-26"}
    assert max(row["Date"] for row in within) == "2025-10-26"
    assert max(row["Date"] for row in beyond) == "2025-10-24"


async def test_past_days_are_there_and_stay_as_they_were(tmp_path: Path) -> None:
    days = {"StartDate": "2025-03-30", "EndDate": "2025-03-30"}
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        replies = [await call(client, "GetImPricePeriodE", **days) for _ in range(2)]
        auction = await day_ahead(client, "2025-03-30", "2025-03-30")
    assert items(replies[0]) == items(replies[1])
    assert len(items(replies[0])) == len(auction) == 92


@pytest.mark.parametrize("version", SOAP)
async def test_a_reply_speaks_the_version_it_was_asked_in(tmp_path: Path, version: str) -> None:
    days = {"StartDate": "2025-10-25", "EndDate": "2025-10-25"}
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        reply = await call(client, "GetImPricePeriodE", version, **days)
        fault = await call(client, "GetImPricePeriodE", version, StartDate="soon")
    for answer in (reply, fault):
        assert etree.QName(etree.fromstring(answer.content)).namespace == SOAP[version]
    assert items(reply)
    assert fault.status_code == 500
    assert "soon" in fault.text


async def test_a_wrong_action_or_operation_is_a_fault(tmp_path: Path) -> None:
    days = {"StartDate": "2025-10-25", "EndDate": "2025-10-25"}
    operation = "GetImPricePeriodE"
    async with served(a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)) as client:
        right = await call(client, operation, action=f'"{NAMESPACE}/{operation}"', **days)
        wrong = await call(client, operation, action=f'"{NAMESPACE}/GetRutList"', **days)
        unknown = await call(client, "GetRutList")
        garbage = await client.post("/PublicDataService", content=b"hello")
    assert right.status_code == 200
    assert "GetRutList" in faultstring(wrong)
    assert "GetRutList" in faultstring(unknown)
    assert "not XML" in faultstring(garbage)


async def test_trading_revises_periods_until_their_gate_closes(tmp_path: Path) -> None:
    pace = Pace(beat=timedelta(seconds=0.1))
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, speed=600, pace=pace)
    async with served(world):
        while world.clock.now() < BEFORE_THE_LONG_DAY + timedelta(hours=1):
            await asyncio.sleep(0.05)
        world.clock.freeze()
    before, *later = world.journal.emissions("ote_intraday_price")
    assert len(later) > 10
    for emission in later:
        for row in emission.rows:
            closes = datetime.fromisoformat(row["delivery_start"]) - timedelta(minutes=5)
            assert before.market_at < closes, "what was said since the last beat"
        before = emission
    periods = [row["delivery_start"] for emission in later for row in emission.rows]
    assert len(periods) > len(set(periods)), "values are revised"


def test_a_period_is_traded_again_and_again_before_its_gate_closes(tmp_path: Path) -> None:
    market = intraday(a_world(tmp_path))
    start = BEFORE_THE_LONG_DAY
    stated = market.stated(start, start + timedelta(hours=1))
    ahead = (pl.col("slot") - pl.col("stated_at")).dt.total_minutes(fractional=True)
    assert stated.select(ahead.max(), least=ahead.min() > 5).row(0) == (240.0, True)
    for period in stated.partition_by("slot"):
        assert period.height > 40
        assert period["stated_at"].n_unique() == period.height
        assert (period["volume_mwh"].diff().drop_nulls() > 0).all(), "nothing is traded back"
        assert period["price_eur_per_mwh"].n_unique() > 10


async def test_a_restart_forgets_nothing_and_emits_nothing_twice(tmp_path: Path) -> None:
    first = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY)
    async with served(first) as client:
        before = await day_ahead(client, "2025-10-25", "2025-10-26")
    second = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY + timedelta(seconds=1))
    async with served(second) as client:
        second.clock.freeze()
        after = await day_ahead(client, "2025-10-25", "2025-10-26")
    assert len(before) == 196
    assert before == after
    rows = [
        tuple(row.items())
        for emission in second.journal.emissions("ote_day_ahead_price")
        for row in emission.rows
    ]
    assert len(rows) == len(set(rows))
