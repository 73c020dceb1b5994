"""A backfill asks once for each chunk, whatever happens on the way."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from energy_platform.errors import CommitConflictError, FeedError, RefusedError, UsageError
from energy_platform.ingest.backfill import (
    Backfiller,
    BackfillRecord,
    BackfillReport,
    BackfillWindow,
    catch_up,
    stored_rows,
)
from energy_platform.market.feed import (
    FeedSession,
    HistoryChunk,
    UnfitAnswerError,
    WireProtocol,
)
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import Markets, Settings, StatePlace
from energy_platform.storage.landing import LandingZone
from tests.support.sources import EXAMPLE, NoFeed, example_message
from tests.support.stores import batches_in, quarantined, stored

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=5)
CHUNKS = ["a", "b", "c", "d", "e"]


@dataclass
class Provider:
    """What a scripted provider was asked, and what it does of it.

    Attributes:
        trouble: What it raises for a chunk, the first first; then it answers.
        always: What it raises for a chunk, for ever.
    """

    asked: list[str] = field(default_factory=list)
    opened: int = 0
    trouble: dict[str, list[BaseException]] = field(default_factory=dict)
    always: dict[str, BaseException] = field(default_factory=dict)
    answer: Callable[[str], Sequence[RawMessage]] = lambda key: [
        example_message([("CZ", 10 * CHUNKS.index(key) + number, 1.0) for number in range(3)])
    ]

    async def fetch(self, key: str) -> Sequence[RawMessage]:
        self.asked.append(key)
        if key in self.always:
            raise self.always[key]
        if self.trouble.get(key):
            raise self.trouble[key].pop(0)
        return self.answer(key)


@dataclass(frozen=True)
class ScriptedFeed:
    """A feed with a past of five chunks."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    provider: Provider
    keeps_history: bool = True

    async def run(self, session: FeedSession) -> None:
        raise AssertionError("a backfill runs no feed")

    @asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        assert (start, end) == (START, END)
        self.provider.opened += 1
        if "open" in self.provider.always:
            raise self.provider.always["open"]
        yield [HistoryChunk(key=key, fetch=partial(self.provider.fetch, key)) for key in CHUNKS]


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def window(provider: Provider) -> BackfillWindow:
    return a_window(replace(EXAMPLE, feed=ScriptedFeed(provider)))


def a_window(source: MarketSource, start: datetime = START, end: datetime = END) -> BackfillWindow:
    return BackfillWindow(source=source, start=start, end=end)


@pytest.fixture
def batches(home: Path) -> MicroBatches:
    return batches_in(home)


Run = Callable[[], Any]


@pytest.fixture
def run(home: Path, window: BackfillWindow, batches: MicroBatches) -> Run:
    return lambda: Backfiller(window, Settings(home=home), batches.landing).run()


def landed(zone: LandingZone) -> list[bytes]:
    log = zone.log(EXAMPLE.name)
    return [message.body for message in log.read(0, log.end_offset())]


async def test_every_chunk_lands_once_and_a_finished_window_is_left_alone(
    run: Run, provider: Provider, batches: MicroBatches
) -> None:
    report = await run()
    assert provider.asked == CHUNKS
    assert (report.chunks, report.landed, report.earlier, report.messages) == (5, 5, 0, 5)
    assert report.is_complete
    again = await run()
    assert (again.chunks, again.landed, again.earlier, again.is_complete) == (5, 5, 5, True)
    assert again.offsets == report.offsets
    assert (provider.asked, provider.opened) == (CHUNKS, 1)
    assert len(landed(batches.landing)) == 5


async def test_an_interrupted_backfill_goes_on_where_it_was(
    run: Run, provider: Provider, batches: MicroBatches
) -> None:
    provider.trouble["c"] = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await run()
    assert provider.asked == ["a", "b", "c"]
    report = await run()
    assert provider.asked == ["a", "b", "c", "c", "d", "e"]
    assert (report.earlier, report.landed) == (2, 5)
    assert len(set(landed(batches.landing))) == len(landed(batches.landing)) == 5


async def test_chunks_with_nothing_in_them_are_done_and_counted(
    run: Run, provider: Provider, batches: MicroBatches
) -> None:
    provider.answer = lambda _: []
    report = await run()
    assert (report.landed, report.empty, report.messages, report.is_complete) == (5, 5, 0, True)
    assert landed(batches.landing) == []


