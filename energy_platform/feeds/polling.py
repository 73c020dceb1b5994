"""What REST and SOAP feeds share: asking at even intervals for windows of time without a gap.

Each feed builds the requests for a window and sends them. This module has the schedule and the
windows, and decides whether an answer is valid and new. `rounds` handles questions that fail, and
`progress` is what survives a restart.
"""

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Generic

from energy_platform.errors import FeedError, ParseError, SourceDefinitionError
from energy_platform.feeds.http import HttpLimits
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.progress import Marks, Progress, Round
from energy_platform.feeds.questions import RequestT
from energy_platform.feeds.rounds import Attempt, close, windows
from energy_platform.market.feed import FeedSession, HistoryChunk, Unanswered, UnfitAnswerError
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

_SAMPLED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HASH = "sha256"
_LANDS_AFTER_SECONDS = 5.0
_MOST_PAGES: Final = 1_000
_MOST_ANSWER_BYTES: Final = 512 * 2**20
"""An answer of more pages, or of more bytes in all of them, is taken for one without end."""
"""A long round lands what it has after this time, so that its first answers don't wait for its
last.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of one request.

    Attributes:
        message: The answer, or None if there is nothing new or nothing yet.
        marks: Validators to send with the next request.
    """

    message: RawMessage | None
    marks: Marks = field(default_factory=dict)


Ask = Callable[[RequestT, Marks], Awaitable[Answer]]
"""Sends one request, given what is remembered of its last answer."""


