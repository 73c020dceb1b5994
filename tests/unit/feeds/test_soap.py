"""SOAP against the simulated OTE on a real socket: both versions, faults, error pages, the WSDL."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from energy_platform.feeds.http import HttpLimits
from energy_platform.feeds.soap import SoapFeed, SoapRequest, SoapVersion
from energy_platform.market.source import MarketSource
from energy_platform.sources.ote_day_ahead_price import OTE_DAY_AHEAD_PRICE
from energy_platform.sources.ote_intraday_price import OTE_INTRADAY_PRICE
from simulator.faults import Fault, FaultKind
from simulator.providers import ote
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import MemorySession, a_world
from tests.support.http_server import reply, scripted
from tests.support.running_feeds import failure, run_until

WSDL = Path(ote.__file__).with_name("ote.wsdl").read_bytes()
SOURCES = (OTE_DAY_AHEAD_PRICE, OTE_INTRADAY_PRICE)


@asynccontextmanager
async def market(folder: Path, **options: Any) -> AsyncIterator[World]:
    world = a_world(folder, **options)
    async with running(world, [ote.PROVIDER]):
        yield world


def a_session(world: World, source: MarketSource) -> MemorySession:
    return MemorySession(source.name, world.folder, addresses=world.addresses)


def quick(source: MarketSource, timeout: float = 20.0, **changes: Any) -> SoapFeed:
    assert isinstance(source.feed, SoapFeed)
    limits = HttpLimits(timeout=timedelta(seconds=timeout))
    return replace(source.feed, every=timedelta(seconds=0.2), limits=limits, **changes)


def last_values(rows: Iterator[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return the last values of every delivery period."""
    values = {}
    for row in rows:
        start = row.pop("delivery_start")
        end = row.pop("delivery_end")
        row.pop("landing_offset", None)
        values[str(start).replace(" ", "T")] = (str(end).replace(" ", "T"), *sorted(row.items()))
    return values


def landed(session: MemorySession, source: MarketSource) -> dict[str, tuple[Any, ...]]:
    return last_values(
        row for message in session.landed for row in source.parse([message]).to_dicts()
    )


def journalled(world: World, source: MarketSource) -> dict[str, tuple[Any, ...]]:
    return last_values(
        row for emission in world.journal.emissions(source.name) for row in emission.rows
    )


