"""A source's feed is run for ever: through failures, other writers and restarts."""

import asyncio
import logging
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from energy_platform.errors import FeedError, FencedError, RefusedError
from energy_platform.feeds.questions import PollRequest
from energy_platform.ingest.collector import source_task
from energy_platform.ingest.collector.service import collect, feed_statuses
from energy_platform.ingest.collector.source_task import FeedState, SourceTask
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.session import SIMULATED_SECRET, missing_environment
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.settings import Markets, Settings, StatePlace
from energy_platform.storage.landing import LandingLog, LandingZone
from tests.support.asked_feeds import AnsweredFeed, zones
from tests.support.sources import EXAMPLE, NOON


@dataclass(frozen=True)
class ScriptedFeed:
    """A feed that does what a test says."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    script: Callable[[FeedSession], Awaitable[None]]

    async def run(self, session: FeedSession) -> None:
        await self.script(session)


def example(script: Callable[[FeedSession], Awaitable[None]]) -> MarketSource:
    return replace(EXAMPLE, feed=ScriptedFeed(script))


def message(body: bytes = b"[]") -> RawMessage:
    return RawMessage(body=body, received_at=NOON)


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, linger_seconds=0)


@pytest.fixture
def zone(settings: Settings) -> LandingZone:
    return LandingZone.open(settings.landing_url)


@asynccontextmanager
async def running(
    source: MarketSource, settings: Settings, zone: LandingZone
) -> AsyncIterator[SourceTask]:
    job = SourceTask(source, settings, zone, ProviderLimits(settings.state))
    task = asyncio.create_task(job.run())
    try:
        yield job
    finally:
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError), outcome


async def run_with(session_holder: Callable[[FeedSession], None], settings: Settings) -> None:
    """Run a feed that shows its session, and end."""
    shown = asyncio.Event()

    async def show(session: FeedSession) -> None:
        session_holder(session)
        shown.set()
        await for_ever()

    async with running(example(show), settings, LandingZone.open(settings.landing_url)):
        await shown.wait()


def state(job: SourceTask) -> FeedState:
    """Return the state as it is now, whatever it was a moment ago."""
    return job.status.state


def landed(zone: LandingZone) -> list[bytes]:
    log = zone.log(EXAMPLE.name)
    return [one.body for one in log.read(0, log.end_offset())]


async def test_a_feed_lands_and_its_status_says_so(settings: Settings, zone: LandingZone) -> None:
    done = asyncio.Event()
    cursors: list[str | None] = []

    async def feed(session: FeedSession) -> None:
        cursors.append(session.cursor)
        assert session.state_directory.is_dir()
        await session.land([message(b"a"), message(b"b")], cursor="2")
        cursors.append(session.cursor)
        done.set()
        await for_ever()

    async with running(example(feed), settings, zone) as job:
        assert state(job) is FeedState.STARTING
        await done.wait()
        assert (state(job), job.status.landed_messages) == (FeedState.RUNNING, 2)
    assert cursors == [None, "2"]
    assert landed(zone) == [b"a", b"b"]


async def test_a_feed_goes_on_from_its_cursor(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    cursors: list[str | None] = []
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        cursors.append(session.cursor)
        if len(cursors) == 3:
            done.set()
            await for_ever()
        await session.land([message()], cursor=str(len(cursors)))
        raise FeedError("cut")

    async with running(example(feed), settings, zone):
        await done.wait()
    assert cursors == [None, "1", "2"]


async def test_pauses_of_other_threads_are_none_of_the_tests(pauses: list[float]) -> None:
    def elsewhere() -> None:
        asyncio.run(asyncio.sleep(0.01))

    await asyncio.to_thread(elsewhere)
    assert pauses == []
    await asyncio.sleep(0.01)
    assert pauses == [0.01]


async def test_pauses_double_up_to_a_minute(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        if len(pauses) == 8:
            done.set()
            await for_ever()
        raise FeedError("no route")

    async with running(example(feed), settings, zone) as job:
        await done.wait()
        assert state(job) is FeedState.STARTING
        assert (job.status.detail, job.status.failures) == ("FeedError: no route", 8)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_feed_that_waits_for_its_next_try_is_backing_off(
    settings: Settings, zone: LandingZone
) -> None:
    async def feed(_: FeedSession) -> None:
        raise FeedError("no route", retry_after_seconds=600)

    async with running(example(feed), settings, zone) as job, asyncio.timeout(60):
        while state(job) is not FeedState.BACKING_OFF:
            await asyncio.sleep(0.01)
        assert (job.status.detail, job.status.failures) == ("FeedError: no route", 1)


async def test_an_outage_of_days_does_not_end_the_retries(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        if len(pauses) == 2:
            done.set()
            await for_ever()
        raise FeedError("no route")

    async with running(example(feed), settings, zone) as job:
        job.status.failures = 5_000
        await done.wait()
    assert pauses == [60, 60]


async def test_a_landing_zone_that_fails_while_a_fenced_feed_waits_does_not_end_it(
    settings: Settings, zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_task, "_QUIET_SECONDS", 0.1)
    monkeypatch.setattr(random, "uniform", lambda *_: 0.1)
    runs, again = 0, asyncio.Event()

    async def feed(session: FeedSession) -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            again.set()
            await for_ever()
        raise FencedError("another writer")

    def fails(_: object) -> int:
        raise OSError("the bucket is out of reach")

    monkeypatch.setattr(LandingLog, "end_offset", fails)
    async with running(example(feed), settings, zone):
        await asyncio.wait_for(again.wait(), 60)


async def test_a_landing_ends_a_row_of_failures(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        if len(pauses) == 2:
            await session.land([message()])
        if len(pauses) == 3:
            done.set()
            await for_ever()
        raise FeedError("no route")

    async with running(example(feed), settings, zone):
        await done.wait()
    assert pauses == [2, 4, 2]


async def test_a_provider_that_says_how_long_is_left_alone_as_long(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    done = asyncio.Event()
    asked = iter([600.0, 0.5])

    async def feed(session: FeedSession) -> None:
        if len(pauses) == 2:
            done.set()
            await for_ever()
        raise FeedError("429", retry_after_seconds=next(asked))

    async with running(example(feed), settings, zone):
        await done.wait()
    assert pauses == [600, 4]


async def test_a_fault_of_our_own_is_logged_with_its_traceback(
    settings: Settings, zone: LandingZone, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        if pauses:
            done.set()
            await for_ever()
        raise ZeroDivisionError("one\nand another line")

    async with running(example(feed), settings, zone) as job:
        await done.wait()
        assert job.status.detail == "ZeroDivisionError: one"
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert EXAMPLE.name in record.getMessage()


async def test_a_feed_that_ends_is_started_again(
    settings: Settings, zone: LandingZone, pauses: list[float]
) -> None:
    runs = 0
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            done.set()
            await for_ever()

    async with running(example(feed), settings, zone) as job:
        await done.wait()
        assert job.status.detail == "FeedError: the feed ended"


async def test_a_landing_zone_that_fails_restarts_the_feed(
    settings: Settings, zone: LandingZone, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [OSError("disk full")]
    create = LandingZone.writer
    done = asyncio.Event()

    def writer(self: LandingZone, name: str, **_: int) -> object:
        if broken:
            raise broken.pop()
        return create(self, name)

    monkeypatch.setattr(LandingZone, "writer", writer)

    async def feed(session: FeedSession) -> None:
        await session.land([message(b"a")])
        done.set()
        await for_ever()

    async with running(example(feed), settings, zone):
        await done.wait()
    assert pauses == [2]
    assert landed(zone) == [b"a"]


async def test_a_fenced_feed_waits_until_the_log_is_quiet_and_takes_it_back(
    settings: Settings, zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_task, "_QUIET_SECONDS", 0.5)
    begun, landed_again = asyncio.Event(), asyncio.Event()
    runs = 0

    async def feed(session: FeedSession) -> None:
        nonlocal runs
        runs += 1
        await session.land([message(b"ours %d" % runs)])
        begun.set()
        if runs == 2:
            landed_again.set()
            await for_ever()
        while True:
            await asyncio.sleep(0.01)
            await session.land([message(b"ours %d" % runs)])

    async with running(example(feed), settings, zone) as job:
        await begun.wait()
        other = zone.writer(EXAMPLE.name)
        taken = 0
        while state(job) is not FeedState.FENCED:
            # Whoever comes second at an offset is fenced; try until it is the feed.
            try:
                other.append([message(b"theirs")], None)
                taken += 1
            except FencedError:
                other = zone.writer(EXAMPLE.name)
            await asyncio.sleep(0.005)
        for _ in range(5):
            other.append([message(b"theirs")], None)
            taken += 1
            assert state(job) is FeedState.FENCED
            await asyncio.sleep(0.02)
        assert "another writer" in job.status.detail
        await landed_again.wait()
        assert state(job) is FeedState.RUNNING
        assert job.status.detail == ""
    assert landed(zone).count(b"theirs") == taken
    assert landed(zone)[-1] == b"ours 2"


async def test_a_cancelled_source_leaves_no_task_behind(
    settings: Settings, zone: LandingZone
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def feed(session: FeedSession) -> None:
        begun.set()
        try:
            await for_ever()
        finally:
            ended.set()

    before = asyncio.all_tasks()
    async with running(example(feed), settings, zone):
        await begun.wait()
    assert ended.is_set()
    assert asyncio.all_tasks() == before


async def test_a_source_whose_environment_lacks_something_does_not_start(
    home: Path, zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_USER", "me")
    monkeypatch.setenv("EXAMPLE_PASSWORD", "")
    source = replace(EXAMPLE, required_environment=("EXAMPLE_USER", "EXAMPLE_PASSWORD"))
    live = Settings(home=home, markets=Markets.LIVE)
    job = SourceTask(source, live, zone, ProviderLimits(StatePlace(home)))
    # Its feed can't even be run, and isn't.
    await job.run()
    assert (state(job), job.status.detail) == (FeedState.NEEDS, "needs EXAMPLE_PASSWORD")
    assert missing_environment(source, Settings(home=home)) == []


async def test_a_simulated_market_never_reaches_the_real_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_PASSWORD", "hunter2")
    stand_ins = {"https://a.example": "http://127.0.0.1:1", "https://a.example/ws": "ws://b"}

    def look(session: FeedSession) -> None:
        assert session.address("https://a.example/prices?x=1") == "http://127.0.0.1:1/prices?x=1"
        assert session.address("https://a.example/ws/1") == "ws://b/1"
        with pytest.raises(FeedError, match=r"no stand-in for https://elsewhere\.example"):
            session.address("https://elsewhere.example/prices")
        assert session.secret("EXAMPLE_PASSWORD") == SIMULATED_SECRET

    await run_with(look, Settings(home=home, addresses=stand_ins))


async def test_a_live_market_is_reached_where_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_PASSWORD", "hunter2")
    monkeypatch.delenv("EXAMPLE_USER", raising=False)

    def look(session: FeedSession) -> None:
        assert session.address("https://a.example/x") == "https://a.example/x"
        assert session.address("https://b.example/x") == "http://proxy/x"
        assert session.secret("EXAMPLE_PASSWORD") == "hunter2"
        with pytest.raises(FeedError, match="needs EXAMPLE_USER"):
            session.secret("EXAMPLE_USER")

    proxied = {"https://b.example": "http://proxy"}
    await run_with(look, Settings(home=home, markets=Markets.LIVE, addresses=proxied))


async def test_collect_runs_all_tells_how_they_are_and_stops_when_told(
    settings: Settings, zone: LandingZone
) -> None:
    async def flows(session: FeedSession) -> None:
        await session.land([message(b"a")])
        await for_ever()

    async def fails(session: FeedSession) -> None:
        raise FeedError("no route")

    sources = [example(flows), replace(example(fails), name="example_failing")]
    assert feed_statuses(settings.state) == {}
    collecting = asyncio.create_task(collect(settings, sources))
    wanted = {"example_price": "running", "example_failing": "backing off"}
    while {name: one.state for name, one in feed_statuses(settings.state).items()} != wanted:
        assert not collecting.done()
        await asyncio.sleep(0.05)
    assert feed_statuses(settings.state)["example_failing"].detail == "FeedError: no route"
    os.kill(os.getpid(), signal.SIGTERM)
    await collecting
    assert landed(zone) == [b"a"]


async def test_questions_without_an_answer_are_told_of_a_feed_also_after_a_restart(
    settings: Settings, zone: LandingZone
) -> None:
    def answer(request: PollRequest) -> bytes:
        if "XK" in request.key:
            raise RefusedError("answered 400: not valid")
        return b"[]"

    feed = AnsweredFeed(
        provider=Provider(name="Test"),
        requests=zones("AT", "XK"),
        every=timedelta(hours=1),
        span=timedelta(hours=6),
        answerer=answer,
    )
    source = replace(EXAMPLE, feed=feed)
    for _ in range(2):
        async with running(source, settings, zone) as job, asyncio.timeout(60):
            while not job.status.unanswered:
                await asyncio.sleep(0.01)
            assert job.status.unanswered == {"zone=XK": "answered 400: not valid"}
            assert job.status.questions == 2
    assert len([key for key in feed.asked if "XK" in key]) == 1


async def test_a_status_that_cannot_be_written_stops_no_feed(
    settings: Settings, zone: LandingZone, caplog: pytest.LogCaptureFixture
) -> None:
    async def flows(session: FeedSession) -> None:
        await session.land([message(b"a")])
        await for_ever()

    (settings.home / "run").write_text("in the way")
    collecting = asyncio.create_task(collect(settings, [example(flows)]))
    while not landed(zone) or "status" not in caplog.text:
        assert not collecting.done()
        await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    await collecting


async def test_a_source_whose_task_breaks_ends_the_collector(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_: SourceTask, _tenure: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(SourceTask, "run", breaks)
    with pytest.RaisesGroup(
        pytest.RaisesExc(RuntimeError, match="a fault of ours"), flatten_subgroups=True
    ):
        await asyncio.wait_for(collect(settings, [EXAMPLE]), 60)


async def test_only_a_stream_waits_for_more_before_it_lands(
    home: Path, zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=home, linger_seconds=0.5)
    took: list[float] = []
    done = asyncio.Event()

    async def feed(session: FeedSession) -> None:
        began = asyncio.get_running_loop().time()
        await session.land([message()])
        took.append(asyncio.get_running_loop().time() - began)
        done.set()
        await for_ever()

    for protocol in (WireProtocol.WEBSOCKET, WireProtocol.REST):
        monkeypatch.setattr(ScriptedFeed, "protocol", protocol)
        done.clear()
        async with running(example(feed), settings, zone):
            await done.wait()
    assert took[0] >= 0.5
    assert took[1] < took[0]


def test_a_bucket_is_given_fewer_objects_than_a_folder(home: Path) -> None:
    assert Settings(home=home).linger == 0.2
    assert Settings(home=home, landing="gs://bucket/prefix").linger == 2.0
    assert Settings(home=home, landing="gs://bucket/prefix", linger_seconds=0.7).linger == 0.7