@dataclass(frozen=True, kw_only=True)
class PollingFeed(ABC, Generic[RequestT]):
    """A feed that asks for a window of time at even intervals.

    Attributes:
        provider: The provider, whose request rate and bans all its feeds share.
        requests: The requests that ask for a window from `start` to `end` (UTC); pure.
        every: Time from one round to the next.
        span: The longest window of one round; how far back the very first one reaches; and how long
            the feed asks for an instant without a value, if `newest` is given.
        overlap: How far each window goes back into the one before, for values that came late.
        ahead: How far a window reaches beyond now, for what is published in advance.
        newest: Returns the newest instant for which a body holds a value, if it holds any; windows
            then start there, so a provider that is slow to publish leaves no hole. Without it,
            windows start at the time of the last round.
        following: Returns the request for the rest, if a body is only one page of an answer.
        answers: Checks that a body is an answer of the expected kind; raises `ParseError` if it is
            a page, cut, empty or of another kind.
        essence: Returns the part of a body that matters, if every body has a part that always
            differs; a body with the same essence as the last one is not landed again.
        history_chunk: The longest window that one question about the past may ask for; None if the
            provider keeps no history.
        limits: What one exchange may cost.
    """

    provider: Provider
    requests: Callable[[datetime, datetime], Sequence[RequestT]]
    every: timedelta
    span: timedelta
    overlap: timedelta = timedelta()
    ahead: timedelta = timedelta()
    newest: Callable[[bytes], datetime | None] | None = None
    following: Callable[[RequestT, bytes], RequestT | None] | None = None
    answers: Callable[[bytes], None] | None = None
    essence: Callable[[bytes], bytes] | None = None
    history_chunk: timedelta | None = None
    limits: HttpLimits = field(default_factory=HttpLimits)

    def __post_init__(self) -> None:
        """Refuse a schedule that would ask for nothing, or for ever.

        Raises:
            SourceDefinitionError: The message names the field and how to correct it.
        """
        if self.span <= self.overlap + self.ahead:
            raise SourceDefinitionError(
                f"feed: span ({self.span}) must be longer than overlap ({self.overlap}) and ahead"
                f" ({self.ahead}) together; make it longer than {self.overlap + self.ahead}"
            )
        for name in ("every", "history_chunk"):
            length = getattr(self, name)
            if length is not None and length <= timedelta():
                raise SourceDefinitionError(f"feed: {name} ({length}) must be above zero")
        for name in ("overlap", "ahead"):
            length = getattr(self, name)
            if length < timedelta():
                raise SourceDefinitionError(f"feed: {name} ({length}) must not be below zero")

    def sample_requests(self) -> Sequence[RequestT]:
        """Return the requests for a window of the feed's length."""
        return self.requests(_SAMPLED_AT - self.span, _SAMPLED_AT)

    @abstractmethod
    def connection(self, session: FeedSession) -> AbstractAsyncContextManager[Ask[RequestT]]:
        """Open the connection on which one run sends its requests."""

    async def run(self, session: FeedSession) -> None:
        """Poll until cancelled.

        Raises:
            FeedError: A request failed that may still be answered. The answers to the round's other
                requests have landed.
        """
        progress = read_or_begin_anew(session.source_name, session.cursor, Progress.from_cursor)
        async with self.connection(session) as ask:
            await asyncio.sleep(session.wall_seconds(self._pause(progress, session.now())))
            async for _ in _ticks(session.wall_seconds(self.every)):
                while not await self._round(session, ask, progress):
                    pass

    @property
    def keeps_history(self) -> bool:
        """Whether the provider can be asked for the past."""
        return self.history_chunk is not None

    @asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        """Open the questions that ask for [start, end); see `HistoricalFeed.history`.

        If the provider is asked for whole days, windows may share a question, which is asked once.
        """
        asked = {
            request.key: request
            for window in windows(start, end, self.history_chunk or end - start)
            for request in self.requests(*window)
        }
        async with self.connection(session) as ask:
            yield [
                HistoryChunk(key=key, fetch=partial(self._put, session, ask, request))
                for key, request in asked.items()
            ]

    async def _put(
        self, session: FeedSession, ask: Ask[RequestT], request: RequestT
    ) -> Sequence[RawMessage]:
        """Ask one question about the past, without regard to earlier answers."""
        pages = self._pages(session, ask, request, {})
        return [answer.message async for _, answer in pages if answer.message is not None]

    async def _pages(
        self,
        session: FeedSession,
        ask: Ask[RequestT],
        request: RequestT,
        marks: Mapping[str, Marks],
    ) -> AsyncIterator[tuple[str, Answer]]:
        """Ask one question; yield its answer page by page, each with its request's key.

        Raises:
            FeedError: A page is no answer, or no page is the last one.
        """
        page: RequestT | None = request
        pages = size = 0
        while page is not None:
            if pages >= _MOST_PAGES or size > _MOST_ANSWER_BYTES:
                raise FeedError(
                    f"{self.provider.name} ends no answer: {pages} pages, {size} bytes so far"
                )
            await session.turn(self.provider)
            answer = await ask(page, marks.get(page.key, {}))
            await self._check(answer)
            yield page.key, answer
            pages += 1
            size += 0 if answer.message is None else len(answer.message.body)
            page = self._rest(page, answer)

    async def _check(self, answer: Answer) -> None:
        """Check that an answer is of the kind that was asked for.

        Raises:
            UnfitAnswerError: It is not, whatever its status.
        """
        if self.answers is None or answer.message is None:
            return
        try:
            await asyncio.to_thread(self.answers, answer.message.body)
        except ParseError as error:
            url = answer.message.context.get("url", self.provider.name)
            raise UnfitAnswerError(f"{url} sent no answer: {error}", answer.message) from error

    def _rest(self, request: RequestT, answer: Answer) -> RequestT | None:
        """Return the request for the rest of an answer, if this was only a page."""
        if self.following is None or answer.message is None:
            return None
        return self.following(request, answer.message.body)

    def window(self, reached: datetime | None, now: datetime) -> tuple[datetime, datetime]:
        """Return the window to ask for next, at most `span` long."""
        start = now - self.span if reached is None else min(reached, now) - self.overlap
        return start, min(start + self.span, now + self.ahead)

    def _pause(self, progress: Progress, now: datetime) -> timedelta:
        """Return how long a restarted feed waits for the time of its next regular round."""
        if progress.began_at is None or progress.round is not None:
            return timedelta()
        requests = self.requests(*self.window(progress.reached, now))
        if any(request.key not in progress.marks for request in requests):
            return timedelta()  # this question has not been asked yet
        return max(timedelta(), min(progress.began_at + self.every - now, self.every))

    def _begun(self, progress: Progress, now: datetime) -> Round:
        """Return the round to continue, if one was just interrupted, or a new one."""
        late = progress.round
        if late is not None and now < late.began_at + self.every:
            return late
        # For a provider that is slow to publish, only its answers show how far a window may move.
        may_move = late is not None and (bool(late.answered) or self.newest is None)
        if late is not None and may_move and close(progress, self.requests, self.every, now):
            self._finish(progress, late)
        progress.count_round()
        start, end = self.window(progress.reached, now)
        if progress.reached is None:
            progress.reached = start + self.overlap
        return Round(start, end, began_at=now)

    def _finish(self, progress: Progress, done: Round) -> None:
        """Record that a round is over: each of its questions is answered or held."""
        progress.reached = self._reached(progress.reached, done)
        progress.began_at = done.began_at
        progress.round = None

    async def _round(self, session: FeedSession, ask: Ask[RequestT], progress: Progress) -> bool:
        """Attempt a round; return whether the feed has caught up.

        Answers land together with the requests that they answer, so a restart continues with the
        rest.

        Raises:
            FeedError: The round is still open, and the next attempt asks the rest of it; or every
                question of it is refused.
        """
        last_began_at = progress.began_at
        current = progress.round = self._begun(progress, session.now())
        attempt = Attempt(
            session,
            progress,
            self.requests,
            partial(self._ask_to_the_end, session, ask),
            every=self.every,
            span=self.span,
            lands_after_seconds=_LANDS_AFTER_SECONDS,
            is_news=progress.began_at != last_began_at,
        )
        await attempt.run(current)
        if not attempt.failures:
            self._finish(progress, current)
        await attempt.land(always=not attempt.failures)
        if attempt.failures:
            raise _together(attempt.failures)
        if attempt.all_refused is not None:
            raise attempt.all_refused
        return current.end >= current.began_at + self.ahead

    def unanswered(self, cursor: str | None) -> Unanswered:
        """Return the questions that are not answered; see `AskingFeed.unanswered`."""
        progress = Progress.from_cursor(cursor)
        reasons = {one.label: one.reason for one in progress.held.values() if one.failures}
        return Unanswered(reasons=reasons, asked=progress.asked)

    async def _ask_to_the_end(
        self,
        session: FeedSession,
        ask: Ask[RequestT],
        request: RequestT,
        known: dict[str, Marks],
        messages: list[RawMessage],
    ) -> datetime | None:
        """Send one request of a round with all its pages; return the newest instant with a value.

        New messages are added to `messages`, and what to remember to `known`. Returns None if no
        newest instant can be told.
        """
        marks: dict[str, Marks] = {}
        newest: list[datetime | None] = []
        try:
            async for key, answer in self._pages(session, ask, request, known):
                marks[key] = self._remembered(answer)
                newest.append(self._newest(answer))
                is_known = marks[key].get(_HASH) == known.get(key, {}).get(_HASH)
                if answer.message is not None and not is_known:
                    messages.append(answer.message)
        except FeedError:
            # The other pages follow from the first, so the first must not be answered by
            # "unchanged".
            known |= {
                key: {_HASH: remembered[_HASH]}
                for key, remembered in marks.items()
                if _HASH in remembered
            }
            raise
        known |= marks
        return _slowest(newest)

    def _remembered(self, answer: Answer) -> Marks:
        """Return what shows, next time, whether an answer says something new."""
        if answer.message is None:
            return answer.marks
        body = answer.message.body
        digest = hashlib.sha256(body if self.essence is None else self.essence(body)).hexdigest()
        return {**answer.marks, _HASH: digest}

    def _newest(self, answer: Answer) -> datetime | None:
        """Return the newest instant for which an answer has a value; None if it can't be told.

        An error in reading it is no failure, since the body must land in any case.
        """
        if self.newest is None or answer.message is None:
            return None
        try:
            return self.newest(answer.message.body)
        except Exception:  # noqa: BLE001 (like a parser's; the bytes land first)
            _log.exception("a body's newest instant can't be told")
            return None

    def _reached(self, before: datetime | None, done: Round) -> datetime:
        """Return how far a round got: the least of its answers, without held questions."""
        if self.newest is None:
            return min(done.end, done.began_at)
        # An instant without a value after this long will not get one; waiting longer would never
        # end.
        given_up = min(done.end, done.began_at - (self.span - self.overlap - self.ahead))
        slowest = _slowest([*done.answered.values(), done.began_at]) if done.answered else None
        return max(given_up, slowest or given_up, before or given_up)


def _slowest(instants: Sequence[datetime | None]) -> datetime | None:
    """Return the earliest instant; None if any can't be told."""
    told = [instant for instant in instants if instant is not None]
    return min(told) if len(told) == len(instants) else None


def _together(failures: Sequence[FeedError]) -> FeedError:
    """Return one error for the failures of a round."""
    if len(failures) == 1:
        return failures[0]
    waits = [error.retry_after_seconds or 0.0 for error in failures]
    return FeedError(
        f"{len(failures)} requests failed, the first: {failures[0]}",
        retry_after_seconds=max(waits) or None,
    )


async def _ticks(interval: float) -> AsyncIterator[None]:
    """Yield at even intervals from now on; a missed tick is left out, not made up for."""
    loop = asyncio.get_running_loop()
    first = loop.time()
    while True:
        yield
        await asyncio.sleep(interval - (loop.time() - first) % interval)
