"""Stands in for every REST source that has no model: serves its recorded payloads, in turn.

So a new source flows on a laptop as soon as it has a test case. Payloads come from the world's
replay folder or, without one, from the source's test cases in the checkout.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from energy_platform.feeds.rest import RestFeed
from energy_platform.market.registry import market_sources
from simulator.world import World

_TESTCASES: Final = Path(__file__).parents[1] / "tests" / "testcases"


class Recorded:
    """All the providers that nobody has modelled: opened last, when the modelled ones are known."""

    name = "recorded"

    def __init__(self, world: World) -> None:
        self._world = world

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the server of each REST source that no other provider stands in for."""
        modelled = tuple(self._world.addresses)
        return {
            server: f"{self._world.url}/{self.name}/{source}"
            for source, server in _rest_servers()
            if not any(server.startswith(real) or real.startswith(server) for real in modelled)
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return one route for all sources: whatever is asked, the next payload is the answer."""
        payloads = {source: cycle(_payloads(self._world, source)) for source, _ in _rest_servers()}

        async def answer(request: Request) -> Response:
            file = next(payloads.get(request.path_params["source"], iter(())), None)
            if file is None:
                return Response("no payload is recorded", HTTPStatus.NOT_FOUND)
            return Response(file.read_bytes())

        return [Route("/{source}/{path:path}", answer)]

    async def run(self) -> None:
        """Wait: recorded payloads don't move."""
        await asyncio.Event().wait()


def _rest_servers() -> Iterator[tuple[str, str]]:
    """Yield each REST source and the server that it asks, e.g. `https://api.example.org`."""
    now = datetime.now(UTC)
    for source in market_sources().values():
        if isinstance(source.feed, RestFeed):
            url = urlsplit(source.feed.requests(now, now)[0].url)
            yield source.name, f"{url.scheme}://{url.netloc}"


def _payloads(world: World, source: str) -> list[Path]:
    return world.recorded(source) or sorted((_TESTCASES / source).glob("*/payload*"))
