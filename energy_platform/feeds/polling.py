"""What REST and SOAP feeds share: asking again and again, for a window of time that never gaps.

Which requests ask for a window, and how one is sent, is the feed's business. Kept here: the even
schedule, how far the windows have reached, what was landed last for each request (so that an
unchanged answer is not landed again), which requests of a round have been answered, and the cursor
that carries all of it over a restart: nothing is asked twice for one.
"""

import asyncio
import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from energy_platform.errors import FeedError, SourceDefinitionError, UnreachableError
from energy_platform.feeds.http import HttpLimits
from energy_platform.market.feed import FeedSession, HistoryChunk
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

Marks = Mapping[str, str]
"""What is remembered of the last answer to a request: its hash, and validators such as an ETag."""

_SAMPLED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HASH = "sha256"
_LANDS_AFTER_SECONDS = 5.0
"""A long round lands what it has so far, so that its first answers don't wait for its last."""


class PollRequest(Protocol):
    """One question of a round."""

    @property
    def key(self) -> str:
        """What tells it from every other question of the source; the same on the next round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        message: The answer, or None where there is nothing new or nothing yet.
        marks: Validators to send along next time.
    """

    message: RawMessage | None
    marks: Marks = field(default_factory=dict)


RequestT = TypeVar("RequestT", bound=PollRequest)

Ask = Callable[[RequestT, Marks], Awaitable[Answer]]
"""Sends one request, given what is remembered of its last answer."""


@dataclass(slots=True)
class Round:
    """One window that is asked for, request by request.

    Attributes:
        start: Where the window starts.
        end: Where it ends.
        began_at: Market time at which its first request was sent.
        answered: The requests that were answered, to the last page, each with the newest instant
            that its answer holds a value for; None where that can't be told.
    """

    start: datetime
    end: datetime
    began_at: datetime
    answered: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """How far a feed got.

    Attributes:
        reached: All that is older has been asked for; None at the very start.
        marks: What is remembered of each request's last answer, for the requests of one round.
        began_at: Market time at which the last round that was asked to its end began.
        round: The round that is under way, or was when it was broken off.
    """

    reached: datetime | None = None
    marks: dict[str, Marks] = field(default_factory=dict)
    began_at: datetime | None = None
    round: Round | None = None

    @staticmethod
    def from_cursor(cursor: str | None) -> "Progress":
        """Take up the progress that was landed last."""
        return Progress() if cursor is None else _KEPT.validate_json(cursor)

    def cursor(self) -> str:
        """Return the cursor to land."""
        return _KEPT.dump_json(self).decode()


_KEPT: Final = TypeAdapter(Progress)


