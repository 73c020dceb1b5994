"""A question that is not answered holds back no other, is named, and catches up when it is."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from energy_platform.errors import FeedError, RefusedError, UnreachableError
from energy_platform.feeds.http import HttpReply, refuses, unusable
from energy_platform.feeds.polling import PollingFeed
from energy_platform.feeds.progress import Progress
from energy_platform.feeds.questions import PollRequest, questions
from energy_platform.feeds.rest import RestRequest
from energy_platform.market.feed import UnfitAnswerError
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from tests.support.asked_feeds import (
    START,
    AnsweredFeed,
    SteppedSession,
    asker,
    one_round,
    parameters,
    windows_of,
    zones,
)
from tests.support.running_feeds import run_until

EVERY = timedelta(minutes=5)
SPAN = timedelta(hours=6)
STEP = timedelta(hours=3)
ZONES = ("AT", "DE", "FR", "XK")


@dataclass
class Market:
    """Answers zone by zone; a zone in `trouble` gets its error."""

    trouble: dict[str, Callable[[], Exception]] = field(default_factory=dict)

    def answer(self, request: PollRequest) -> bytes:
        zone = parameters(request.key)["zone"]
        if zone in self.trouble:
            error = self.trouble[zone]()
            raise error
        return request.key.encode()


def refused() -> Exception:
    return RefusedError("answered 400: not valid")


def broken() -> Exception:
    return FeedError("answered 500")


def page() -> Exception:
    came = RawMessage(body=b"<html>Back soon</html>", received_at=START)
    return UnfitAnswerError("sent no answer", came)


def feed_of(market: Market, *names: str, **changes: Any) -> AnsweredFeed:
    values: dict[str, Any] = {
        "provider": Provider(name="Test"),
        "requests": zones(*(names or ZONES)),
        "every": EVERY,
        "span": SPAN,
        "answerer": market.answer,
    }
    return AnsweredFeed(**values | changes)


async def live(
    feed: AnsweredFeed, session: SteppedSession, rounds: int, step: timedelta = STEP
) -> list[FeedError | None]:
    """Run a feed round by round; every round is a restart."""
    errors = []
    for _ in range(rounds):
        errors.append(await one_round(feed, session))
        session.at += step
    return errors


def has_all(feed: AnsweredFeed, zone: str, since: datetime, until: datetime) -> bool:
    """Say whether a zone's windows, laid side by side, leave no hole."""
    windows = sorted(windows_of(feed, zone))
    reached = [max(end for _, end in windows[: number + 1]) for number in range(len(windows))]
    whole = all(start <= end for end, (start, _) in zip(reached, windows[1:], strict=False))
    return whole and windows[0][0] <= since and max(reached) >= until


@pytest.mark.parametrize("refused_zones", [("XK",), ("AT",), ("AT", "DE", "XK")])
@pytest.mark.parametrize("from_round", [0, 3])
async def test_the_windows_of_those_that_are_answered_go_on(
    refused_zones: tuple[str, ...], from_round: int
) -> None:
    market, session = Market(), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, from_round)
    market.trouble = dict.fromkeys(refused_zones, refused)
    errors = await live(feed, session, 8 - from_round)
    last = session.at - STEP
    assert errors == [None] * len(errors), "a refusal is no outage"
    for zone in set(ZONES) - set(refused_zones):
        assert windows_of(feed, zone)[-1][1] == last
        assert has_all(feed, zone, START - SPAN, last)
    told = feed.unanswered(session.cursor)
    assert told.asked == len(ZONES)
    assert told.reasons == {f"zone={zone}": "answered 400: not valid" for zone in refused_zones}


async def test_a_refused_question_is_asked_again_ever_more_slowly() -> None:
    market, session = Market({"XK": refused}), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 61, step=EVERY)
    asked_at = [end for _, end in windows_of(feed, "XK")]
    assert [(later - sooner) // EVERY for sooner, later in pairwise(asked_at)] == [
        *(2, 4, 8),
        *(12, 12, 12),
    ]
    assert len(windows_of(feed, "AT")) == 61


async def test_in_a_market_that_stands_still_it_is_asked_again_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market, session = Market({"XK": refused}), SteppedSession()
    monkeypatch.setattr(session, "wall_seconds", lambda _time: 0.01, raising=False)
    feed = feed_of(market)
    await run_until(feed, session, lambda: len(windows_of(feed, "XK")) == 3)  # type: ignore[arg-type]
    assert 6 <= len(windows_of(feed, "AT")) <= 8


