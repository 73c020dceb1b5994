"""A source without a model flows from its test cases over every protocol, and is journalled."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.encodings.soap_envelope import read_envelope
from energy_platform.errors import FeedError
from energy_platform.feeds.access_token import ClientCredentialsGrant, PasswordGrant
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.feeds.sns.bucket_files import BucketFiles, WholeFile
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.feeds.soap import SoapFeed, SoapRequest, SoapVersion
from energy_platform.feeds.websocket.feed import WebSocketFeed
from energy_platform.market.feed import Feed
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource, each_message
from simulator.ftp_server import certificate
from simulator.providers.energy_charts import PROVIDER as ENERGY_CHARTS
from simulator.recorded import Recorded
from simulator.server import running
from simulator.world import World
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import run_until
from tests.support.simulated_feed import checked, compared
from tests.support.sources import EXAMPLE, NOON, parse_example

SOON = timedelta(seconds=0.1)
ARN = "arn:aws:sns:eu-west-2:123456789012:prices"
Row = tuple[str, int, float | None]

CASES: dict[str, list[Row]] = {
    "a_first": [("CZ", 0, 10.5), ("DE-LU", 0, None)],
    "b_second": [("CZ", 1, 11.0)],
    "c_revised": [("CZ", 0, 12.25)],
}
"""Rows by case, in the order in which a provider says them; the last revises the first."""


def rest(path: str, *zones: str, **settings: Any) -> RestFeed:
    def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
        window = {"from": start.isoformat(), "to": end.isoformat()}
        url = f"https://api.example/{path}"
        each = [{"zone": zone} for zone in zones] or [{}]
        return [RestRequest(url=url, params={**window, **one}) for one in each]

    return RestFeed(
        provider=EXAMPLE.provider, requests=requests, every=SOON, span=timedelta(1), **settings
    )


def soap(version: SoapVersion) -> SoapFeed:
    def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
        window = {"From": start.isoformat(), "To": end.isoformat()}
        return [SoapRequest(operation="GetPrices", parameters=window)]

    return SoapFeed(
        provider=EXAMPLE.provider,
        requests=requests,
        every=SOON,
        span=timedelta(1),
        url="https://soap.example/service",
        wsdl="https://soap.example/service?wsdl",
        version=version,
        spellings={"To": ("Until", "To")},
    )


def ftp(scheme: str, **settings: Any) -> FtpFeed:
    return FtpFeed(
        provider=EXAMPLE.provider,
        url=f"{scheme}://files.example/a%20market/prices/",
        pattern="prices_*.json",
        is_complete=lambda body: body.endswith(b"]"),
        every=SOON,
        settle=SOON,
        **settings,
    )


WEBSOCKET = WebSocketFeed(
    provider=EXAMPLE.provider,
    url="wss://stream.example/user",
    topics=("v1/streaming/prices",),
    tokens=PasswordGrant(
        url="https://login.example/token",
        scope="all",
        username="A_USER",
        password="A_PASSWORD",
        client_id="AN_ID",
        client_secret="A_SECRET",
    ),
)
TOKENS = ClientCredentialsGrant(
    url="https://login.example/token", scope="all", client_id="AN_ID", client_secret="A_SECRET"
)
WHOLE = WholeFile(max_bytes=1_000_000, is_complete=lambda body: body.endswith(b"]"))
QUEUE = SnsQueueFeed(
    topic_arn=ARN, queue_variable="A_QUEUE", bucket="prices", keys="day-??/*.json", read=WHOLE
)
ENDPOINT = SnsEndpointFeed(topic_arns=(ARN,), listen="http://127.0.0.1:8472/prices")
FILES = BucketFiles(bucket="prices", keys=("day-*.json",), read=WHOLE, region="eu-west-2")


@each_message
def parse_soap(message: RawMessage) -> pl.DataFrame:
    return parse_example([replace(message, body=(read_envelope(message.body).text or "").encode())])


@each_message
def parse_notification(message: RawMessage) -> pl.DataFrame:
    return parse_example([replace(message, body=json.loads(message.body)["Message"].encode())])


@each_message
def parse_file(message: RawMessage) -> pl.DataFrame:
    rows = b"[]" if "announces" in message.context else message.body
    return parse_example([replace(message, body=rows)])


def body(rows: Sequence[Row]) -> str:
    return json.dumps([{"zone": zone, "quarter": n, "price": price} for zone, n, price in rows])


def in_soap(text: str) -> str:
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<e:Envelope xmlns:e="{envelope}"><e:Body><Prices>{text}</Prices></e:Body></e:Envelope>'


def write_case(
    folder: Path,
    rows: Sequence[Row],
    *,
    payloads: Sequence[str],
    context: Mapping[str, str] | None = None,
) -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(payloads):
        (folder / f"payload_{number}.txt").write_text(text)
    lines = ["delivery_start,delivery_end,bidding_zone,price_eur_per_mwh"]
    for zone, quarter, price in rows:
        start = NOON + quarter * timedelta(minutes=15)
        end = start + timedelta(minutes=15)
        instants = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (start, end))
        lines.append(",".join([*instants, zone, "" if price is None else str(price)]))
    (folder / "expected.csv").write_text("\n".join(lines) + "\n")
    if context:
        said = [f'{name} = "{value}"' for name, value in context.items()]
        (folder / "case.toml").write_text("\n".join(["[context]", *said]))


def a_source(
    folder: Path, name: str, feed: Feed, *, written: Any = str, **fields: Any
) -> MarketSource:
    """Return a throw-away source with all cases below a folder."""
    for case, rows in CASES.items():
        write_case(folder / name / case, rows, payloads=[written(body(rows))])
    return replace(EXAMPLE, name=name, feed=feed, **fields)


@asynccontextmanager
async def served(folder: Path, *sources: MarketSource) -> AsyncIterator[World]:
    """Run a world in which these sources are served from the cases below a folder."""
    world = a_world(folder / "world", replay=folder / "cases")
    async with running(world, [partial(Recorded, sources=sources)]):
        yield world


async def lands(source: MarketSource, session: MemorySession, messages: int) -> None:
    """Run a source's feed until so many messages have landed; again after a failure, at first."""
    async with asyncio.timeout(120):
        while len(session.landed) < messages:
            with contextlib.suppress(FeedError):
                await run_until(source.feed, session, lambda: len(session.landed) >= messages)
            await asyncio.sleep(0.05)


