"""Polling feeds without a network: a test supplies the answers, and moves the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from energy_platform.errors import FeedError
from energy_platform.feeds.polling import Answer, Ask, PollingFeed
from energy_platform.feeds.progress import Marks
from energy_platform.feeds.questions import PollRequest
from energy_platform.feeds.rest import RestRequest
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

_QUIET_TURNS = 20
"""After this many turns of the event loop without a question, a feed waits for its next round."""

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class SteppedSession:
    """A `FeedSession` whose clock the test moves; a feed's second round never comes by itself."""

    at: datetime = START
    source_name: str = "test"
    state_directory: Path = Path()
    inbox: Path = Path()
    cursor: str | None = None
    ca_file: Path | None = None
    landed: list[RawMessage] = field(default_factory=list)
    seen: int = 0
    """The methods of its session that the feed has called so far."""

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        self.landed += messages
        self.seen += 1
        self.cursor = cursor if cursor is not None else self.cursor

    def now(self) -> datetime:
        return self.at

    def address(self, url: str) -> str:
        return url

    def secret(self, variable: str) -> str:
        return variable

    def wall_seconds(self, market_time: timedelta) -> float:
        return 3_600.0 if market_time else 0.0

    async def turn(self, provider: Provider) -> None:
        self.seen += 1

    def ban(self, provider: Provider, seconds: float | None) -> None:
        self.seen += 1


Answerer = Callable[[PollRequest], bytes]
"""Returns the body that answers a request, or raises the error of the provider's reply."""


def asker(answers: Answerer, asked: list[str]) -> Ask[Any]:
    """Return a function that answers requests as told, and records their keys."""

    async def ask(request: PollRequest, _known: Marks) -> Answer:
        asked.append(request.key)
        body = answers(request)
        return Answer(message=RawMessage(body=body, received_at=START, context={}))

    return ask


@dataclass(frozen=True, kw_only=True)
class AnsweredFeed(PollingFeed[RestRequest]):
    """A polling feed whose answers the test supplies; `asked` are the keys so far."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    answerer: Answerer
    asked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def connection(self, session: FeedSession) -> AsyncIterator[Ask[RestRequest]]:
        yield asker(self.answerer, self.asked)


def zones(*names: str) -> Callable[[datetime, datetime], list[RestRequest]]:
    """Return requests of one question per zone and window."""

    def requests(start: datetime, end: datetime) -> list[RestRequest]:
        window = {"from": start.isoformat(), "to": end.isoformat()}
        return [
            RestRequest(url="https://a.example/p", params={"zone": name, **window})
            for name in names
        ]

    return requests


def parameters(key: str) -> dict[str, str]:
    """Return the parameters in a request's key."""
    return dict(parse_qsl(urlsplit(key).query))


def windows_of(feed: AnsweredFeed, zone: str) -> list[tuple[datetime, datetime]]:
    """Return the windows for which a zone was asked, in order."""
    found = [parameters(key) for key in feed.asked]
    return [
        (datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["to"]))
        for one in found
        if one["zone"] == zone
    ]


async def one_round(feed: PollingFeed[Any], session: SteppedSession) -> FeedError | None:
    """Run a feed, as after a restart, until it waits for its next round; return its failure."""
    running = asyncio.create_task(feed.run(session))
    seen, quiet = session.seen, 0
    while not running.done() and quiet < _QUIET_TURNS:
        await asyncio.sleep(0)
        quiet = quiet + 1 if session.seen == seen else 0
        seen = session.seen
    running.cancel()
    with suppress(asyncio.CancelledError):
        try:
            await running
        except FeedError as error:
            return error
    return None