@pytest.mark.parametrize("zone", ["AT", "XK"])
async def test_a_question_that_is_answered_again_catches_up_from_where_it_stood(zone: str) -> None:
    market, session = Market(), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 2)
    market.trouble[zone] = refused
    await live(feed, session, 20)
    market.trouble.clear()
    feed.asked.clear()
    stood = START + STEP
    await live(feed, session, 1)
    assert has_all(feed, zone, stood, session.at - STEP), "in one round, by windows of a span"
    assert all(end - start <= SPAN for start, end in windows_of(feed, zone))
    assert feed.unanswered(session.cursor).reasons == {}
    await live(feed, session, 1)
    assert len(windows_of(feed, zone)) - len(windows_of(feed, "DE")) == 60 // 6 - 0
    assert Progress.from_cursor(session.cursor).held == {}


async def test_what_was_missed_and_is_refused_still_is_named_by_its_time() -> None:
    market, session = Market(), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 1)
    market.trouble["XK"] = refused
    await live(feed, session, 5)
    now = session.at

    def only_the_newest(request: PollRequest) -> bytes:
        asked = parameters(request.key)
        if asked["zone"] == "XK" and datetime.fromisoformat(asked["to"]) < now:
            raise refused()
        return b"[1]"

    feed = feed_of(market, answerer=only_the_newest)
    await live(feed, session, 3)
    newest = max(end for _, end in windows_of(feed, "XK"))
    assert newest == session.at - STEP, "its window goes on"
    assert list(feed.unanswered(session.cursor).reasons) == [
        "zone=XK from 2026-03-02 12:00 UTC",
        "zone=XK from 2026-03-02 18:00 UTC",
        "zone=XK from 2026-03-03 00:00 UTC",
    ]


async def test_where_all_are_refused_they_are_asked_every_other_round() -> None:
    market, session = Market(dict.fromkeys(ZONES, refused)), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 21, step=EVERY)
    for zone in ZONES:
        assert len(windows_of(feed, zone)) == 11


async def test_where_all_are_refused_it_is_told_as_such_and_ends_by_itself() -> None:
    market, session = Market(dict.fromkeys(ZONES, refused)), SteppedSession()
    feed = feed_of(market)
    errors = await live(feed, session, 5)
    assert [str(error) for error in errors] == [
        "all 4 questions are refused, the first: answered 400: not valid"
    ] * 5
    assert len(feed.unanswered(session.cursor).reasons) == 4
    market.trouble.clear()
    assert await live(feed, session, 2) == [None, None]
    for zone in ZONES:
        assert has_all(feed, zone, START - SPAN, session.at - STEP)
    assert feed.unanswered(session.cursor).reasons == {}


@pytest.mark.parametrize("trouble", [broken, page])
async def test_a_question_that_fails_otherwise_is_tried_again_then_named(
    trouble: Callable[[], Exception],
) -> None:
    market, session = Market({"XK": trouble}), SteppedSession()
    feed = feed_of(market)
    errors = await live(feed, session, 3, step=timedelta(seconds=60))
    assert all(error is not None for error in errors)
    assert [len(windows_of(feed, zone)) for zone in ZONES] == [1, 1, 1, 3], "it alone, again"
    assert feed.unanswered(session.cursor).reasons == {}
    session.at += STEP
    assert await live(feed, session, 2) == [None, None]
    assert list(feed.unanswered(session.cursor).reasons) == ["zone=XK"]
    assert windows_of(feed, "DE")[-1][1] == session.at - STEP
    market.trouble.clear()
    await live(feed, session, 2)
    assert has_all(feed, "XK", START - SPAN, session.at - STEP)
    assert feed.unanswered(session.cursor).reasons == {}


async def test_what_came_in_place_of_an_answer_lands_once() -> None:
    market, session = Market({"XK": page}), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 3, step=timedelta(seconds=60))
    await live(feed, session, 5)
    pages = [one for one in session.landed if one.body == b"<html>Back soon</html>"]
    assert len(pages) == 1
    market.trouble.clear()
    await live(feed, session, 2)
    market.trouble["XK"] = page
    await live(feed, session, 2)
    assert len([one for one in session.landed if one.body.startswith(b"<html>")]) == 2


async def test_a_page_in_place_of_every_answer_costs_no_time_once_it_is_over() -> None:
    market, session = Market(dict.fromkeys(ZONES, page)), SteppedSession()
    feed = feed_of(market)
    errors = await live(feed, session, 6)
    assert all("sent no answer" in str(error) for error in errors)
    market.trouble.clear()
    await live(feed, session, 1)
    for zone in ZONES:
        assert has_all(feed, zone, START - SPAN, session.at - STEP)


async def test_an_outage_holds_no_question_back_once_it_is_over() -> None:
    market, session = Market(), SteppedSession()
    feed = feed_of(market)
    await live(feed, session, 1)
    feed.asked.clear()
    market.trouble = dict.fromkeys(ZONES, lambda: UnreachableError("no route"))
    assert all(error is not None for error in await live(feed, session, 6))
    assert len(feed.asked) == 6, "where nobody is there, one question is enough"
    market.trouble.clear()
    await live(feed, session, 2, step=EVERY)
    for zone in ZONES:
        assert has_all(feed, zone, START, session.at - EVERY)
    assert feed.unanswered(session.cursor).reasons == {}


