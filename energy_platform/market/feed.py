"""The contract of a feed, and the session that its runner gives it.

A feed carries bytes. It owns its schedule, cursor, time-outs and rate limit; it knows no columns.
The collector runs it, lands the messages that it brings, and restarts it with back-off when it
raises. The feeds themselves are in `feeds/`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from energy_platform.errors import FeedError
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage


class UnfitAnswerError(FeedError):
    """What came is not what was asked for: a page, an empty body, a cut or foreign document.

    Args:
        message: What is wrong with it.
        came: What came, to be landed once, so that the quarantine keeps it.
    """

    def __init__(self, message: str, came: RawMessage) -> None:
        super().__init__(message)
        self.came = came


class WireProtocol(StrEnum):
    """The five ways in which market data arrives."""

    REST = "REST"
    SOAP = "SOAP"
    WEBSOCKET = "WebSocket"
    FTP = "FTP"
    SNS = "SNS"


class FeedSession(Protocol):
    """What a feed may ask of the collector that runs it."""

    source_name: str
    state_directory: Path
    """A folder of the feed's own for caches; losing it costs time, never data."""

    @property
    def cursor(self) -> str | None:
        """The cursor that was landed last, also before a restart; None at the very start."""

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        """Append messages to the landing zone together with the feed's new cursor.

        Returns once they are durable; only then may the feed acknowledge them upstream.
        With `cursor=None` the last cursor stays. Waits while the landing zone is slow, so a feed
        that awaits it is never ahead by more than what it holds itself.
        """

    def now(self) -> datetime:
        """Return market time (UTC): what a feed's windows of time are counted from.

        The wall clock's on real markets; when a message was received is always wall time.
        """

    @property
    def ca_file(self) -> Path | None:
        """Certificates to trust beside the system's, if there are any."""

    def address(self, url: str) -> str:
        """Return where `url` is really reached: itself, or the simulator's stand-in."""

    def secret(self, variable: str) -> str:
        """Return an environment variable's value; a stand-in in a simulated market."""

    def wall_seconds(self, market_time: timedelta) -> float:
        """Return how long a span of market time lasts by the wall clock.

        On real markets that is its own length; what a feed waits for, other than an answer, it
        waits for in market time.
        """

    async def turn(self, provider: Provider) -> None:
        """Wait for a turn at a provider; all feeds of one provider share its rates."""

    def ban(self, provider: Provider, seconds: float | None) -> None:
        """Keep every feed of this provider away for so long; for its own ban where None."""


@runtime_checkable
class Feed(Protocol):
    """One way in. Feeds are values: their fields are the source's settings."""

    protocol: ClassVar[WireProtocol]

    async def run(self, session: FeedSession) -> None:
        """Carry messages until cancelled.

        Raises:
            FeedError: The provider failed; the collector starts the feed again after a back-off
                (or after `retry_after_seconds`). Any other exception is treated alike, and logged
                with its traceback.
            FencedError: Another collector has taken over this source.
        """


@runtime_checkable
class NamesContext(Protocol):
    """A feed that knows beforehand what the context of its messages will hold."""

    def context_names(self) -> frozenset[str]:
        """Return every name that a message's context may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChunk:
    """One piece of a feed's history: a question, a file, an object.

    Attributes:
        key: What tells it from every other one; the same for as long as it holds the same.
        fetch: Gets it, and returns what is to land: no message where the provider has nothing.
            Raises `RefusedError` where the provider refuses this chunk, `UnfitAnswerError` where
            something else came in its place, and any other `FeedError` as `Feed.run` does; only
            after the last is the history to be opened anew.
    """

    key: str
    fetch: Callable[[], Awaitable[Sequence[RawMessage]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The questions that a provider does not answer while it answers others.

    Attributes:
        reasons: What each asks for, and why it is not answered.
        asked: How many questions the feed asks in all.
    """

    reasons: Mapping[str, str]
    asked: int


@runtime_checkable
class AskingFeed(Feed, Protocol):
    """A feed of several questions, each with progress of its own."""

    def unanswered(self, cursor: str | None) -> Unanswered:
        """Return the questions that are not answered, as a cursor of this feed tells."""


@runtime_checkable
class HistoricalFeed(Feed, Protocol):
    """A feed that can be asked for the past, beside the one that runs."""

    @property
    def keeps_history(self) -> bool:
        """Whether this source's provider serves it."""

    def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AbstractAsyncContextManager[Sequence[HistoryChunk]]:
        """Open the history of [start, end): all that tells of it, in parts small enough to ask for.

        A part may reach beyond the window, where the provider cuts it so. The parts can be fetched
        while the context lasts, one after the other. The session's cursor is not touched.

        Raises:
            FeedError: The provider failed.
        """
