"""Puts a plan's questions to a simulated provider, at instants of the past.

The provider is the simulator's, on a real socket, and the questions and requests are those of the
source's own feed. Only the clock is another one: it stands at the instant of each question. What a
provider shows is a pure function of the clock, so it shows what it would have shown then.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from demo.plan import Asked, Polls
from demo.windows import Window
from energy_platform.feeds.polling import Ask
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.session import MarketSession
from energy_platform.market.clock import MarketClock
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.settings import Settings
from simulator.journal import Journal
from simulator.server import running
from simulator.world import Pace, World

_WITHOUT_LIMIT = 1e9
"""How many times as many requests as usual a provider admits: a demo asks for months at once."""


def standing_world(folder: Path, seed: int, at: datetime) -> World:
    """Return the world of a seed, with a clock that stands until it is put on."""
    return World(
        clock=MarketClock(origin=at, started_at=at, frozen_at=at),
        seed=seed,
        rate=1.0,
        folder=folder,
        feeds=folder / "feeds",
        replay=None,
        journal=Journal(folder / "journal"),
        pace=Pace(requests=_WITHOUT_LIMIT),
    )


def in_order(asked: Asked, windows: Iterable[Window]) -> list[tuple[datetime, Polls]]:
    """Return when a source is asked, and what, in order of time."""
    times = [
        (at, polls) for window in windows for polls in asked.polls for at in polls.times(window)
    ]
    return sorted(times, key=lambda pair: pair[0])


async def answers(
    source: MarketSource, asked: Asked, windows: Iterable[Window], world: World, settings: Settings
) -> AsyncIterator[RawMessage]:
    """Yield the answers to a source's questions, in order of their receipt."""
    feed = source.feed
    if not isinstance(feed, RestFeed):
        raise TypeError(f"{source.name} is not asked, it is not polled by REST")
    async with running(world, [asked.provider]):
        here = settings.model_copy(update={"addresses": dict(world.addresses)})
        session = _TurnAtOnce.open(source, here, ProviderLimits(here.state), _Nowhere())
        async with feed.connection(session) as ask:
            for at, polls in in_order(asked, windows):
                world.clock.frozen_at = at
                start, end = at - polls.back, at + polls.ahead
                for request in feed.requests(start, end):
                    if _is_wanted(request, polls):
                        narrowed = polls.narrowed(request, start, end)
                        async for message in _pages(feed, ask, narrowed):
                            yield replace(message, received_at=at)


class _TurnAtOnce(MarketSession):
    """A session whose feed never waits for its turn: its clock stands while it asks for months."""

    async def turn(self, provider: Provider) -> None:
        """Return at once."""


class _Nowhere:
    """Where nothing lands: a demo lands its messages in bulk."""

    cursor = None

    async def land(self, messages: object, cursor: str | None) -> None:
        raise NotImplementedError


def _is_wanted(request: RestRequest, polls: Polls) -> bool:
    told = {**request.params, **request.context}
    return all(told.get(name) in values for name, values in polls.only.items())


async def _pages(
    feed: RestFeed, ask: Ask[RestRequest], request: RestRequest
) -> AsyncIterator[RawMessage]:
    """Ask one question; yield its answer page by page."""
    page: RestRequest | None = request
    while page is not None:
        message = (await ask(page, {})).message
        if message is None:
            return
        if feed.answers is not None:
            feed.answers(message.body)
        yield message
        page = None if feed.following is None else feed.following(page, message.body)
