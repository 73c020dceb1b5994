"""A feed's session that keeps what lands in memory, and worlds on free ports."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from energy_platform.raw_message import RawMessage
from energy_platform.simulator.clock import MarketClock
from energy_platform.simulator.journal import Journal
from energy_platform.simulator.world import SimulatorPorts, World, simulated_addresses


@dataclass
class MemorySession:
    """A `FeedSession` for tests: lands in memory, never waits for a turn."""

    source_name: str
    state_directory: Path
    addresses: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    cursor: str | None = None
    landed: list[RawMessage] = field(default_factory=list)
    bans: dict[str, float] = field(default_factory=dict)

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        self.landed.extend(messages)
        self.cursor = cursor if cursor is not None else self.cursor

    def address(self, url: str) -> str:
        for real, stand_in in self.addresses.items():
            if url.startswith(real):
                return stand_in + url.removeprefix(real)
        return url

    def secret(self, variable: str) -> str:
        return self.secrets.get(variable, "simulated")

    async def turn(self, provider: str, requests_per_second: float) -> None:
        pass

    def ban(self, provider: str, seconds: float) -> None:
        self.bans[provider] = seconds


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def a_world(
    folder: Path,
    *,
    origin: datetime | None = None,
    speed: float = 1.0,
    rate: float = 1.0,
    replay: Path | None = None,
) -> World:
    """Return a world on free ports that keeps its state below `folder`."""
    http, ftp, ftps, aws, sns_endpoint = free_ports(5)
    now = datetime.now(UTC)
    return World(
        clock=MarketClock(origin=origin or now, started_at=now, speed=speed),
        seed=7,
        rate=rate,
        ports=SimulatorPorts(http=http, ftp=ftp, ftps=ftps, aws=aws, sns_endpoint=sns_endpoint),
        folder=folder,
        replay=replay,
        journal=Journal(folder / "journal"),
    )


def a_session(world: World, source: str) -> MemorySession:
    """Return a session for a source's feed that reaches the world in place of the market."""
    state = world.folder / "feeds" / source
    state.mkdir(parents=True, exist_ok=True)
    return MemorySession(source, state, addresses=simulated_addresses(world.ports))