async def test_one_day_that_is_refused_holds_back_no_other_day() -> None:
    def days(start: datetime, end: datetime) -> list[RestRequest]:
        count = (end.date() - start.date()).days + 1
        return [
            RestRequest(url=f"https://a.example/{start.date() + timedelta(days=number)}")
            for number in range(count)
        ]

    def answer(request: PollRequest) -> bytes:
        if "2026-03-03" in request.key:
            raise refused()
        return b"[1]"

    session = SteppedSession()
    feed = feed_of(
        Market(), requests=days, span=timedelta(days=4), overlap=timedelta(days=2), answerer=answer
    )
    await live(feed, session, 30, step=timedelta(days=1))
    assert {f"https://a.example/2026-03-{day:02}" for day in range(1, 32)} <= set(feed.asked)
    assert list(feed.unanswered(session.cursor).reasons) == ["2026-03-03"]


async def test_a_cursor_of_an_older_version_is_gone_on_from() -> None:
    older = (
        '{"reached":"2026-03-02T06:00:00Z","marks":{"k":{"sha256":"x"}},'
        '"began_at":"2026-03-02T06:00:00Z","round":{"start":"2026-03-02T06:00:00Z",'
        '"end":"2026-03-02T09:00:00Z","began_at":"2026-03-02T09:00:00Z","answered":{}}}'
    )
    session = SteppedSession(cursor=older)
    feed = feed_of(Market())
    await live(feed, session, 1)
    assert windows_of(feed, "DE") == [(START - timedelta(hours=6), START)]


@pytest.mark.parametrize(
    ("status", "is_refusal"),
    [(400, True), (404, True), (410, True), (413, True), (422, True), (451, True), (499, True)]
    + [(status, False) for status in (200, 302, 401, 403, 408, 425, 429, 500, 502, 503, 504)],
)
def test_only_a_status_that_blames_the_question_refuses_it(
    status: int, *, is_refusal: bool
) -> None:
    assert refuses(status) is is_refusal
    error = unusable(HttpReply(status=status, headers={}, body=b""), "https://a.example/x?token=1")  # type: ignore[arg-type]
    assert isinstance(error, RefusedError) is is_refusal
    assert "token" not in str(error)


POLLED = sorted(
    name for name, source in market_sources().items() if isinstance(source.feed, PollingFeed)
)


@pytest.mark.parametrize("name", POLLED)
def test_every_source_tells_its_questions_apart_in_any_window(name: str) -> None:
    feed = market_source(name).feed
    assert isinstance(feed, PollingFeed)
    for days in (0, 27, 181):  # a clock change lies between
        now = datetime(2026, 3, 15, 9, 31, tzinfo=UTC) + timedelta(days=days)
        asked = questions(feed.requests, *feed.window(now - feed.every, now))
        assert len({question.name for question in asked}) == len(asked)
        assert len({question.label for question in asked}) == len(asked)
        later = questions(feed.requests, *feed.window(now + feed.every, now + 2 * feed.every))
        lasting = {question.name for question in asked if question.name == question.subject}
        assert lasting <= {question.name for question in later}


@pytest.mark.parametrize("name", POLLED)
async def test_no_source_lets_a_refused_question_hold_back_another(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = market_source(name).feed
    assert isinstance(feed, PollingFeed)
    session, asked = SteppedSession(), list[str]()
    step = max(feed.every, feed.span / 3)
    first = questions(feed.requests, *feed.window(None, session.at))
    victim = first[len(first) // 2].subject
    theirs: set[str] = set()

    def answer(request: PollRequest) -> bytes:
        if request.key in theirs:
            raise refused()
        return b"{}"

    @asynccontextmanager
    async def connection(_self: object, _session: object) -> Any:
        yield asker(answer, asked)

    monkeypatch.setattr(type(feed), "connection", connection)
    for judged in ("answers", "following", "essence"):
        monkeypatch.setitem(feed.__dict__, judged, None)
    for _ in range(6):
        reached = Progress.from_cursor(session.cursor).reached
        window = questions(feed.requests, *feed.window(reached, session.at))
        theirs |= {one.key for one in window if one.subject == victim}
        asked.clear()
        error = await one_round(feed, session)
        others = {one.key for one in window} - theirs
        assert others <= set(asked)
        assert (error is None) or not others
        session.at += step
    assert feed.unanswered(session.cursor).reasons
    if feed.newest is None and {one.subject for one in first} > {victim}:
        reached = Progress.from_cursor(session.cursor).reached
        assert reached is not None
        assert reached >= session.at - step
