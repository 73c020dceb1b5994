"""REST on real sockets: scripted replies for the wire's edges, the simulator for the whole way."""

import asyncio
import contextlib
import gzip
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from energy_platform.errors import FeedError, ParseError, SourceDefinitionError
from energy_platform.feeds.access_token import ClientCredentialsGrant
from energy_platform.feeds.http import HttpLimits
from energy_platform.feeds.progress import Progress
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.market.provider import Provider
from energy_platform.market.source import MarketSource
from energy_platform.sources.energy_charts_frequency import ENERGY_CHARTS_FREQUENCY
from energy_platform.sources.energy_charts_price import ENERGY_CHARTS_PRICE
from simulator.faults import Fault, FaultKind
from simulator.providers.energy_charts import PROVIDER
from simulator.server import running
from simulator.world import World
from tests.support.feeds import MemorySession, a_world
from tests.support.http_server import ScriptedServer, reply, scripted
from tests.support.running_feeds import failure, run_until
from tests.support.simulated_feed import compared

PATIENT = HttpLimits(timeout=timedelta(seconds=20), max_body_bytes=1_000)
IMPATIENT = replace(PATIENT, timeout=timedelta(seconds=0.5))
FAST = timedelta(seconds=0.05)


def feed_of(*urls: str, **changes: Any) -> RestFeed:
    requests = [RestRequest(url=url, params={"zone": "AT"}) for url in urls]
    values: dict[str, Any] = {
        "provider": Provider(name="Test"),
        "requests": lambda _start, _end: requests,
        "every": FAST,
        "span": timedelta(hours=1),
        "limits": PATIENT,
    }
    return RestFeed(**values | changes)


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("test", tmp_path)


async def test_a_body_lands_as_it_was_sent_with_its_context(session: MemorySession) -> None:
    async with scripted(reply(b'{"price": [1]}')) as server:
        await run_until(feed_of(server.url), session, lambda: bool(session.landed))
    (message,) = session.landed
    assert message.body == b'{"price": [1]}'
    assert message.context == {"zone": "AT", "url": server.url, "content_type": "application/json"}


async def test_an_unchanged_body_lands_once_and_a_changed_one_again(session: MemorySession) -> None:
    async with scripted(reply(b"one"), reply(b"one"), reply(b"one"), reply(b"two")) as server:
        await run_until(feed_of(server.url), session, lambda: len(server.requests) > 5)
    assert [message.body for message in session.landed] == [b"one", b"two"]
    assert server.connections == 1, "the connection is kept alive"


async def test_a_connection_closed_while_idle_is_no_failure(session: MemorySession) -> None:
    async with scripted(reply(b"one"), b"", reply(b"two")) as server:
        await run_until(feed_of(server.url), session, lambda: len(session.landed) > 1)
    assert [message.body for message in session.landed] == [b"one", b"two"]
    assert server.connections == 2


async def test_a_server_that_hangs_up_on_new_connections_too_is_a_failure(
    session: MemorySession,
) -> None:
    async with scripted(b"") as server:
        assert "Server disconnected" in str(await failure(feed_of(server.url), session))
    assert len(server.requests) == 2, "asked once more, not for ever"


async def test_validators_make_the_next_request_conditional_also_after_a_restart(
    session: MemorySession,
) -> None:
    stamped = reply(b"one", ETag='"abc"', Last_Modified="Sat, 25 Oct 2025 12:00:00 GMT")
    unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n"
    async with scripted(stamped, unchanged) as server:
        await run_until(feed_of(server.url), session, lambda: len(server.requests) > 1)
        restarted = MemorySession("test", session.state_directory, cursor=session.cursor)
        asked = len(server.requests)
        await run_until(feed_of(server.url), restarted, lambda: len(server.requests) > asked)
    assert "if-none-match" not in server.requests[0].lower()
    for request in (server.requests[1], server.requests[-1]):
        assert 'If-None-Match: "abc"' in request
        assert "If-Modified-Since: Sat, 25 Oct 2025 12:00:00 GMT" in request
    assert len(session.landed) == 1
    assert restarted.landed == []