def is_all_there(world: World, session: MemorySession, source: MarketSource) -> bool:
    """Say whether the last values landed of every period from the first one that was asked for."""
    seen, shown = landed(session, source), journalled(world, source)
    return bool(seen) and seen == {at: said for at, said in shown.items() if at >= min(seen)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
@pytest.mark.parametrize("version", SoapVersion)
async def test_what_the_market_shows_lands_in_either_version(
    tmp_path: Path, source: MarketSource, version: SoapVersion
) -> None:
    async with market(tmp_path) as world:
        session = a_session(world, source)
        world.clock.freeze()
        feed = quick(source, version=version)
        await run_until(feed, session, lambda: is_all_there(world, session, source))
    assert len(landed(session, source)) >= 4 * 4
    envelope = etree.fromstring(session.landed[0].body)
    soap_1_2 = etree.QName(envelope).namespace == "http://www.w3.org/2003/05/soap-envelope"
    assert soap_1_2 == (version is SoapVersion.V1_2)
    context = session.landed[0].context
    assert context["operation"] == feed.requests(*2 * [datetime.now(UTC)])[0].operation
    assert context["url"] == "https://www.ote-cr.cz/pw-data/services/PublicDataService"


async def ask_four_times(feed: SoapFeed, session: MemorySession) -> None:
    asked: list[datetime] = []

    def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
        asked.append(start)
        return feed.requests(start, end)

    # What was asked before the fifth time has been answered.
    await run_until(replace(feed, requests=requests), session, lambda: len(asked) > 4)


async def test_an_unchanged_reply_lands_once_also_after_a_restart(tmp_path: Path) -> None:
    source = OTE_DAY_AHEAD_PRICE
    async with market(tmp_path) as world:
        world.clock.freeze()
        first = a_session(world, source)
        await ask_four_times(quick(source), first)
        second = a_session(world, source)
        second.cursor = first.cursor
        await ask_four_times(quick(source), second)
    bodies = [(message.context["EndDate"], message.body) for message in first.landed]
    assert 1 <= len(bodies) == len(set(bodies)) <= 2, "one window back, then today and tomorrow"
    assert second.landed == []


async def test_revisions_land_while_the_market_trades(tmp_path: Path) -> None:
    source = OTE_INTRADAY_PRICE
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    pace = Pace(beat=timedelta(seconds=0.2))
    async with market(tmp_path, origin=noon, speed=60, pace=pace) as world:
        session = replace(a_session(world, source), clock=world.clock)
        feed = replace(quick(source), every=timedelta(seconds=12))
        await run_until(feed, session, lambda: len(session.landed) > 4)
    newest = landed(session, source)
    oldest = last_values(iter(source.parse(session.landed[:1]).to_dicts()))
    assert any(newest[start] != values for start, values in oldest.items())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FaultKind.SERVER_ERROR, "answered 500: SOAP fault: Internal error"),
        (FaultKind.MALFORMED, "not a SOAP envelope but <html>: Application is not available"),
        (FaultKind.TRUNCATED, "answered 200: not XML"),
        (FaultKind.CUT, "RemoteProtocolError"),
        (FaultKind.HANG, "did not answer within 1 s"),
        (FaultKind.TOO_MANY_REQUESTS, "too many requests"),
    ],
)
async def test_a_reply_that_is_no_answer_is_named(
    tmp_path: Path, kind: FaultKind, said: str
) -> None:
    source = OTE_DAY_AHEAD_PRICE
    async with market(tmp_path) as world:
        world.faults.ask(source.name, Fault(kind, seconds=3))
        session = a_session(world, source)
        feed = quick(source, timeout=1.0) if kind is FaultKind.HANG else quick(source)
        assert said in str(await failure(feed, session))
    # What came in place of an answer lands all the same, for the quarantine to keep.
    is_something_else = kind in (FaultKind.MALFORMED, FaultKind.TRUNCATED)
    assert len(session.landed) == is_something_else
    assert (session.cursor is not None) == is_something_else
    assert bool(session.bans) == (kind is FaultKind.TOO_MANY_REQUESTS)


@pytest.mark.parametrize("version", SoapVersion)
async def test_a_request_against_the_schema_is_a_fault(
    tmp_path: Path, version: SoapVersion
) -> None:
    request = SoapRequest(
        operation="GetDamPricePeriodE",
        parameters={
            "StartDate": "2025-10-26",
            "EndDate": "2025-10-26",
            "PeriodResolution": "PT5M",
        },
    )
    async with market(tmp_path) as world:
        session = a_session(world, OTE_DAY_AHEAD_PRICE)
        feed = quick(OTE_DAY_AHEAD_PRICE, requests=lambda _s, _e: [request], version=version)
        said = str(await failure(feed, session))
    assert "SOAP fault" in said
    assert "PT5M" in said


@pytest.mark.parametrize(
    "request_", [SoapRequest(operation="GetNothing"), SoapRequest(operation="GetImPricePeriodE")]
)
async def test_a_call_that_the_wsdl_does_not_know_is_an_error(
    tmp_path: Path, request_: SoapRequest
) -> None:
    async with market(tmp_path) as world:
        session = a_session(world, OTE_DAY_AHEAD_PRICE)
        feed = quick(OTE_DAY_AHEAD_PRICE, requests=lambda _s, _e: [request_])
        assert f"the WSDL has no such {request_.operation}" in str(await failure(feed, session))


def feed_at(wsdl: str, service: str, timeout: float = 20.0) -> SoapFeed:
    return quick(OTE_DAY_AHEAD_PRICE, timeout=timeout, wsdl=wsdl, url=service)


def age_cache(session: MemorySession, days: int) -> None:
    """Make the WSDLs in a session's cache so many days old."""
    with contextlib.closing(sqlite3.connect(session.state_directory / "wsdl.sqlite")) as database:
        stamp = datetime.now(UTC) - timedelta(days=days)
        changed = database.execute("UPDATE request SET created = ?", (str(stamp),))
        assert changed.rowcount == 1
        database.commit()


