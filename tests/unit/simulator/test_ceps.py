"""ČEPS's feeds against the simulated service, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from energy_platform.market.source import MarketSource
from energy_platform.sources.ceps_generation import CEPS_GENERATION
from energy_platform.sources.ceps_imbalance import CEPS_IMBALANCE
from energy_platform.sources.ceps_load import CEPS_LOAD
from simulator.faults import Fault, FaultKind
from simulator.providers.ceps import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world
from tests.support.simulated_feed import checked, new_session, polled, settles

BEFORE_THE_LONG_DAY = datetime(2025, 10, 25, 23, tzinfo=UTC)
SOURCES = [
    pytest.param(source, id=source.name) for source in (CEPS_LOAD, CEPS_GENERATION, CEPS_IMBALANCE)
]
NAMESPACE = "https://www.ceps.cz/CepsData/"
SOAP = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
LONG_DAY = {"dateFrom": "2025-10-26T00:00:00", "dateTo": "2025-10-26T23:59:59"}


QUICK = Pace(beat=timedelta(seconds=0.5))


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/ceps/_layouts"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def call(
    client: httpx.AsyncClient, operation: str, version: str = "1.1", **parts: str
) -> httpx.Response:
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in parts.items())
    envelope = (
        f'<e:Envelope xmlns:e="{SOAP[version]}"><e:Body>'
        f'<{operation} xmlns="{NAMESPACE}">{inside}</{operation}></e:Body></e:Envelope>'
    )
    headers = {"SOAPAction": f'"{NAMESPACE}{operation}"'} if version == "1.1" else {}
    return await client.post("/CepsData.asmx", content=envelope, headers=headers)


def items(reply: httpx.Response) -> list[dict[str, str]]:
    assert reply.status_code == 200, reply.text
    found = etree.fromstring(reply.content).iter("{*}item")
    return [{str(name): str(value) for name, value in item.items()} for item in found]


@pytest.mark.parametrize("source", SOURCES)
async def test_what_the_grid_shows_is_what_the_feed_brings(
    tmp_path: Path, source: MarketSource
) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, speed=600, pace=QUICK)
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session):
        await asyncio.sleep(2)
        found = await settles(source, world, session)
    assert found.stored > 50
    assert found.invented.is_empty()
    assert checked(source, session).quarantined.is_empty()


@pytest.mark.parametrize("source", SOURCES)
async def test_faults_lose_nothing_and_a_bad_row_is_quarantined(
    tmp_path: Path, source: MarketSource
) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, speed=600, pace=QUICK)
    for kind in (
        FaultKind.SERVER_ERROR,
        FaultKind.MALFORMED,
        FaultKind.TRUNCATED,
        FaultKind.CUT,
    ):
        world.faults.ask(source.name, Fault(kind))
    session = new_session(world, source)
    async with polled(world, PROVIDER, source, session):
        while world.faults.pending(source.name):
            await asyncio.sleep(0.05)
        world.faults.ask(source.name, Fault(FaultKind.BAD_ROW))
        while world.faults.pending(source.name):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        found = await settles(source, world, session)
    assert found.invented.is_empty()
    page, row = checked(source, session).quarantined["reason"]
    assert "not a SOAP envelope" in page, "what came in place of an answer is kept"
    assert "99999.5" in row


async def test_a_restarted_feed_goes_on_from_its_cursor(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, pace=QUICK)
    first = new_session(world, CEPS_LOAD)
    second = new_session(world, CEPS_LOAD)
    async with polled(world, PROVIDER, CEPS_LOAD, first):
        await settles(CEPS_LOAD, world, first)
    second.cursor = first.cursor
    async with polled(world, PROVIDER, CEPS_LOAD, second):
        await asyncio.sleep(1)
    day_before = BEFORE_THE_LONG_DAY - timedelta(hours=20)
    assert (checked(CEPS_LOAD, first).rows["delivery_start"] < day_before).any()
    again = checked(CEPS_LOAD, second).rows["delivery_start"]
    assert (again > day_before).all(), "the past is not asked for again"


@pytest.mark.parametrize("version", SOAP)
async def test_the_long_day_has_a_hundred_items_with_both_offsets(
    tmp_path: Path, version: str
) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY + timedelta(days=2), pace=QUICK)
    async with served(world) as client:
        shown = items(await call(client, "Load", version, **LONG_DAY, agregation="QH"))
    assert len(shown) == 100
    twice = [item["date"] for item in shown if item["date"].startswith("2025-10-26T02:00")]
    assert twice == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]


async def test_the_end_is_included_and_strange_parameters_are_overlooked(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, pace=QUICK)
    hours = {"dateFrom": "2025-10-25T06:00:00", "dateTo": "2025-10-25T12:00:00"}
    async with served(world) as client:
        shown = items(await call(client, "Generation", **hours, unheard="of", para1="all"))
    assert len(shown) == 25
    assert len(shown[0]) == 1 + 9


async def test_without_dates_or_with_another_action_there_is_a_fault(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, pace=QUICK)
    async with served(world) as client:
        undated = await call(client, "Load")
        elsewhere = await client.post(
            "/CepsData.asmx",
            content=f'<e:Envelope xmlns:e="{SOAP["1.1"]}"><e:Body><Load xmlns="{NAMESPACE}">'
            "<dateFrom>2025-10-25</dateFrom><dateTo>2025-10-26</dateTo>"
            "</Load></e:Body></e:Envelope>",
            headers={"SOAPAction": '"urn:other"'},
        )
    assert undated.status_code == elsewhere.status_code == 500
    assert "dateFrom" in undated.text
    assert "SOAPAction" in elsewhere.text


async def test_parameters_are_sent_by_the_names_that_the_wsdl_has(tmp_path: Path) -> None:
    """`AktualniSystemovaOdchylkaCR` takes no version; the imbalance's feed gives one."""
    world = a_world(tmp_path, origin=BEFORE_THE_LONG_DAY, pace=QUICK)
    session = new_session(world, CEPS_IMBALANCE)
    async with polled(world, PROVIDER, CEPS_IMBALANCE, session):
        await settles(CEPS_IMBALANCE, world, session)
    reply = etree.fromstring(session.landed[0].body)
    assert reply.findtext(".//{*}aggregation") == "MI"
    assert reply.find(".//{*}version") is None
    assert session.landed[0].context["version"] == "RT"