async def test_a_304_to_a_request_without_condition_is_an_error(session: MemorySession) -> None:
    async with scripted(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n") as server:
        assert "304" in str(await failure(feed_of(server.url), session))


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("999999", 3600),
        ("soon", 60),
        (None, 60),
    ],
)
async def test_too_many_requests_bans_the_provider(
    session: MemorySession, retry_after: str | None, seconds: float
) -> None:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    async with scripted(reply(b"", status="429 Too Many Requests", **headers)) as server:
        error = await failure(feed_of(server.url, server.url), session)
    assert len(server.requests) == 1, "nothing more is asked once refused"
    assert error.retry_after_seconds == session.bans["Test"] == seconds
    assert session.landed == []


async def test_a_ban_until_an_instant_is_the_time_to_it(session: MemorySession) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    refused = reply(
        b"", status="429 Too Many Requests", Retry_After=format_datetime(until, usegmt=True)
    )
    async with scripted(refused) as server:
        earliest = until - datetime.now(UTC)
        await failure(feed_of(server.url), session)
        latest = until - datetime.now(UTC)
    assert latest.total_seconds() <= session.bans["Test"] <= earliest.total_seconds()


@pytest.mark.parametrize(
    "bad",
    [
        reply(b"sorry", status="500 Internal Server Error"),
        reply(b"sorry", status="503 Service Unavailable", Retry_After="7"),
        reply(b"", status="302 Found", Location="http://127.0.0.1:1/"),
        reply(b"cut sho", Content_Length="400"),
        reply(gzip.compress(b"x" * 500)[:-9], Content_Encoding="gzip"),
        reply(b"no gzip at all", Content_Encoding="gzip"),
        reply(gzip.compress(b"one") + b"more", Content_Encoding="gzip"),
        reply(b"what", Content_Encoding="br"),
        reply(b"x" * 1_001),
        reply(gzip.compress(b"x" * 100_000), Content_Encoding="gzip"),
        b"nothing like HTTP\r\n\r\nContent-Length: 0\r\n\r\n",
        None,
    ],
)
async def test_what_is_not_a_whole_good_answer_never_lands(
    session: MemorySession, bad: bytes | None
) -> None:
    async with scripted(bad) as server:
        error = await failure(feed_of(server.url, limits=PATIENT if bad else IMPATIENT), session)
    assert session.landed == []
    assert session.cursor is None
    assert session.bans == {}
    assert error.retry_after_seconds == (7 if bad and b"503" in bad else None)


async def test_a_body_that_drips_is_given_up(session: MemorySession) -> None:
    async with scripted(reply(b"slow"), drip=True) as server:
        error = await failure(feed_of(server.url, limits=IMPATIENT), session)
    assert "did not answer within 0.5 s" in str(error)


async def test_a_gzip_body_is_unpacked(session: MemorySession) -> None:
    packed = reply(gzip.compress(b"plain"), Content_Encoding="gzip")
    async with scripted(packed) as server:
        await run_until(feed_of(server.url), session, lambda: bool(session.landed))
    assert session.landed[0].body == b"plain"


async def test_no_message_shows_a_parameters_value(session: MemorySession) -> None:
    def requests(_start: datetime, _end: datetime) -> Sequence[RestRequest]:
        return [RestRequest(url=server.url, params={"token": "hunter2"})]

    async with scripted(reply(status="500 Oops")) as server:
        error = await failure(feed_of(requests=requests), session)
    assert "hunter2" not in str(error)


async def test_a_status_may_mean_that_nothing_is_published_yet(session: MemorySession) -> None:
    feed = feed_of(absent=frozenset({HTTPStatus.NOT_FOUND}))
    async with scripted(reply(status="404 Not Found"), reply(b"out")) as server:
        asking = replace(feed, requests=lambda _start, _end: [RestRequest(url=server.url)])
        await run_until(asking, session, lambda: bool(session.landed))
    assert [message.body for message in session.landed] == [b"out"]


