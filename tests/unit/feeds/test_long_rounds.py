"""Rounds of many requests or pages: what lands on the way, what is asked next, what is news."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from energy_platform.feeds import polling
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.provider import Provider
from tests.support.feeds import MemorySession
from tests.support.http_server import ScriptedServer, reply, scripted
from tests.support.running_feeds import run_until


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


async def test_a_long_round_lands_before_its_end_and_keeps_the_cursor(
    session: MemorySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_LANDS_AFTER_SECONDS", 0.0)
    async with scripted(reply(b"first"), None) as server:
        await run_until(
            feed_of(server, "1", "2"), session, lambda: bool(session.landed), seconds=10.0
        )
        await asyncio.sleep(0)
    assert [message.body for message in session.landed] == [b"first"]
    assert session.cursor is None, "the window has not been asked for to its end"


async def test_no_log_line_shows_a_secret_parameter(
    session: MemorySession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(reply(b"one")) as server:
        await run_until(feed_of(server, "1"), session, lambda: bool(session.landed))
    assert any("HTTP Request: GET 127.0.0.1/" in line for line in caplog.messages)
    assert "hush" not in caplog.text
