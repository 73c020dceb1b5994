"""ENTSO-E's sources against the simulated platform, on a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import polars as pl
import pytest
from lxml import etree

from energy_platform.feeds.rest import RestFeed
from energy_platform.formats.entsoe.codes import AREAS
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from simulator.faults import Fault, FaultKind
from simulator.providers.entsoe import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.comparison import compare
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import failure, last_round, run_until

NOON = datetime(2025, 10, 25, 11, 30, tzinfo=UTC)
SOURCES = [
    "entsoe_day_ahead_price",
    "entsoe_load",
    "entsoe_load_forecast",
    "entsoe_generation",
    "entsoe_wind_solar_forecast",
    "entsoe_cross_border_flow",
    "entsoe_scheduled_exchange",
    "entsoe_outage",
]


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/entsoe"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def ask(client: httpx.AsyncClient, **params: str) -> httpx.Response:
    return await client.get("/api", params={"securityToken": "simulated", **params})


def rows_of(source: MarketSource, session: MemorySession) -> pl.DataFrame:
    messages = [
        replace(message, landing_offset=offset) for offset, message in enumerate(session.landed)
    ]
    checked = check_messages(source, messages)
    assert checked.quarantined.is_empty(), checked.quarantined["reason"].to_list()[:3]
    return checked.rows


async def test_what_arrives_is_what_the_journal_says(tmp_path: Path) -> None:
    # A session in memory keeps to no rate.
    world = a_world(tmp_path, origin=NOON, pace=Pace(requests=10))
    sources = [market_source(name) for name in SOURCES]
    sessions = [a_session(world, source.name) for source in sources]
    async with served(world):
        await asyncio.gather(
            *(
                run_until(source.feed, session, partial(has_asked, session), seconds=250.0)
                for source, session in zip(sources, sessions, strict=True)
            )
        )
        world.clock.freeze()
    for source, session in zip(sources, sessions, strict=True):
        rows = rows_of(source, session)
        assert rows.height > 500, source.name
        comparison = compare(source, world.journal, rows)
        assert comparison.invented.is_empty(), source.name
        assert comparison.stale.is_empty(), source.name
        assert all("simulated" not in str(message.context) for message in session.landed)
        assert "simulated" not in str(session.cursor)


async def test_the_platform_answers_as_the_real_one_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = a_world(tmp_path, origin=NOON)
    day = {"periodStart": "202510242200", "periodEnd": "202510252200"}
    zone = {"in_Domain": "10Y1001A1001A82H", "out_Domain": "10Y1001A1001A82H"}
    async with served(world) as client:
        prices = await settled(client, documentType="A44", **zone, **day)
        nothing = await ask(
            client, documentType="A44", **zone, periodStart="202510302300", periodEnd="202510312300"
        )
        too_long = await ask(
            client, documentType="A44", **zone, periodStart="202301010000", periodEnd="202510312300"
        )
        autumn = {"periodStart": "202509292200", "periodEnd": "202510012200"}
        change = await ask(client, documentType="A44", **zone, **autumn)
        refused = await client.get("/api", params={"securityToken": "guess", "documentType": "A44"})
        session = a_session(world, "entsoe_load")
        session.secrets = {"ENTSOE_SECURITY_TOKEN": "a-wrong-token"}
        feed = one_question()
        error = await failure(feed, session)
        world.faults.ask("entsoe_load", Fault(FaultKind.TOO_MANY_REQUESTS, seconds=60))
        banned = a_session(world, "entsoe_load")
        await failure(feed, banned)
    namespace = "{urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3}"
    root = etree.fromstring(prices.content)
    sequence = f"{namespace}classificationSequence_AttributeInstanceComponent.position"
    assert [each.text for each in root.iter(sequence)] == ["1", "2"]
    assert len({each.text for each in etree.fromstring(change.content).iter(
        f"{namespace}resolution")}) == 2  # fmt: skip
    assert (nothing.status_code, too_long.status_code) == (200, 400)
    assert b"No matching data found" in nothing.content
    assert refused.status_code == 401
    assert "answered 401" in str(error)
    assert session.landed == []
    assert "a-wrong-token" not in caplog.text + str(error) + str(session.cursor)
    assert banned.bans["ENTSO-E"] == 60


def one_question() -> RestFeed:
    feed = market_source("entsoe_load").feed
    assert isinstance(feed, RestFeed)
    question = feed.requests(NOON - timedelta(hours=6), NOON)[:1]
    return replace(feed, requests=lambda _start, _end: question)


def has_asked(session: MemorySession) -> bool:
    return last_round(session) is not None


async def settled(client: httpx.AsyncClient, **params: str) -> httpx.Response:
    """Ask until the world has begun, and something is published."""
    while b"Publication" not in (reply := await ask(client, **params)).content:
        await asyncio.sleep(0.05)
    return reply


async def test_outages_come_as_archives_and_withdrawn_ones_on_demand(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    changed = {"PeriodStartUpdate": "202510231200", "PeriodEndUpdate": "202510251200"}
    source = market_source("entsoe_outage")
    statuses: dict[str, set[str]] = {}
    async with served(world) as client:
        await settled_load(client)
        for asked in ({}, {"DocStatus": "A13"}):
            statuses[str(asked)] = set()
            for code in list(AREAS.values())[:20]:
                about = {"documentType": "A77", "BiddingZone_Domain": code, **changed, **asked}
                reply = await ask(client, **about)
                if reply.content.startswith(b"PK"):
                    message = RawMessage(
                        body=reply.content, received_at=NOON, context={}, landing_offset=0
                    )
                    statuses[str(asked)] |= set(source.parse([message])["status"])
        area = {"documentType": "A77", "BiddingZone_Domain": AREAS["FR"], **changed}
        beyond = await ask(client, **area, offset="4800")
    assert statuses["{}"] == {"Active", "Cancelled"}
    assert statuses["{'DocStatus': 'A13'}"] == {"Withdrawn"}
    assert b"No matching data found" in beyond.content


async def settled_load(client: httpx.AsyncClient) -> None:
    day = {"periodStart": "202510242200", "periodEnd": "202510252200"}
    zone = {"in_Domain": "10Y1001A1001A82H", "out_Domain": "10Y1001A1001A82H"}
    await settled(client, documentType="A44", **zone, **day)