async def test_a_failing_request_is_sent_again_and_the_others_are_not(
    session: MemorySession,
) -> None:
    async with scripted(reply(status="500 Oops")) as broken, scripted(reply(b"fine")) as sound:
        feed = feed_of(broken.url, sound.url, every=timedelta(hours=1))
        for _ in range(3):
            assert "500" in str(await failure(feed, session))
        assert [message.body for message in session.landed] == [b"fine"]
        assert (len(broken.requests), len(sound.requests)) == (3, 1)


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "410 Gone"])
async def test_a_refused_request_ends_no_feed_and_is_named(
    session: MemorySession, status: str
) -> None:
    async with (
        scripted(reply(b"sorry", status=status)) as broken,
        scripted(reply(b"one"), reply(b"two"), reply(b"three")) as sound,
    ):
        feed = feed_of(broken.url, sound.url, every=timedelta(seconds=1))
        await run_until(feed, session, lambda: len(session.landed) == 2)
    assert len(broken.requests) == 1
    assert len(feed.unanswered(session.cursor).reasons) == 1


async def test_a_refused_request_that_is_the_only_one_is_the_feeds_failure(
    session: MemorySession,
) -> None:
    async with scripted(reply(b"not here", status="404 Not Found")) as server:
        assert "answered 404" in str(await failure(feed_of(server.url), session))
    assert session.landed == []


async def test_no_content_is_an_answer(session: MemorySession) -> None:
    async with scripted(reply(status="204 No Content"), reply(b"out")) as server:
        await run_until(feed_of(server.url), session, lambda: bool(session.landed))
    assert [message.body for message in session.landed] == [b"out"]


async def test_while_a_provider_is_not_there_its_other_questions_wait(
    session: MemorySession,
) -> None:
    async with scripted(reply(b"fine")) as gone:
        pass
    async with scripted(reply(b"fine")) as other:
        error = await failure(feed_of(gone.url, other.url), session)
    assert "could not be reached: ConnectError" in str(error)
    assert other.requests == []


def test_a_window_never_gaps_and_never_exceeds_its_span() -> None:
    now = datetime(2025, 10, 26, 12, tzinfo=UTC)
    feed = feed_of(span=timedelta(hours=2), overlap=timedelta(minutes=5), ahead=timedelta(hours=1))
    reached: datetime | None = now - timedelta(days=1)
    windows: list[tuple[datetime, datetime]] = []
    while not windows or windows[-1][1] < now:
        start, end = feed.window(reached, now)
        assert end - start <= timedelta(hours=2)
        assert reached is not None
        assert start == reached - timedelta(minutes=5)
        windows.append((start, end))
        reached = min(end, now)
    assert windows[-1][1] >= now


def test_the_first_window_reaches_one_span_back() -> None:
    now = datetime(2025, 10, 26, 12, tzinfo=UTC)
    assert feed_of().window(None, now) == (now - timedelta(hours=1), now)


def test_a_window_shorter_than_its_overlap_could_never_move_on() -> None:
    with pytest.raises(SourceDefinitionError, match="must be longer than overlap"):
        feed_of(overlap=timedelta(hours=1))


async def test_windows_wait_for_a_provider_that_publishes_late(session: MemorySession) -> None:
    newest = datetime.now(UTC) - timedelta(minutes=20)
    asked: list[datetime] = []

    def requests(start: datetime, _end: datetime) -> Sequence[RestRequest]:
        asked.append(start)
        return [RestRequest(url=server.url)]

    feed = feed_of(requests=requests, newest=lambda _body: newest, overlap=timedelta(seconds=10))
    async with scripted(reply(b"late")) as server:
        await run_until(feed, session, lambda: len(asked) > 3)
    assert asked[2] == newest - timedelta(seconds=10)
    assert Progress.from_cursor(session.cursor).reached == newest


async def test_a_body_whose_newest_instant_can_not_be_told_lands(session: MemorySession) -> None:
    def newest(body: bytes) -> datetime | None:
        raise OverflowError("date value out of range")

    async with scripted(reply(b"odd")) as server:
        feed = feed_of(server.url, newest=newest)
        await run_until(feed, session, lambda: len(server.requests) > 2)
    assert [message.body for message in session.landed] == [b"odd"]


