"""A live bus of each kind, and followers of it that end with their test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from energy_platform.storage.live_bus.protocol import LiveBus
from energy_platform.storage.live_bus.pubsub import PubSubBus
from energy_platform.storage.live_bus.valkey import ValkeyBus
from energy_platform.storage.pubsub_address import PubSubAddress
from tests.support.live_bus import Following, LiveBusProcess, begin_streams
from tests.support.pubsub_emulator import PubSubEmulator

Follow = Callable[..., Awaitable[Following]]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[LiveBusProcess]:
    running = LiveBusProcess(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def valkey(process: LiveBusProcess) -> ValkeyBus:
    """A bus in a Valkey."""
    return process.bus()


@pytest.fixture(params=["valkey"])
def bus(request: pytest.FixtureRequest) -> LiveBus:
    """The platform's own bus; tests that are parametrized with `EACH_BUS` run with each kind."""
    opened: LiveBus = request.getfixturevalue(request.param)
    return opened


@pytest.fixture
def pubsub(emulator: PubSubEmulator) -> PubSubBus:
    """A bus in Pub/Sub whose topics no other test knows."""
    return PubSubBus(PubSubAddress("energy", f"test-{uuid4().hex}", emulator.address))


@pytest.fixture
async def follow(bus: LiveBus) -> AsyncIterator[Follow]:
    followers: list[Following] = []

    async def begin(*sources: str, cursor: str | None = None) -> Following:
        if cursor is None:
            begin_streams(bus, *sources)
        followers.append(Following(bus, sources, cursor))
        return await followers[-1].begin()

    yield begin
    for one in followers:
        await one.end()
