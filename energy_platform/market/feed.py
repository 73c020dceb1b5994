"""The contract of a feed, and the session that its runner gives it.

A feed carries bytes. It owns its schedule, cursor, time-outs and rate limit; it knows no columns.
The collector runs the feed, lands its messages, and restarts it with back-off when it raises. The
feeds themselves are in `feeds/`.
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
    """The answer is not what was asked for: a page, an empty body, a cut or foreign document.

    Args:
        message: What is wrong with the answer.
        came: The answer itself; it is landed once, so that the quarantine keeps it.
    """

    def __init__(self, message: str, came: RawMessage) -> None:
        super().__init__(message)
        self.came = came


class WireProtocol(StrEnum):
    """The ways in which data arrives: five of markets, and files from the desk itself."""

    REST = "REST"
    SOAP = "SOAP"
    WEBSOCKET = "WebSocket"
    FTP = "FTP"
    SNS = "SNS"
    FILE = "file"


class FeedSession(Protocol):
    """What a feed may ask of the collector that runs it."""

    source_name: str
    state_directory: Path
    """A folder for this feed's caches; losing it costs time, never data."""

    @property
    def inbox(self) -> Path:
        """The folder in which files are dropped for this feed; the feed creates it."""

    @property
    def cursor(self) -> str | None:
        """The cursor that was landed last, also before a restart; None if there was none."""

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        """Append messages to the landing zone together with the feed's new cursor.

        Returns once they are durable; only then may the feed acknowledge them upstream. With
        `cursor=None` the last cursor stays. Waits while the landing zone is slow, so that a feed
        that awaits this never holds more than one call's messages.
        """

    def now(self) -> datetime:
        """Return market time (UTC), from which a feed's windows are counted.

        It is the wall clock on real markets. A message's time of receipt is always wall time.
        """

    @property
    def ca_file(self) -> Path | None:
        """Certificates to trust beside the system's, if there are any."""

    def address(self, url: str) -> str:
        """Return where `url` is reached: `url` itself, or the simulator's stand-in for it."""

    def secret(self, variable: str) -> str:
        """Return an environment variable's value, or the stand-in of a simulated market."""

    def wall_seconds(self, market_time: timedelta) -> float:
        """Return how many seconds a span of market time lasts by the wall clock.

        On real markets both are equal. A feed counts every wait in market time, except the wait for
        an answer.
        """

    async def turn(self, provider: Provider) -> None:
        """Wait for a turn at a provider; all feeds of one provider share its rates."""

    def ban(self, provider: Provider, seconds: float | None) -> None:
        """Keep all feeds of this provider away for some seconds; by default, for its ban."""


@runtime_checkable
class Feed(Protocol):
    """One way in. Feeds are values: their fields are the source's settings."""

    protocol: ClassVar[WireProtocol]

    async def run(self, session: FeedSession) -> None:
        """Carry messages until cancelled.

        Raises:
            FeedError: The provider failed; the collector starts the feed again after a back-off (or
                after `retry_after_seconds`). Any other exception is treated the same, and logged
                with its traceback.
            FencedError: Another collector has taken over this source.
        """


@runtime_checkable
class NamesContext(Protocol):
    """A feed that knows in advance which names its messages' contexts have."""

    def context_names(self) -> frozenset[str]:
        """Return every name that a message's context may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChunk:
    """One piece of a feed's history: a question, a file, an object.

    Attributes:
        key: Identifies the chunk; it stays the same for as long as the chunk's content does.
        fetch: Fetches the chunk and returns the messages to land; none if the provider has nothing.
            Raises `RefusedError` if the provider refuses this chunk, `UnfitAnswerError` if
            something else came in its place, and any other `FeedError` as `Feed.run` does. Only
            after the last must the history be opened again.
    """

    key: str
    fetch: Callable[[], Awaitable[Sequence[RawMessage]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The questions that a provider does not answer while it answers others.

    Attributes:
        reasons: The unanswered questions, each with the reason.
        asked: How many questions the feed asks in all.
    """

    reasons: Mapping[str, str]
    asked: int


@runtime_checkable
class AskingFeed(Feed, Protocol):
    """A feed of several questions, each with its own progress."""

    def unanswered(self, cursor: str | None) -> Unanswered:
        """Return the unanswered questions that a cursor of this feed records."""


@runtime_checkable
class HistoricalFeed(Feed, Protocol):
    """A feed that can also be asked for the past, beside its regular run."""

    @property
    def keeps_history(self) -> bool:
        """Whether the provider serves this source's past."""

    def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AbstractAsyncContextManager[Sequence[HistoryChunk]]:
        """Open the history of [start, end), divided into chunks small enough to ask for.

        A chunk may reach beyond the window if the provider's own divisions do. The chunks can be
        fetched one after the other for as long as the context lasts. The session's cursor stays as
        it is.

        Raises:
            FeedError: The provider failed.
        """