async def test_a_window_is_not_waited_for_longer_than_its_span(session: MemorySession) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1)
    session.cursor = json.dumps({"reached": long_ago.isoformat(), "marks": {}})
    asked: list[tuple[datetime, datetime]] = []

    def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
        asked.append((start, end))
        return [RestRequest(url=server.url)]

    feed = feed_of(requests=requests, newest=lambda _body: None, overlap=timedelta(minutes=5))
    async with scripted(reply(b"empty")) as server:
        await run_until(feed, session, lambda: len(asked) > 30)
    assert asked[0][0] == long_ago - timedelta(minutes=5)
    assert all(start <= before for (_, before), (start, _) in itertools.pairwise(asked))
    assert datetime.now(UTC) - asked[-1][1] < timedelta(minutes=1)


def quick(source: MarketSource, timeout: float = 20.0) -> RestFeed:
    assert isinstance(source.feed, RestFeed)
    limits = HttpLimits(timeout=timedelta(seconds=timeout))
    return replace(source.feed, every=timedelta(seconds=0.2), limits=limits)


def a_session(world: World, source: MarketSource) -> MemorySession:
    addresses = world.addresses
    return MemorySession(source.name, world.folder, addresses=addresses)


def journalled(world: World, source: MarketSource) -> dict[tuple[Any, ...], Any]:
    """Return the last value of every key that the world says it showed."""
    (field,) = source.fields
    return {
        tuple(row[name] for name in source.key): row[field]
        for emission in world.journal.emissions(source.name)
        for row in emission.rows
    }


def landed(session: MemorySession, source: MarketSource) -> dict[tuple[Any, ...], Any]:
    """Return the last value of every key that landed and passes its checks' range."""
    (field,) = source.fields
    values = {}
    for message in session.landed:
        with contextlib.suppress(ParseError):
            for row in source.parse([message]).to_dicts():
                key = tuple(
                    row[name].isoformat() if isinstance(row[name], datetime) else row[name]
                    for name in source.key
                )
                values[key] = row[field]
    return values


async def survive(feed: RestFeed, session: MemorySession, done: Callable[[], bool]) -> list[str]:
    """Run a feed as the collector does, without its waiting; return what it raised on the way."""
    errors: list[str] = []
    async with asyncio.timeout(60):
        while not done():
            try:
                await run_until(feed, session, done)
            except FeedError as error:
                errors.append(str(error))
                await asyncio.sleep(0.1)
    return errors