async def test_a_chunk_that_fails_is_tried_again_after_a_pause(
    run: Run, provider: Provider, pauses: list[float]
) -> None:
    provider.trouble["b"] = [FeedError("cut"), FeedError("busy", retry_after_seconds=600)]
    report = await run()
    assert report.is_complete
    assert pauses == [2, 600]
    assert Counter(provider.asked) == {"a": 1, "b": 3, "c": 1, "d": 1, "e": 1}
    assert provider.opened == 3  # on a new connection each time


async def test_a_chunk_that_keeps_failing_is_left_for_the_next_run(
    run: Run, provider: Provider, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    provider.always["b"] = FeedError("no such day")
    report = await run()
    assert (report.landed, report.left, report.is_complete) == (4, {"b": "no such day"}, False)
    assert pauses == [2, 4, 8, 16]
    assert "b is left: no such day" in caplog.text
    provider.always.clear()
    provider.asked.clear()
    assert (await run()).is_complete
    assert provider.asked == ["b"]


async def test_a_provider_that_is_away_is_not_asked_for_all_of_it(
    run: Run, provider: Provider, pauses: list[float]
) -> None:
    provider.always = dict.fromkeys(CHUNKS[1:], FeedError("no route"))
    report = await run()
    assert (report.chunks, report.landed) == (5, 1)
    assert list(report.left) == ["b", "c", "d", "e"]
    assert not report.is_complete
    assert len(provider.asked) == 8, "once what lands, and seven times in a row in vain"


@pytest.mark.parametrize("refused", [["a", "b", "c", "d"], ["b", "c", "d"], ["e"]])
async def test_refused_chunks_are_named_and_hold_no_other_up(
    run: Run, provider: Provider, pauses: list[float], refused: list[str]
) -> None:
    provider.always = dict.fromkeys(refused, RefusedError("answered 400: not valid"))
    report = await run()
    assert provider.asked == CHUNKS, "a refusal is not asked for again at once"
    assert pauses == []
    assert report.left == dict.fromkeys(refused, "answered 400: not valid")
    assert (report.chunks, report.landed) == (5, 5 - len(refused))
    provider.asked.clear()
    again = await run()
    assert provider.asked == refused
    assert (again.landed, list(again.left), again.is_complete) == (5 - len(refused), refused, False)
    provider.always.clear()
    assert (await run()).is_complete


async def test_chunks_that_fail_in_a_row_hold_no_other_up(
    run: Run, provider: Provider, pauses: list[float]
) -> None:
    provider.always = dict.fromkeys(["a", "b", "c"], FeedError("answered 500"))
    report = await run()
    assert (report.landed, list(report.left)) == (2, ["a", "b", "c"])
    assert {"d", "e"} <= set(provider.asked)


async def test_a_page_is_no_chunk_it_is_tried_again_and_kept_once(
    run: Run, provider: Provider, pauses: list[float], batches: MicroBatches
) -> None:
    page = example_message(b"<html>Back soon</html>")
    provider.always = {"c": UnfitAnswerError("sent no answer", page)}
    provider.trouble = {"d": [UnfitAnswerError("sent no answer", page)]}
    report = await run()
    assert Counter(provider.asked) == {"a": 1, "b": 1, "c": 5, "d": 2, "e": 1}
    assert pauses == [2, 4, 8, 16]
    assert (report.landed, report.left) == (4, {"c": "sent no answer"})
    assert landed(batches.landing).count(page.body) == 2, "for each chunk once"
    again = await run()
    assert landed(batches.landing).count(page.body) == 2
    assert not again.is_complete
    catch_up(batches, EXAMPLE, again.stop)
    assert stored_rows(batches, EXAMPLE, [*again.offsets, *again.set_aside]) == (12, 2)
    provider.always.clear()
    assert (await run()).is_complete


async def test_a_history_that_cannot_be_opened_is_an_error(
    run: Run, provider: Provider, pauses: list[float]
) -> None:
    provider.always["open"] = FeedError("no route")
    with pytest.raises(FeedError, match="no route"):
        await run()
    assert (provider.opened, pauses) == (5, [2, 4, 8, 16])


async def test_a_fault_of_our_own_is_logged_with_its_traceback_and_left(
    run: Run, provider: Provider, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    provider.always["b"] = ZeroDivisionError("one")
    report = await run()
    assert report.left == {"b": "ZeroDivisionError: one"}
    errors = [one for one in caplog.records if one.levelno == logging.ERROR and one.exc_info]
    assert len(errors) == 5


async def test_a_landing_zone_that_fails_ends_the_run(
    run: Run, batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("energy_platform.storage.landing.LandingGuest.append", fails)
    with pytest.raises(OSError, match="disk full"):
        await run()


async def test_the_collectors_cursor_is_left_as_it_is(run: Run, batches: MicroBatches) -> None:
    owner = batches.landing.writer(EXAMPLE.name)
    owner.append([example_message([])], "mine")
    await run()
    assert owner.append([example_message([])], None) == range(6, 7)
    assert batches.landing.writer(EXAMPLE.name).cursor == "mine"


async def test_one_backfill_of_a_source_at_a_time(
    run: Run, window: BackfillWindow, home: Path
) -> None:
    with (
        BackfillRecord(StatePlace(home)).held(window),
        pytest.raises(UsageError, match="a backfill of example_price is running"),
    ):
        await run()
    assert (await run()).is_complete


async def test_a_forgotten_window_is_asked_for_anew(
    run: Run, window: BackfillWindow, provider: Provider, home: Path, batches: MicroBatches
) -> None:
    await run()
    record = BackfillRecord(StatePlace(home))
    record.forget(window)
    assert not record.is_finished(window)
    report = await run()
    assert (report.earlier, provider.asked) == (0, CHUNKS * 2)
    catch_up(batches, EXAMPLE, report.stop)
    # The same answers say nothing new.
    assert stored(batches).height == 15
    assert stored_rows(batches, EXAMPLE, report.offsets) == (0, 0)


async def test_progress_is_told(
    window: BackfillWindow, provider: Provider, home: Path, batches: MicroBatches
) -> None:
    told: list[tuple[int, int]] = []
    backfiller = Backfiller(
        window, Settings(home=home), batches.landing, lambda done, of: told.append((done, of))
    )
    await backfiller.run()
    assert told == [(number, 5) for number in range(6)]


async def test_rows_and_failures_are_counted_by_where_they_landed(
    run: Run, provider: Provider, batches: MicroBatches
) -> None:
    owner = batches.landing.writer(EXAMPLE.name)
    owner.append([example_message([("DE-LU", 0, 1.0)])], "mine")
    answer = provider.answer
    provider.answer = lambda key: [example_message(b"garbage")] if key == "c" else answer(key)
    report: BackfillReport = await run()
    assert report.stop == 6
    catch_up(batches, EXAMPLE, report.stop)
    assert stored_rows(batches, EXAMPLE, report.offsets) == (12, 1)
    assert (stored(batches).height, quarantined(batches).height) == (13, 1)


async def test_rows_come_of_it_whoever_else_runs_micro_batches(
    run: Run, batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await run()
    conflicts = [CommitConflictError("another was first")] * 2
    once = MicroBatches.run

    def loses_at_first(self: MicroBatches, source: MarketSource) -> object:
        if conflicts:
            raise conflicts.pop()
        return once(self, source)

    monkeypatch.setattr(MicroBatches, "run", loses_at_first)
    catch_up(batches, EXAMPLE, report.stop)
    assert stored(batches).height == 15


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (END, START, "starts before it ends"),
        (START, START, "starts before it ends"),
        (START, datetime(2100, 1, 1, tzinfo=UTC), "history ends now"),
    ],
)
def test_a_window_that_is_none_is_refused(
    window: BackfillWindow, home: Path, start: datetime, end: datetime, why: str
) -> None:
    asked = a_window(window.source, start, end)
    with pytest.raises(UsageError, match=why):
        asked.feed(Settings(home=home), datetime.now(UTC))


def test_a_source_without_history_is_refused(home: Path, provider: Provider) -> None:
    now = datetime.now(UTC)
    for feed in (NoFeed(), ScriptedFeed(provider, keeps_history=False)):
        window = a_window(replace(EXAMPLE, feed=feed))
        with pytest.raises(UsageError, match="Example serves no history by this feed"):
            window.feed(Settings(home=home), now)


def test_a_source_whose_environment_lacks_something_is_refused(
    home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXAMPLE_TOKEN", raising=False)
    source = replace(EXAMPLE, feed=ScriptedFeed(provider), required_environment=("EXAMPLE_TOKEN",))
    live = Settings(home=home, markets=Markets.LIVE)
    with pytest.raises(UsageError, match="example_price needs EXAMPLE_TOKEN"):
        a_window(source).feed(live, datetime.now(UTC))
