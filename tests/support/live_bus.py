"""The live bus's own process, as the platform plans it, and what its followers get."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import polars as pl
import pytest
from google.api_core.exceptions import NotFound
from redis import Redis

from energy_platform.operations.supervision.ports import live_bus_socket
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.storage.live_bus.protocol import Gap, LiveBus, Message, OnLink, Rows
from energy_platform.storage.live_bus.pubsub import PubSubBus
from energy_platform.storage.live_bus.streams import stream
from energy_platform.storage.live_bus.valkey import ValkeyBus
from tests.support.valkey_process import PATIENCE_SECONDS, ValkeyProcess

EACH_BUS = pytest.mark.parametrize("bus", ["valkey", "pubsub"], indirect=True)
"""Runs a test with a live bus of each kind."""


class LiveBusProcess(ValkeyProcess):
    """A home's live bus, which can be killed and started again."""

    def __init__(self, home: Path, *options: str) -> None:
        super().__init__(home, "live-bus", live_bus_socket(home), *options)

    def bus(self) -> ValkeyBus:
        bus = open_live_bus(self.settings)
        assert isinstance(bus, ValkeyBus)
        return bus


class Following:
    """A follower that reads in the background, from the moment when it has begun."""

    def __init__(
        self,
        bus: LiveBus,
        sources: Iterable[str],
        cursor: str | None = None,
        on_link: OnLink | None = None,
    ) -> None:
        self._messages = bus.follow(sources, cursor, on_link=on_link)
        self._next: asyncio.Task[Message] | None = None

    async def begin(self) -> "Following":
        """Read the places from which it follows, which takes a moment."""
        self._next = asyncio.ensure_future(_first(self._messages))
        await asyncio.sleep(0.3)
        return self

    async def next(self) -> Message:
        task = self._next or asyncio.ensure_future(_first(self._messages))
        self._next = None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await task

    async def rows(self) -> Rows:
        message = await self.next()
        assert isinstance(message, Rows), message
        return message

    async def gap(self) -> Gap:
        message = await self.next()
        assert isinstance(message, Gap), message
        return message

    async def is_idle(self, seconds: float = 0.3) -> bool:
        """Return whether no message comes within some time."""
        self._next = self._next or asyncio.ensure_future(_first(self._messages))
        done, _ = await asyncio.wait([self._next], timeout=seconds)
        return not done

    async def end(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self._messages.aclose()


async def _first(messages: AsyncGenerator[Message, None]) -> Message:
    return await anext(messages)


def begin_streams(bus: LiveBus, *sources: str) -> None:
    """Begin the streams that are not there, so that followers have the first gap behind them."""
    for source in sources:
        if not _has_begun(bus, source):
            bus.publish(source, some_rows(range(0)), copy="", offsets=range(0))


def _has_begun(bus: LiveBus, source: str) -> bool:
    if isinstance(bus, PubSubBus):
        try:
            bus._client().get_topic(topic=bus._address.topic(source), timeout=PATIENCE_SECONDS)
        except NotFound:
            return False
        return True
    assert isinstance(bus, ValkeyBus)
    with Redis.from_url(bus._address()) as client:
        return bool(client.exists(stream(source)))


def some_rows(offsets: range, *, text: str = "a") -> pl.DataFrame:
    """Return one row per landing offset."""
    return pl.DataFrame({"landing_offset": list(offsets), "said": [text] * len(offsets)})
