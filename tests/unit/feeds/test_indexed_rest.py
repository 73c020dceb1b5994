"""Files that only an index can name, on real sockets."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from energy_platform.feeds.indexed_rest import IndexedRequest, IndexedRestFeed, weekly
from energy_platform.feeds.progress import Progress
from energy_platform.formats import smard
from energy_platform.market.provider import Provider
from tests.support.feeds import MemorySession
from tests.support.http_server import ScriptedServer, reply, scripted
from tests.support.running_feeds import failure, run_until

MONDAY = datetime(2026, 6, 7, 22, tzinfo=UTC)
THURSDAY = MONDAY + timedelta(days=3, hours=12)
WEEK = timedelta(days=7)
NOT_FOUND = reply(b"<h1>404</h1>", status="404 Not Found")


def index_of(*weeks: datetime) -> bytes:
    return reply(json.dumps({"timestamps": [int(w.timestamp() * 1000) for w in weeks]}).encode())


def a_feed(server: ScriptedServer, *instants: datetime, **changes: Any) -> IndexedRestFeed:
    requests = [
        IndexedRequest(
            index_url=f"{server.url}/index.json", url=f"{server.url}/{{name}}.json", holds=instant
        )
        for instant in instants
    ]
    values: dict[str, Any] = {
        "provider": Provider(name="Test"),
        "requests": lambda _start, _end: requests,
        "index": smard.index,
        "length": smard.LONGEST_FILE,
        "every": timedelta(seconds=0.2),
        "span": timedelta(hours=1),
    }
    return IndexedRestFeed(**values | changes)


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("test", tmp_path)


async def test_the_file_that_holds_an_instant_is_asked_for_by_the_indexs_name(
    session: MemorySession,
) -> None:
    listed = index_of(MONDAY - WEEK, MONDAY, MONDAY + WEEK)
    async with scripted(listed, reply(b"{}")) as server:
        await run_until(a_feed(server, THURSDAY), session, lambda: bool(session.landed))
    paths = [head.split()[1] for head in server.requests]
    assert paths == ["/index.json", f"/{int(MONDAY.timestamp() * 1000)}.json"]
    assert session.landed[0].context["url"].endswith(paths[1])


async def test_files_of_one_index_share_a_look_at_it(session: MemorySession) -> None:
    listed = index_of(MONDAY - WEEK, MONDAY)
    async with scripted(listed, reply(b"1"), reply(b"2")) as server:
        feed = a_feed(server, THURSDAY - WEEK, THURSDAY, every=timedelta(seconds=60))
        await run_until(feed, session, lambda: len(session.landed) == 2)
    assert [head.split()[1].endswith("index.json") for head in server.requests] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([index_of(MONDAY - WEEK)], id="the index runs behind"),
        pytest.param([index_of(MONDAY, MONDAY + WEEK), NOT_FOUND], id="the index runs ahead"),
        pytest.param([index_of(MONDAY - 60 * WEEK, MONDAY + WEEK)], id="the index has a gap"),
        pytest.param([index_of()], id="the index lists nothing"),
        pytest.param([NOT_FOUND], id="there is no index"),
    ],
)
async def test_what_is_not_there_yet_is_no_failure(
    session: MemorySession, replies: list[bytes]
) -> None:
    async with scripted(*replies) as server:
        await run_until(a_feed(server, THURSDAY), session, lambda: session.cursor is not None)
    assert session.landed == []


async def test_a_week_that_is_listed_later_is_found(session: MemorySession) -> None:
    behind, there = index_of(MONDAY - WEEK), index_of(MONDAY - WEEK, MONDAY)
    async with scripted(behind, there, reply(b"{}")) as server:
        await run_until(a_feed(server, THURSDAY), session, lambda: bool(session.landed))
    assert session.landed[0].context["url"].endswith(f"/{int(MONDAY.timestamp() * 1000)}.json")


async def test_what_is_no_index_is_a_failure_that_says_so(session: MemorySession) -> None:
    async with scripted(reply(b"<html>Wartungsarbeiten</html>")) as server:
        await failure(a_feed(server, THURSDAY), session)
        error = await failure(a_feed(server, THURSDAY), session)
    assert "/index.json is no index: the reply is not JSON" in str(error)
    assert [one.body for one in session.landed] == [b"<html>Wartungsarbeiten</html>"], "once"
    progress = Progress.from_cursor(session.cursor)
    assert progress.round is not None, "the window is asked for again"
    assert progress.round.answered == {}


@pytest.mark.parametrize(
    ("start", "end", "weeks"),
    [
        (MONDAY, MONDAY, 1),
        (MONDAY - timedelta(seconds=1), MONDAY, 2),
        (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC), 2),
        (datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 3, 29, 21, 59, tzinfo=UTC), 1),
    ],
)
def test_each_local_week_is_one_question(start: datetime, end: datetime, weeks: int) -> None:
    assert len(list(weekly("index", "{name}", start, end, "Europe/Berlin"))) == weeks


def test_a_week_is_the_same_question_from_any_window() -> None:
    ask = partial(weekly, "index", "{name}", zone="Europe/Berlin")
    days = [MONDAY + timedelta(days=number) for number in range(7)]
    keys = {request.key for day in days for request in ask(start=day, end=day)}
    assert len(keys) == 1
