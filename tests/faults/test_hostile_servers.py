"""A server that never ends what it says, or says it in a form of its own, costs a bounded price."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.errors import FeedError, in_one_line
from energy_platform.feeds import ftp, ftp_client, polling
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.feeds.ftp_cursor import FtpCursor
from energy_platform.feeds.http import HttpLimits, retry_after_seconds
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.feeds.sns import s3_bucket
from energy_platform.feeds.sns.s3_bucket import ObjectUnreadableError, PublicBucket
from energy_platform.feeds.soap import SoapFeed
from energy_platform.market.provider import Provider
from energy_platform.sources.ote_day_ahead_price import OTE_DAY_AHEAD_PRICE
from tests.support.feeds import MemorySession
from tests.support.hostile_servers import FtpScript, endless_http, two_gigabytes
from tests.support.http_server import reply, scripted
from tests.support.running_feeds import failure, run_until

MOST_BYTES = 2**20
ON_THE_WAY_BYTES = 64 * 2**20
"""What the buffers of two sockets hold at most, far less than what the server would send."""
LIMITS = HttpLimits(timeout=timedelta(seconds=60), max_body_bytes=MOST_BYTES)
FILES = FtpFeed(
    provider=Provider(name="Test"),
    url="ftp://files.test/",
    pattern="*.csv",
    is_complete=lambda _: True,
    every=timedelta(seconds=0.1),
    settle=timedelta(),
    answer_seconds=60.0,
    file_bytes=MOST_BYTES,
)
NEWS = "a;b\n1;2\n"


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("test", tmp_path)


def asking(url: str, **more: object) -> RestFeed:
    feed = RestFeed(
        provider=Provider(name="Test"),
        requests=lambda _start, _end: [RestRequest(url=url, params={"page": "1"})],
        every=timedelta(seconds=0.05),
        span=timedelta(hours=1),
        history_chunk=timedelta(hours=1),
        limits=LIMITS,
    )
    return replace(feed, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers", [(), ("Connection: close",), ("Content-Encoding: gzip", "Connection: close")]
)
async def test_a_body_of_two_gigabytes_is_given_up_at_its_bound(
    session: MemorySession, headers: tuple[str, ...]
) -> None:
    async with endless_http(*headers) as server:
        error = await failure(asking(server.url), session)
    assert f"sent more than {MOST_BYTES} bytes" in str(error)
    assert server.sent < ON_THE_WAY_BYTES
    assert session.landed == []


async def test_a_wsdl_of_two_gigabytes_is_given_up(session: MemorySession) -> None:
    async with endless_http() as server:
        feed = OTE_DAY_AHEAD_PRICE.feed
        assert isinstance(feed, SoapFeed)
        hostile = replace(feed, wsdl=f"{server.url}/?wsdl", url=server.url, limits=LIMITS)
        assert "sent more than" in str(await failure(hostile, session))
    assert server.sent < ON_THE_WAY_BYTES


async def test_an_object_of_two_gigabytes_is_not_read(session: MemorySession) -> None:
    async with endless_http() as server, httpx.AsyncClient() as client:
        bucket = PublicBucket(client=client, address=lambda: server.url, answer_seconds=60.0)
        with pytest.raises(ObjectUnreadableError, match="larger than"):
            await bucket.get("key", max_bytes=MOST_BYTES)
    assert server.sent < ON_THE_WAY_BYTES


LISTING = (
    "<ListBucketResult><Contents><Key>a</Key></Contents>"
    "<NextContinuationToken>more</NextContinuationToken></ListBucketResult>"
)


async def test_a_listing_that_always_goes_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "_MOST_PAGES", 5)
    async with scripted(reply(LISTING.encode())) as server, httpx.AsyncClient() as client:
        bucket = PublicBucket(client=client, address=lambda: server.url, answer_seconds=60.0)
        with pytest.raises(ObjectUnreadableError, match="more than 5 pages"):
            _ = [key async for key, _ in bucket.listing("")]
        assert len(server.requests) == 5


@pytest.mark.parametrize("bound", ["_MOST_PAGES", "_MOST_ANSWER_BYTES"])
async def test_an_answer_whose_pages_never_end_is_given_up(
    session: MemorySession, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(polling, bound, 5)

    def following(request: RestRequest, _: bytes) -> RestRequest:
        return replace(request, params={"page": str(int(request.params["page"]) + 1)})

    start = datetime(2026, 3, 1, tzinfo=UTC)
    async with scripted(reply(b"again")) as server:
        feed = asking(server.url, following=following)
        assert "Test ends no answer: " in str(await failure(feed, session))
        assert len(server.requests) <= 5
        async with feed.history(session, start, start + timedelta(hours=1)) as (chunk,):
            with pytest.raises(FeedError, match="ends no answer"):
                await chunk.fetch()


@given(st.one_of(st.text(), st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w*")))
def test_whatever_a_retry_after_says_the_wait_is_bounded(text: str) -> None:
    seconds = retry_after_seconds({"Retry-After": text})
    assert seconds is None or 0.0 <= seconds <= 3_600.0


@pytest.mark.parametrize("zone", ["+99999999999999999999", "-999999999999999999999999"])
def test_a_date_out_of_all_time_asks_for_no_wait(zone: str) -> None:
    assert retry_after_seconds({"Retry-After": f"Sun, 1 Mar 2026 12:00:00 {zone}"}) in {None, 0.0}


@given(st.text())
def test_what_a_server_says_is_one_line_of_bounded_length(said: str) -> None:
    for text in (said, said * 1_000):
        error = str(FeedError(f"the server said: {text}"))
        assert error == in_one_line(error)
        assert error.isprintable()
        assert len(error) <= 1_010


def mlsd(name: bytes, facts: bytes = b"type=file;size=8;modify=20260301120000;") -> bytes:
    return facts + b" " + name + b"\r\n"


def ls(name: bytes) -> bytes:
    return b"-rw-r--r-- 1 me us 8 Mar 01 12:00 " + name + b"\r\n"


ODD_NAMES = (
    b"../../etc/passwd",
    b"line\rDELE good.csv\r.csv",
    b"\x1b[2J.csv",
    b"tab\t.csv",
    b"\xffnot UTF-8.csv",
    b"..",
    b"",
)
ODD_LINES = (
    mlsd(b"no type.csv", b"size=8;modify=20260301120000;"),
    mlsd(b"no size.csv", b"type=file;"),
    mlsd(b"odd size.csv", b"type=file;size=" + b"9" * 5_000 + b";modify=x;"),
    mlsd(b"less than nothing.csv", b"type=file;size=-8;modify=x;"),
    b"\r\n",
    b"total 12\r\n",
    b"=;=;=;\r\n",
)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftp, "_MOST_LISTED", 1_000)
    monkeypatch.setattr(ftp_client, "_REPLY_SECONDS", 60.0)


@pytest.mark.parametrize("command", ["MLSD", "LIST"])
async def test_odd_names_and_lines_of_a_listing_hold_back_no_file(
    session: MemorySession, command: str
) -> None:
    line = mlsd if command == "MLSD" else ls
    lines = [line(name) for name in ODD_NAMES] + [*ODD_LINES, line(b"good.csv")]
    features = ("MLST type*;size*;modify*;",) if command == "MLSD" else ("UTF8",)
    files = {"good.csv": [NEWS.encode()]}
    async with FtpScript(listing=lines, files=files, features=features).running() as server:
        session.addresses = {FILES.url: server.url}
        await run_until(FILES, session, lambda: bool(session.landed))
    assert [message.body for message in session.landed] == [NEWS.encode()]
    assert session.landed[0].context["url"] == "ftp://files.test/good.csv"
    assert any(one.startswith(command) for one in server.commands)
    asked = [one for one in server.commands if one.startswith(("RETR", "MDTM", "DELE"))]
    assert not any(one.startswith("DELE") or "/" in one for one in asked)
    assert all(one.isprintable() for one in asked)
    assert all(name.isprintable() for name in FtpCursor.read(session.cursor).held)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (FtpScript(listing=repeat(mlsd(b"again.csv"))), "lists more than 1000 files"),
        (FtpScript(listing=repeat(mlsd(b"other.txt"))), "lists more than 1000 files"),
        (FtpScript(listing=repeat(b"x" * 65_536)), ""),
        (FtpScript(replies={"CWD": repeat(b"250-more\r\n")}), "more than 1000 lines"),
        (FtpScript(replies={"FEAT": repeat(b"no code at all\r\n")}), "more than 1000 lines"),
        (FtpScript(replies={"CWD": [b"999\r\n", *[b"x" * 65_536] * 3]}), ""),
        (FtpScript(replies={"CWD": [b"550 " + b"no " * 20_000 + b"\r\n"]}), "550 no no"),
    ],
    ids=["files", "others", "line", "reply", "no reply", "reply line", "long words"],
)
async def test_what_an_ftp_server_does_not_end_is_given_up(
    session: MemorySession, script: FtpScript, said: str
) -> None:
    async with script.running() as server:
        session.addresses = {FILES.url: server.url}
        error = await failure(FILES, session)
    assert said in str(error)
    assert len(str(error)) < 2_000
    assert server.told.sent < ON_THE_WAY_BYTES


@pytest.mark.parametrize("said_size", [b"8", b"x"])
async def test_a_file_of_two_gigabytes_is_given_up_and_holds_back_no_other(
    session: MemorySession, said_size: bytes
) -> None:
    facts = b"type=file;size=" + said_size + b";modify=20260301115900;"
    lines = [mlsd(b"endless.csv", facts), mlsd(b"good.csv")]
    files = {"endless.csv": two_gigabytes(), "good.csv": [NEWS.encode()]}
    async with FtpScript(listing=lines, files=files).running() as server:
        session.addresses = {FILES.url: server.url}
        seldom = replace(FILES, every=timedelta(hours=1))  # so that a held file stays held
        assert "more bytes than were listed" in str(await failure(seldom, session))
        await run_until(seldom, session, lambda: bool(session.landed))
    assert [message.context["url"] for message in session.landed] == ["ftp://files.test/good.csv"]
    assert server.told.sent < ON_THE_WAY_BYTES


async def test_a_hostile_ftp_server_stops_no_cancelled_feed(session: MemorySession) -> None:
    async with FtpScript(replies={"CWD": []}).running() as server:
        session.addresses = {FILES.url: server.url}
        running = asyncio.create_task(FILES.run(session))
        while not any(one.startswith("CWD") for one in server.commands):
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