async def flows(world: World, source: MarketSource, *, messages: int) -> MemorySession:
    """Run a source's feed until so many messages have landed; hold it against the journal."""
    session = replace(a_session(world, source.name), ca_file=certificate(world))
    await lands(source, session, messages)
    found = compared(source, world, session)
    assert found.stored == sum(map(len, CASES.values()))
    assert (found.lost.height, found.invented.height, found.stale.height) == (0, 0, 0)
    assert checked(source, session).quarantined.is_empty()
    return session


@pytest.mark.parametrize(
    ("feed", "fields", "messages"),
    [
        pytest.param(rest("prices"), {}, 3, id="REST"),
        pytest.param(rest("prices", tokens=TOKENS), {}, 3, id="REST with tokens"),
        *(
            pytest.param(soap(v), {"parse": parse_soap, "written": in_soap}, 3, id=f"SOAP {v.name}")
            for v in SoapVersion
        ),
        *(pytest.param(ftp(scheme), {}, 3, id=scheme) for scheme in ("ftp", "ftpes", "ftps")),
        pytest.param(ftp("ftp", username="A_USER", password="A_WORD"), {}, 3, id="ftp, a user"),
        pytest.param(
            ftp("ftp", is_current=lambda name, now: f"{now:%Y%m}" in name), {}, 3, id="ftp, by day"
        ),
        pytest.param(WEBSOCKET, {}, 3, id="WebSocket"),
        pytest.param(QUEUE, {}, 3, id="SNS, a queue"),
        pytest.param(ENDPOINT, {"parse": parse_notification}, 3, id="SNS, pushed"),
        pytest.param(
            replace(ENDPOINT, files=FILES), {"parse": parse_file}, 6, id="SNS, pushed files"
        ),
    ],
)
async def test_a_source_flows_from_its_cases(
    tmp_path: Path, feed: Feed, fields: Mapping[str, Any], messages: int
) -> None:
    source = a_source(tmp_path / "cases", "a_price", feed, **fields)
    async with served(tmp_path, source) as world:
        await flows(world, source, messages=messages)


