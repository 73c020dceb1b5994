"""Rounds of many requests or pages: what lands on the way, what is asked next, what is news."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from energy_platform.feeds import polling
from energy_platform.feeds.progress import Progress
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.market.provider import Provider
from tests.support.feeds import MemorySession
from tests.support.http_server import ScriptedServer, reply, scripted
from tests.support.running_feeds import failure, last_round, run_until


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("test", tmp_path, secrets={"TOKEN": "hush"})


def feed_of(server: ScriptedServer, *pages: str) -> RestFeed:
    asked = [RestRequest(url=server.url, params={"page": page}) for page in pages]
    return RestFeed(
        provider=Provider(name="Test"),
        requests=lambda _start, _end: asked,
        every=timedelta(seconds=0.05),
        span=timedelta(hours=1),
        history_chunk=timedelta(hours=1),
        secret_params={"key": "TOKEN"},
    )


def next_page(request: RestRequest, body: bytes) -> RestRequest | None:
    page = str(int(request.params["page"]) + 1)
    return replace(request, params={"page": page}) if body.startswith(b"more") else None


async def test_pages_are_asked_for_until_the_last(session: MemorySession) -> None:
    answers = [reply(b"more 1"), reply(b"more 2"), reply(b"end"), reply(b"end")]
    async with scripted(*answers) as server:
        feed = replace(feed_of(server, "1"), following=next_page)
        await run_until(feed, session, lambda: len(session.landed) >= 3)
        asked = [request.split(" ")[1] for request in server.requests[:3]]
    assert [message.body for message in session.landed] == [b"more 1", b"more 2", b"end"]
    assert asked == [f"/?page={page}&key=hush" for page in (1, 2, 3)]
    assert [message.context["page"] for message in session.landed] == ["1", "2", "3"]


async def test_history_comes_page_by_page_too(session: MemorySession) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    async with scripted(reply(b"more 1"), reply(b"end")) as server:
        feed = replace(feed_of(server, "1"), following=next_page)
        async with feed.history(session, start, start + timedelta(hours=1)) as (chunk,):
            messages = await chunk.fetch()
    assert [message.body for message in messages] == [b"more 1", b"end"]


async def test_a_body_that_only_looks_new_does_not_land_again(session: MemorySession) -> None:
    answers = [reply(b"one@1"), reply(b"one@2"), reply(b"one@3"), reply(b"two@4")]
    async with scripted(*answers) as server:
        feed = replace(feed_of(server, "1"), essence=lambda body: body.partition(b"@")[0])
        await run_until(feed, session, lambda: len(session.landed) >= 2)
    assert [message.body for message in session.landed] == [b"one@1", b"two@4"]


def pages_asked(server: ScriptedServer) -> list[str]:
    """Return the `page` of every request so far."""
    return [request.split("page=")[1].split("&")[0] for request in server.requests]


def restarted(session: MemorySession) -> MemorySession:
    """Return the session of a feed that is started again after a blow."""
    return replace(session, landed=[])


async def test_a_killed_feed_goes_on_with_the_requests_that_were_not_answered(
    session: MemorySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_LANDS_AFTER_SECONDS", 0.0)
    async with scripted(reply(b"first"), reply(b"second"), None, reply(b"the rest")) as server:
        feed = replace(feed_of(server, "1", "2", "3", "4"), every=timedelta(hours=1))
        await run_until(feed, session, lambda: len(server.requests) == 3)
        assert [message.body for message in session.landed] == [b"first", b"second"]
        killed_at, again = datetime.now(UTC), restarted(session)
        await run_until(feed, again, lambda: last_round(again) is not None)
        assert pages_asked(server) == ["1", "2", "3", "3", "4"]
    assert len(again.landed) == 2
    reached = Progress.from_cursor(again.cursor).reached
    assert reached is not None
    assert reached < killed_at, "the window ends when its first request was sent"


async def test_a_round_that_was_broken_off_long_ago_is_begun_anew(
    session: MemorySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_LANDS_AFTER_SECONDS", 0.0)
    async with scripted(reply(b"first"), None, reply(b"first"), reply(b"second")) as server:
        feed = feed_of(server, "1", "2")
        await run_until(feed, session, lambda: len(server.requests) == 2)
        await asyncio.sleep(feed.every.total_seconds())
        again = restarted(session)
        await run_until(feed, again, lambda: bool(again.landed))
        assert pages_asked(server)[:4] == ["1", "2", "1", "2"]
    assert again.landed[0].body == b"second"


async def test_a_refusal_breaks_a_round_off_and_the_next_attempt_goes_on(
    session: MemorySession,
) -> None:
    refused = reply(b"", status="429 Too Many Requests", Retry_After="1")
    async with scripted(reply(b"first"), refused, reply(b"second")) as server:
        feed = replace(feed_of(server, "1", "2"), every=timedelta(hours=1))
        await failure(feed, session)
        await run_until(feed, session, lambda: len(session.landed) == 2)
        assert pages_asked(server) == ["1", "2", "2"]


async def test_pages_of_an_answer_that_breaks_off_are_all_asked_for_again(
    session: MemorySession,
) -> None:
    first = reply(b"more 1", ETag='"abc"')
    unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n"
    answers = [first, reply(b"", status="500 Oh"), first, reply(b"end"), unchanged]
    async with scripted(*answers) as server:
        feed = replace(feed_of(server, "1"), following=next_page)
        await failure(feed, session)
        await run_until(feed, session, lambda: len(server.requests) >= 5)
        assert pages_asked(server)[:5] == ["1", "2", "1", "2", "1"]
        conditional = ["If-None-Match" in request for request in server.requests[:5]]
    assert conditional == [False, False, False, False, True]
    assert [message.body for message in session.landed] == [b"more 1", b"end"]


async def test_a_restarted_feed_waits_until_its_next_round_is_due(session: MemorySession) -> None:
    async with scripted(reply(b"one")) as server:
        feed = replace(feed_of(server, "1"), every=timedelta(seconds=2))
        await run_until(feed, session, lambda: last_round(session) is not None)
        again = restarted(session)
        await run_until(feed, again, lambda: len(server.requests) == 2)
    began_at = last_round(session)
    assert began_at is not None
    assert datetime.now(UTC) >= began_at + feed.every


async def test_a_restarted_feed_asks_at_once_what_has_never_been_asked(
    session: MemorySession,
) -> None:
    async with scripted(reply(b"one")) as server:
        feed = replace(feed_of(server, "1"), every=timedelta(hours=1))
        await run_until(feed, session, lambda: last_round(session) is not None)
        more = replace(feed_of(server, "1", "2"), every=timedelta(hours=1))
        await run_until(more, restarted(session), lambda: len(server.requests) == 3)
        assert pages_asked(server) == ["1", "1", "2"]


async def test_no_log_line_shows_a_secret_parameter(
    session: MemorySession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(reply(b"one")) as server:
        await run_until(feed_of(server, "1"), session, lambda: bool(session.landed))
    assert any("HTTP Request: GET 127.0.0.1/" in line for line in caplog.messages)
    assert "hush" not in caplog.text
