"""One attempt at a round: asks its questions one after the other, and lands the answers.

If the provider refuses a question, the question is held: it is asked again at a slower pace, and
the round continues without it. A question that fails otherwise stays open, and the next attempt
asks it again; if the round's time is over by then, it is held too. An attempt stops early only if
the provider can't be reached or wants no more requests. No question waits for another one's answer.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic

from energy_platform.errors import FeedError, RefusedError, UnreachableError
from energy_platform.feeds.progress import Held, Marks, Progress, Round, slower
from energy_platform.feeds.questions import Question, RequestsOf, RequestT, questions
from energy_platform.market.feed import FeedSession, UnfitAnswerError
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

Put = Callable[[RequestT, dict[str, Marks], list[RawMessage]], Awaitable[datetime | None]]
"""Sends one request to the last page, given what is remembered of its last answer. Adds new
messages to the messages and what to remember to the marks, and returns the newest instant with a
value.
"""


def windows(
    start: datetime, end: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Yield windows that make up [start, end), none of them longer than `longest`."""
    while start < end:
        yield start, min(start + longest, end)
        start += longest


@dataclass(slots=True)
class Attempt(Generic[RequestT]):
    """One attempt at the round that is under way.

    Attributes:
        session: The session that lands messages.
        progress: The feed's progress; its round is the one to attempt.
        requests: The requests of a window.
        put: Sends one of them.
        every: How long a round takes.
        span: How long a window may be.
        lands_after_seconds: After how long the answers so far are landed.
        is_news: Whether progress was made that has not landed.
        all_refused: The error to raise if not one question is answered.
    """

    session: FeedSession
    progress: Progress
    requests: RequestsOf[RequestT]
    put: Put[RequestT]
    every: timedelta
    span: timedelta
    lands_after_seconds: float
    is_news: bool = False
    all_refused: RefusedError | None = None
    _failed: list[tuple[RequestT, FeedError]] = field(default_factory=list)
    _messages: list[RawMessage] = field(default_factory=list)
    _landed_at: float = field(default_factory=time.monotonic)
    _questions: dict[str, Question[RequestT]] = field(default_factory=dict)

    async def run(self, current: Round) -> None:
        """Ask the open questions, then held ones that are due."""
        asked = self.requests(current.start, current.end)
        self.progress.asked = len(asked)
        self.progress.marks = {
            request.key: self.progress.marks[request.key]
            for request in asked
            if request.key in self.progress.marks
        }
        for request in self._open(asked, current):
            if not await self._put(request, current):
                return
            await self._land_in_time()
        if current.answered:
            self._hold_again(current)
        if self.progress.held:
            await self._put_held({self._known(request, current).name for request in asked})
            self._tell_if_all_are_refused(asked, current)

    @property
    def failures(self) -> list[FeedError]:
        """The errors that leave the round open."""
        return [error for _, error in self._failed]

    async def land(self, *, always: bool) -> None:
        """Land new messages and progress, if there are any.

        A landing tells the collector that all is well, so a failed attempt lands nothing.
        """
        if always or self._messages or self.is_news:
            await self.session.land(self._messages, cursor=self.progress.cursor())
            self._messages, self._landed_at = [], time.monotonic()

    def _known(self, request: RequestT, current: Round) -> Question[RequestT]:
        """Return the question of a request of the round; only needed when something failed."""
        if not self._questions:
            found = questions(self.requests, current.start, current.end)
            self._questions = {question.key: question for question in found}
        return self._questions[request.key]

    def _open(self, asked: Sequence[RequestT], current: Round) -> list[RequestT]:
        """Return the requests to send; those that failed in this round come last."""
        now = self.session.now()
        unanswered = [
            request
            for request in asked
            if request.key not in current.answered
            and not (
                self.progress.held
                and self.progress.is_held(self._known(request, current).name, now)
            )
        ]
        return sorted(unanswered, key=lambda request: request.key in current.failed)

    async def _put(self, request: RequestT, current: Round) -> bool:
        """Ask a question of the round; return False if the round must stop."""
        try:
            newest = await self.put(request, self.progress.marks, self._messages)
        except RefusedError as error:
            question = self._known(request, current)
            self._hold(question.name, question.label, current.start, current.end, error)
            return True
        except FeedError as error:
            self._set_aside(self._known(request, current).name, error)
            current.failed[request.key] = str(error)
            self._failed.append((request, error))
            told_to_wait = error.retry_after_seconds is not None
            # The next attempt must know which question not to begin with.
            self.is_news |= told_to_wait and self.progress.asked > 1
            return not (told_to_wait or isinstance(error, UnreachableError))
        self.is_news = True
        current.answered[request.key] = newest
        current.failed.pop(request.key, None)
        if self.progress.held or self.progress.set_aside:
            self._answered(self._known(request, current), current)
        return True

    def _answered(self, question: Question[RequestT], current: Round) -> None:
        """Record that a held question is answered."""
        self.progress.set_aside.discard(question.name)
        held = self.progress.held.pop(question.name, None)
        if held is not None:
            self._owe(question, held.start, current.start, self._questions.keys())

    def _tell_if_all_are_refused(self, asked: Sequence[RequestT], current: Round) -> None:
        """Fail a round of which every question is refused, since the feed as a whole is in trouble.

        The provider may be at fault and recover, so no question waits longer than two rounds.
        """
        held = [
            self.progress.held.get(self._known(request, current).name)
            for request in asked
            if request.key not in current.answered
        ]
        reasons = [one.reason for one in held if one is not None and one.failures]
        if not self.failures and asked and len(reasons) == len(asked):
            soon = self.session.now() + slower(self.every, 1)
            for one in filter(None, held):
                one.again_at, one.rounds = min(one.again_at, soon), min(one.rounds, 2)
            self.is_news = True
            told = f"all {len(asked)} questions are refused, the first: {reasons[0]}"
            self.all_refused = RefusedError(told if len(asked) > 1 else reasons[0])

    def _hold_again(self, current: Round) -> None:
        """Keep holding due questions that failed while others were answered."""
        for request, error in list(self._failed):
            question = self._known(request, current)
            if question.name in self.progress.held:
                self._hold(question.name, question.label, current.start, current.end, error)
                self._failed.remove((request, error))
                del current.failed[request.key]

    def _owe(
        self,
        question: Question[RequestT],
        start: datetime,
        end: datetime,
        asked: Collection[str],
    ) -> None:
        """Add what a question has missed, now that it is answered again, to this round."""
        for window in windows(start, end, self.span):
            for missed in questions(self.requests, *window):
                same = question.name in (missed.subject, missed.key)
                if same and missed.key not in asked:
                    label = f"{question.label} from {window[0]:%Y-%m-%d %H:%M} UTC"
                    self.progress.hold(missed.key, Held(label, *window, self.session.now()))

    async def _put_held(self, asked: set[str]) -> None:
        """Ask the held questions that are due and that the round did not ask."""
        for name, held in list(self.progress.held.items()):
            if name in asked or self.progress.is_held(name, self.session.now()):
                continue
            wanted = [
                question
                for question in questions(self.requests, held.start, held.end)
                if name in (question.key, question.subject)
            ]
            try:
                for question in wanted:
                    await self.put(question.request, {}, self._messages)
            except FeedError as error:
                self._set_aside(name, error)
                self._hold(name, held.label, held.start, held.end, error)
                if error.retry_after_seconds is not None or isinstance(error, UnreachableError):
                    return
            else:
                del self.progress.held[name]
                self.progress.set_aside.discard(name)
                self.is_news = True
            await self._land_in_time()

    def _hold(
        self, name: str, label: str, start: datetime, end: datetime, error: FeedError
    ) -> None:
        """Hold a question that failed, for longer after each failure."""
        before = self.progress.held.get(name)
        failures = 1 if before is None else before.failures + 1
        pause = slower(self.every, failures)
        again_at, rounds = self.session.now() + pause, pause // self.every
        self.progress.hold(name, Held(label, start, end, again_at, 1, str(error), rounds))
        self.is_news = True
        _log.warning(
            "%s: %s is not answered; again at %s: %s",
            self.session.source_name,
            label,
            f"{again_at:%Y-%m-%d %H:%M} UTC",
            error,
        )

    def _set_aside(self, name: str, error: FeedError) -> None:
        """Land what came in place of an answer, but not again at every try."""
        if isinstance(error, UnfitAnswerError) and name not in self.progress.set_aside:
            self.progress.set_aside.add(name)
            self._messages.append(error.came)

    async def _land_in_time(self) -> None:
        """Land the answers so far of a long round, so that the first don't wait for the last."""
        if self._messages and time.monotonic() - self._landed_at > self.lands_after_seconds:
            await self.land(always=True)


def close(
    progress: Progress, requests: RequestsOf[RequestT], every: timedelta, now: datetime
) -> bool:
    """End a round whose time is over: hold its unanswered questions, if any was answered.

    An unfit answer to every question counts too, since the provider was reached. If there was no
    answer at all, nothing is held and the result is False: the same window must be asked for again.
    """
    current = progress.round
    if current is None:
        return False
    open_still = [
        question
        for question in questions(requests, current.start, current.end)
        if question.key not in current.answered
    ]
    is_there = all(
        question.name in progress.set_aside or question.name in progress.held
        for question in open_still
    )
    if not (current.answered or is_there):
        return False
    for question in open_still:
        reason = current.failed.get(question.key, "")
        if question.name in progress.held and not reason:
            continue
        before = progress.held.get(question.name)
        tried = (before.failures if before else 0) + bool(reason)
        # If nothing at all is answered, the collector backs off; all questions are asked when it
        # tries again.
        pause = slower(every, tried) if tried and current.answered else timedelta()
        progress.hold(
            question.name,
            Held(
                question.label,
                current.start,
                current.end,
                now + pause,
                bool(reason),
                reason,
                pause // every,
            ),
        )
    return True