async def test_frequency_arrives_second_by_second_through_every_fault(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    source, session = ENERGY_CHARTS_FREQUENCY, a_session(world, ENERGY_CHARTS_FREQUENCY)
    async with running(world, [PROVIDER]):
        feed = quick(source, timeout=3.0)
        # The first window's start is a moment like any other: what it is, an answer decides.
        await run_until(feed, session, lambda: bool(session.landed))
        for kind in (
            FaultKind.SERVER_ERROR,
            FaultKind.HANG,
            FaultKind.CUT,
            FaultKind.TRUNCATED,
            FaultKind.MALFORMED,
            FaultKind.BAD_ROW,
            FaultKind.TOO_MANY_REQUESTS,
        ):
            world.faults.ask(source.name, Fault(kind, seconds=6 if kind is FaultKind.HANG else 2))
        errors = await survive(feed, session, lambda: not world.faults.pending(source.name))
        await asyncio.sleep(2)
        world.clock.freeze()
        await asyncio.sleep(0.3)
        emitted = journalled(world, source)
        first = min(landed(session, source))
        asked = {key: value for key, value in emitted.items() if key >= first}
        # A look at all that has landed is dear, so it is made once for each message.
        looks = cache(lambda _: landed(session, source) == asked)
        errors += await survive(feed, session, lambda: looks(len(session.landed)))
        landings = []
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                await run_until(feed, session, lambda: False, seconds=1)
            landings.append(len(session.landed))
    assert len(asked) > 3_500
    assert landed(session, source) == asked
    assert landings[0] == landings[1], "a frozen market has nothing new to land"
    assert any("answered 500" in error for error in errors)
    assert any("did not answer within 3 s" in error for error in errors)
    assert any("RemoteProtocolError" in error for error in errors)
    assert any("too many requests" in error for error in errors)
    assert session.bans["Energy-Charts"] <= 3


async def test_frequency_leaves_no_hole_after_downtime(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    source, session = ENERGY_CHARTS_FREQUENCY, a_session(world, ENERGY_CHARTS_FREQUENCY)
    async with running(world, [PROVIDER]):
        feed = quick(source)
        await run_until(feed, session, lambda: bool(session.landed))
        await asyncio.sleep(3)
        restarted = a_session(world, source)
        restarted.cursor = session.cursor
        shown = journalled(world, source)
        await run_until(feed, restarted, lambda: bool(restarted.landed))
    both = landed(session, source) | landed(restarted, source)
    assert len(both) >= len([key for key in shown if key >= min(both)])
    assert min(landed(restarted, source)) > min(landed(session, source)), "not all over again"


async def test_prices_of_every_zone_arrive(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    source, session = ENERGY_CHARTS_PRICE, a_session(world, ENERGY_CHARTS_PRICE)

    def zones() -> set[str]:
        return {message.context["bzn"] for message in session.landed}

    world.faults.ask(source.name, Fault(FaultKind.SERVER_ERROR))
    async with running(world, [PROVIDER]):
        errors = await survive(quick(source), session, lambda: len(zones()) == 10)
    # The session of a test waits for no turn, so the provider may tell it off.
    assert errors[0] == "api.energy-charts.info/price answered 500"
    assert all("too many requests" in error for error in errors[1:])
    assert compared(source, world, session).invented.is_empty()


def bearer_feed(server: ScriptedServer) -> RestFeed:
    tokens = ClientCredentialsGrant(
        url=f"{server.url}/token", scope="read", client_id="ID", client_secret="SECRET"
    )
    return feed_of(f"{server.url}/data", tokens=tokens)


def a_token(value: str) -> bytes:
    return reply(json.dumps({"access_token": value, "expires_in": 3600}).encode())


async def test_a_request_carries_the_token_that_is_kept_nowhere(
    session: MemorySession, caplog: pytest.LogCaptureFixture
) -> None:
    session.secrets["SECRET"] = "hush"
    async with scripted(a_token("t-1"), reply(b"one"), reply(b"two")) as server:
        await run_until(bearer_feed(server), session, lambda: len(session.landed) > 1)
    asked = [request.split()[1].partition("?")[0] for request in server.requests[:3]]
    assert asked == ["/token", "/data", "/data"]
    assert "Bearer" not in server.requests[0]
    assert all("Authorization: Bearer t-1\r\n" in request for request in server.requests[1:])
    kept = f"{[message.context for message in session.landed]} {session.cursor} {caplog.text}"
    assert "t-1" not in kept
    assert "hush" not in kept


async def test_a_refused_token_is_replaced_once(session: MemorySession) -> None:
    refused = reply(b"", status="401 Unauthorized")
    async with scripted(a_token("t-1"), refused, a_token("t-2"), reply(b"one")) as server:
        await run_until(bearer_feed(server), session, lambda: bool(session.landed))
    assert "Bearer t-2" in server.requests[3]


async def test_a_token_refused_twice_is_an_error(session: MemorySession) -> None:
    refused = reply(b"", status="401 Unauthorized")
    async with scripted(a_token("t-1"), refused, a_token("t-2"), refused) as server:
        error = await failure(bearer_feed(server), session)
    assert "answered 401" in str(error)
    assert "t-2" not in str(error)
    assert len(server.requests) == 4
    assert session.landed == []


async def test_a_body_that_repeats_the_token_is_not_kept(session: MemorySession) -> None:
    async with scripted(a_token("t-1"), reply(b"your token is t-1")) as server:
        error = await failure(bearer_feed(server), session)
    assert "repeats our secret" in str(error)
    assert session.landed == []