FAULT = b"""\
<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>
  <faultcode>e:Server</faultcode><faultstring>closed</faultstring>
</e:Fault></e:Body></e:Envelope>"""


@pytest.mark.parametrize(
    "trouble",
    [
        reply(b"<html>Application is not available</html", Content_Type="text/html"),
        reply(b"", status="503 Service Unavailable"),
        None,
    ],
)
async def test_a_kept_wsdl_serves_while_the_service_cannot_give_its_own(
    tmp_path: Path, trouble: bytes | None
) -> None:
    session = MemorySession("test", tmp_path)
    async with scripted(reply(WSDL), trouble) as wsdl, scripted(reply(FAULT)) as service:
        feed = feed_at(f"{wsdl.url}/?wsdl", service.url, 20.0 if trouble else 3.0)
        assert "SOAP fault: closed" in str(await failure(feed, session))
        assert "SOAP fault: closed" in str(await failure(feed, session))
        assert len(wsdl.requests) == 1, "a copy of today is good enough"
        age_cache(session, days=2)
        assert "SOAP fault: closed" in str(await failure(feed, session))
        assert len(wsdl.requests) == 2, "an old copy is refreshed, if it can be"
    assert len(service.requests) == 3


async def test_a_damaged_file_of_kept_wsdls_is_set_aside(tmp_path: Path) -> None:
    session = MemorySession("test", tmp_path)
    file = session.state_directory / "wsdl.sqlite"
    file.write_bytes(b"this is no database" * 1_000)
    async with scripted(reply(WSDL)) as wsdl, scripted(reply(FAULT)) as service:
        feed = feed_at(f"{wsdl.url}/?wsdl", service.url)
        for _ in range(2):
            assert "SOAP fault: closed" in str(await failure(feed, session))
        assert len(wsdl.requests) == 1, "the new file keeps its copy"
    assert (tmp_path / "wsdl.sqlite.damaged").read_bytes() == b"this is no database" * 1_000


async def test_without_any_wsdl_the_feed_fails_and_keeps_nothing(tmp_path: Path) -> None:
    session = MemorySession("test", tmp_path)
    page = reply(b"Application is not available", Content_Type="text/html")
    async with scripted(page, reply(WSDL)) as wsdl, scripted(reply(FAULT)) as service:
        feed = feed_at(wsdl.url, service.url)
        assert "not XML" in str(await failure(feed, session))
        assert "SOAP fault: closed" in str(await failure(feed, session))


IMPORT = b'<wsdl:import namespace="urn:x" location="%s"/><wsdl:types>'


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "XML with a document type is not read"),
        (WSDL.replace(b"<wsdl:types>", IMPORT % b"file:///etc/passwd"), "not on its own host"),
        (WSDL.replace(b"<wsdl:types>", IMPORT % b"http://localhost/x"), "not on its own host"),
        (WSDL.replace(b"<wsdl:types>", IMPORT % b"again.wsdl"), "can't be read: maximum recursion"),
        (WSDL.replace(b"http://schemas.xmlsoap.org/wsdl/soap/", b"urn:x"), "has no Soap11Binding"),
        (b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>", "has no Soap11Binding"),
        (b"<other/>", "WSDL"),
    ],
    ids=["document type", "file", "other host", "itself", "no binding", "empty", "no WSDL"],
)
async def test_a_wsdl_that_cannot_be_trusted_or_used_is_refused(
    tmp_path: Path, hostile: bytes, said: str
) -> None:
    session = MemorySession("test", tmp_path)
    async with scripted(reply(hostile)) as wsdl, scripted(reply(FAULT)) as service:
        assert said in str(await failure(feed_at(wsdl.url, service.url), session))
    assert service.requests == []


async def test_a_slow_wsdl_does_not_block_the_event_loop(tmp_path: Path) -> None:
    session = MemorySession("test", tmp_path)
    turns = 0
    async with scripted(None) as wsdl:
        loading = asyncio.create_task(failure(feed_at(wsdl.url, wsdl.url, 1.0), session))
        while not loading.done():
            await asyncio.sleep(0.01)
            turns += 1
    assert "did not answer within 1 s" in str(await loading)
    assert turns > 10, "of the hundred that the second of waiting has room for"
