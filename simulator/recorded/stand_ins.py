"""Chooses the sources that are served from their cases, and how each is served."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from starlette.routing import BaseRoute, Mount

from energy_platform.feeds.ftp import FtpFeed
from energy_platform.feeds.rest import RestFeed
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.feeds.soap import SoapFeed
from energy_platform.feeds.websocket.feed import WebSocketFeed
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from simulator.recorded.announcements import SnsEndpointStandIn, SnsQueueStandIn
from simulator.recorded.cases import Script
from simulator.recorded.files import FtpStandIn
from simulator.recorded.questions import RestStandIn, SoapStandIn
from simulator.recorded.topics import TopicsStandIn
from simulator.world import World


class StandIn(Protocol):
    """The server of one source: like a provider, but with addresses for this source alone."""

    def addresses(self) -> Mapping[str, str]:
        """Map what the source asks for, by its beginning, to the stand-in."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return what to serve by HTTP."""

    async def run(self) -> None:
        """Publish the cases, and serve what isn't HTTP; may end."""


_BY_FEED: Final[Mapping[type, Callable[..., StandIn]]] = {
    RestFeed: RestStandIn,
    SoapFeed: SoapStandIn,
    FtpFeed: FtpStandIn,
    WebSocketFeed: TopicsStandIn,
    SnsQueueFeed: SnsQueueStandIn,
    SnsEndpointFeed: SnsEndpointStandIn,
}
"""Exact types: a subclass, such as a feed that looks files up in an index, needs a model."""


class Recorded:
    """All sources that no provider has a model of; opened last, when the others are known.

    Attributes:
        sources: Which; unless given, those of the registry that have no model, or that the world's
            replay folder has cases of.
    """

    name = "recorded"
    models = frozenset[str]()

    def __init__(self, world: World, sources: Iterable[MarketSource] | None = None) -> None:
        wanted = _without_a_model(world) if sources is None else sources
        self._served: dict[str, StandIn] = {
            source.name: stand_in
            for source in wanted
            if (stand_in := _stand_in(world, source, f"{world.url}/{self.name}/{source.name}"))
        }

    def addresses(self) -> Mapping[str, str]:
        """Return every source's own addresses, each behind the source's name."""
        return {
            f"{name} {real}": stand_in
            for name, served in self._served.items()
            for real, stand_in in served.addresses().items()
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return each source's routes, below its name."""
        return [
            Mount(f"/{name}", routes=list(served.routes())) for name, served in self._served.items()
        ]

    async def run(self) -> None:
        """Run all until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for served in self._served.values():
                tasks.create_task(served.run())
            await asyncio.Event().wait()


def _without_a_model(world: World) -> Iterator[MarketSource]:
    for source in market_sources().values():
        if source.name not in world.modelled or world.recorded(source.name):
            yield source


def _stand_in(world: World, source: MarketSource, url: str) -> StandIn | None:
    """Return what serves a source at a URL; None for a feed of a kind that is not known."""
    opened = _BY_FEED.get(type(source.feed))
    return None if opened is None else opened(world, Script(world, source), source.feed, url)