@pytest.mark.parametrize("feed", [rest("prices"), ftp("ftp"), WEBSOCKET, QUEUE])
async def test_two_sources_of_one_host_do_not_collide(tmp_path: Path, feed: Feed) -> None:
    one = a_source(tmp_path / "cases", "one_price", feed)
    other = replace(one, name="other_price")
    rows: list[Row] = [("DE-LU", 7, 1.0)]
    write_case(tmp_path / "cases" / other.name / "only", rows, payloads=[body(rows)])
    sources = (one, other) if not isinstance(feed, SnsQueueFeed) else (
        one, replace(other, feed=replace(feed, bucket="others", topic_arn=f"{ARN}-others"))
    )  # fmt: skip
    async with served(tmp_path, *sources) as world:
        await flows(world, one, messages=3)
        session = a_session(world, other.name)
        await lands(sources[1], session, 1)
    assert [message.body.decode() for message in session.landed] == [body(rows)]


async def test_a_question_is_answered_by_a_case_of_its_own_context(tmp_path: Path) -> None:
    source = replace(EXAMPLE, name="a_price", feed=rest("prices", "CZ", "DE-LU"))
    for zone in ("DE-LU", "CZ"):
        rows = [(zone, 3, 5.0)]
        folder = tmp_path / "cases" / source.name / zone
        write_case(folder, rows, payloads=[body(rows)], context={"zone": zone})
    async with served(tmp_path, source) as world:
        session = a_session(world, source.name)
        await run_until(source.feed, session, lambda: len(session.landed) >= 2)
    said = {message.context["zone"]: json.loads(message.body) for message in session.landed}
    assert {zone: rows[0]["zone"] for zone, rows in said.items()} == {"CZ": "CZ", "DE-LU": "DE-LU"}


async def test_what_no_case_answers_is_said_and_not_invented(tmp_path: Path) -> None:
    source = replace(EXAMPLE, name="a_price", feed=rest("prices", "CZ"))
    rows = [("DE-LU", 3, 5.0)]
    folder = tmp_path / "cases" / source.name / "other"
    write_case(folder, rows, payloads=[body(rows)], context={"zone": "DE-LU"})
    async with served(tmp_path, source) as world:
        session = a_session(world, source.name)
        with pytest.raises(FeedError, match="404"):
            await run_until(source.feed, session, lambda: bool(session.landed), seconds=60)
        assert list(world.journal.emissions(source.name)) == []


async def test_files_of_one_case_come_together_and_refused_ones_never(tmp_path: Path) -> None:
    source = replace(EXAMPLE, name="a_price", feed=ftp("ftp"))
    rows = [("CZ", 0, 1.0), ("CZ", 1, 2.0)]
    folder = tmp_path / "cases" / source.name
    write_case(folder / "of_two_files", rows, payloads=[body(rows[:1]), body(rows[1:])])
    write_case(folder / "garbage", [], payloads=["garbage"])
    (folder / "garbage" / "quarantined.csv").write_text("check,reason\n")
    async with served(tmp_path, source) as world:
        session = a_session(world, source.name)
        await run_until(source.feed, session, lambda: len(session.landed) >= 2)
        found = compared(source, world, session)
    assert (found.journalled, found.stored, found.invented.height) == (2, 2, 0)


async def test_a_replay_folder_goes_before_a_model_which_then_is_not_journalled(
    tmp_path: Path,
) -> None:
    source = market_source("energy_charts_price")
    cases = Path(__file__).parents[2] / "testcases"
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / source.name).symlink_to(cases / source.name)
    world = a_world(tmp_path / "world", replay=tmp_path / "replay")
    async with running(world, [ENERGY_CHARTS, partial(Recorded, sources=[source])]):
        session = a_session(world, source.name)
        await run_until(source.feed, session, lambda: bool(session.landed))
        expected = [row for e in world.journal.emissions(source.name) for row in e.rows]
    rows = checked(source, session).rows
    assert rows.height > 0
    zones = {row["bidding_zone"] for row in expected}
    assert zones == set(rows["bidding_zone"])