@dataclass(frozen=True, kw_only=True)
class PollingFeed(ABC, Generic[RequestT]):
    """A feed that asks for a window of time at even intervals.

    Attributes:
        provider: Whose request rate and bans it shares.
        requests: The requests that ask for a window from `start` to `end` (UTC); pure.
        every: Time from one round to the next.
        span: The longest window of one round; how far back the very first one reaches; and how
            long an instant that has no value yet is asked for, if `newest` is given.
        overlap: How far each window goes back into the one before, for values that came late.
        ahead: How far a window reaches beyond now, for what is published in advance.
        newest: The newest instant for which a body holds a value, if it holds any; windows then
            start there, so a provider that is slow to publish leaves no hole. Without it, windows
            start at the time of the last round.
        following: The request that asks for the rest, where a body is only one page of an answer.
        essence: What of a body tells it from one that says something else, where no two bodies are
            the same; a body whose essence is that of the last one is not landed again.
        history_chunk: The longest window that one question about the past may ask for; None where
            the provider keeps no history.
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
    essence: Callable[[bytes], bytes] | None = None
    history_chunk: timedelta | None = None
    limits: HttpLimits = field(default_factory=HttpLimits)

    def __post_init__(self) -> None:
        """Refuse a schedule that would ask for nothing, or for ever.

        Raises:
            SourceDefinitionError: The message names the field and the mend.
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
        """Return what a window of the feed's length asks for."""
        return self.requests(_SAMPLED_AT - self.span, _SAMPLED_AT)

    @abstractmethod
    def connection(self, session: FeedSession) -> AbstractAsyncContextManager[Ask[RequestT]]:
        """Open what requests travel on, for one run."""

    async def run(self, session: FeedSession) -> None:
        """Poll until cancelled.

        Raises:
            FeedError: A request failed. Whatever the round's other requests brought has landed.
        """
        progress = Progress.from_cursor(session.cursor)
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

        Windows may share a question where the provider is asked for whole days; it is put once.
        """
        asked = {
            request.key: request
            for window in self._windows(start, end)
            for request in self.requests(*window)
        }
        async with self.connection(session) as ask:
            yield [
                HistoryChunk(key=key, fetch=partial(self._put, session, ask, request))
                for key, request in asked.items()
            ]

    def _windows(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        longest = self.history_chunk or end - start
        while start < end:
            yield start, min(start + longest, end)
            start += longest

    async def _put(
        self, session: FeedSession, ask: Ask[RequestT], request: RequestT
    ) -> Sequence[RawMessage]:
        """Put one question about the past, as if nothing had been asked before."""
        pages = self._pages(session, ask, request, {})
        return [answer.message async for _, answer in pages if answer.message is not None]

    async def _pages(
        self,
        session: FeedSession,
        ask: Ask[RequestT],
        request: RequestT,
        marks: Mapping[str, Marks],
    ) -> AsyncIterator[tuple[str, Answer]]:
        """Put one question; yield its answer, page by page, each with the key that asks for it."""
        page: RequestT | None = request
        while page is not None:
            await session.turn(self.provider)
            answer = await ask(page, marks.get(page.key, {}))
            yield page.key, answer
            page = self._rest(page, answer)

    def _rest(self, request: RequestT, answer: Answer) -> RequestT | None:
        """Return the request for what follows an answer, if it was only a page."""
        if self.following is None or answer.message is None:
            return None
        return self.following(request, answer.message.body)

    def window(self, reached: datetime | None, now: datetime) -> tuple[datetime, datetime]:
        """Return the window to ask for next, at most `span` long."""
        start = now - self.span if reached is None else min(reached, now) - self.overlap
        return start, min(start + self.span, now + self.ahead)

    def _pause(self, progress: Progress, now: datetime) -> timedelta:
        """Return how long a restarted feed waits: until its next round would have begun anyway."""
        if progress.began_at is None or progress.round is not None:
            return timedelta()
        requests = self.requests(*self.window(progress.reached, now))
        if any(request.key not in progress.marks for request in requests):
            return timedelta()  # such a thing has not been asked yet
        return max(timedelta(), min(progress.began_at + self.every - now, self.every))

    def _begun(self, progress: Progress, now: datetime) -> Round:
        """Return the round to go on with: one that was broken off just now, or a new one.

        An older one is begun anew: where one request breaks off every round, the others are put
        again nevertheless. Failures hold the very first window back as any other.
        """
        if progress.round is not None and now < progress.round.began_at + self.every:
            return progress.round
        start, end = self.window(progress.reached, now)
        if progress.reached is None:
            progress.reached = start + self.overlap
        return Round(start, end, began_at=now)

    async def _round(self, session: FeedSession, ask: Ask[RequestT], progress: Progress) -> bool:
        """Ask for one window and land what it brings; say whether the feed has caught up.

        One failing request holds back the window, not the others of its round; only where the
        provider is not there, or wants no more requests, is the round broken off. What lands on the
        way lands with the requests that were answered, so that a restart goes on with the others.
        """
        current = progress.round = self._begun(progress, session.now())
        requests = self.requests(current.start, current.end)
        progress.marks = {
            request.key: progress.marks[request.key]
            for request in requests
            if request.key in progress.marks
        }
        messages: list[RawMessage] = []
        failures: list[FeedError] = []
        landed_at = time.monotonic()
        for request in requests:
            if request.key in current.answered:
                continue
            try:
                current.answered[request.key] = await self._ask_to_the_end(
                    session, ask, request, progress.marks, messages
                )
            except FeedError as error:
                failures.append(error)
                if isinstance(error, UnreachableError) or error.retry_after_seconds is not None:
                    break
            if messages and time.monotonic() - landed_at > _LANDS_AFTER_SECONDS:
                await session.land(messages, cursor=progress.cursor())
                messages, landed_at = [], time.monotonic()
        else:
            progress.round = None
        if not failures:
            progress.reached = self._reached(progress.reached, current)
            progress.began_at = current.began_at
        if messages or current.answered or not failures:
            await session.land(messages, cursor=progress.cursor())
        if failures:
            raise _together(failures)
        return current.end >= current.began_at + self.ahead

    async def _ask_to_the_end(
        self,
        session: FeedSession,
        ask: Ask[RequestT],
        request: RequestT,
        known: dict[str, Marks],
        messages: list[RawMessage],
    ) -> datetime | None:
        """Put one request of a round, and return the newest instant that it brought a value for.

        What is news is added to `messages`, what to remember to `known`; None if no newest instant
        can be told.
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
            # The other pages come behind the first, so that one must not be answered "unchanged".
            known |= {
                key: {_HASH: remembered[_HASH]}
                for key, remembered in marks.items()
                if _HASH in remembered
            }
            raise
        known |= marks
        return _slowest(newest)

    def _remembered(self, answer: Answer) -> Marks:
        """Return what tells, next time, whether an answer says something new."""
        if answer.message is None:
            return answer.marks
        body = answer.message.body
        digest = hashlib.sha256(body if self.essence is None else self.essence(body)).hexdigest()
        return {**answer.marks, _HASH: digest}

    def _newest(self, answer: Answer) -> datetime | None:
        """Return the newest instant that an answer holds a value for; None where it can't be told.

        The body must land in any case.
        """
        if self.newest is None or answer.message is None:
            return None
        try:
            return self.newest(answer.message.body)
        except Exception:  # noqa: BLE001 (as of a parser; the bytes come first)
            _log.exception("a body's newest instant can't be told")
            return None

    def _reached(self, before: datetime | None, done: Round) -> datetime:
        """Return how far a round without failures got, its slowest request counting."""
        if self.newest is None:
            return min(done.end, done.began_at)
        # What has no value after this long will not get one; waiting on would never end.
        given_up = min(done.end, done.began_at - (self.span - self.overlap - self.ahead))
        slowest = _slowest([*done.answered.values(), done.began_at]) if done.answered else None
        return max(given_up, slowest or given_up, before or given_up)


def _slowest(instants: Sequence[datetime | None]) -> datetime | None:
    """Return the earliest instant; None where any can't be told."""
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
    """Yield at even intervals from now on; a tick that is missed is left out, not made up for."""
    loop = asyncio.get_running_loop()
    first = loop.time()
    while True:
        yield
        await asyncio.sleep(interval - (loop.time() - first) % interval)
