"""A live bus of each kind, and followers of it that end with their test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from energy_platform.storage.live_bus.valkey import ValkeyBus
from tests.support.live_bus import Following, LiveBusProcess, begin_streams

Follow = Callable[..., Awaitable[Following]]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[LiveBusProcess]:
    running = LiveBusProcess(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def bus(process: LiveBusProcess) -> ValkeyBus:
    return process.bus()


@pytest.fixture
async def follow(bus: ValkeyBus) -> AsyncIterator[Follow]:
    followers: list[Following] = []

    async def begin(*sources: str, cursor: str | None = None) -> Following:
        if cursor is None:
            begin_streams(bus, *sources)
        followers.append(Following(bus, sources, cursor))
        return await followers[-1].begin()

    yield begin
    for one in followers:
        await one.end()
