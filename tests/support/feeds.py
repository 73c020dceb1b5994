"""A feed's session that keeps what lands in memory, and worlds on free ports."""

import itertools
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from energy_platform.market.clock import MarketClock
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from simulator.journal import Journal
from simulator.world import SimulatorPorts, World, simulated_addresses


@dataclass
class MemorySession:
    """A `FeedSession` for tests: lands in memory, never waits for a turn."""

    source_name: str
    state_directory: Path
    addresses: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    clock: MarketClock | None = None
    cursor: str | None = None
    landed: list[RawMessage] = field(default_factory=list)
    bans: dict[str, float] = field(default_factory=dict)
    ca_file: Path | None = None

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        self.landed.extend(messages)
        self.cursor = cursor if cursor is not None else self.cursor

    def now(self) -> datetime:
        return self.clock.now() if self.clock else datetime.now(UTC)

    def address(self, url: str) -> str:
        for real, stand_in in self.addresses.items():
            if url.startswith(real):
                return stand_in + url.removeprefix(real)
        return url

    def secret(self, variable: str) -> str:
        return self.secrets.get(variable) or self.addresses.get(variable, "simulated")

    def wall_seconds(self, market_time: timedelta) -> float:
        return market_time.total_seconds() / (self.clock.speed if self.clock else 1.0)

    async def turn(self, provider: Provider) -> None:
        pass

    def ban(self, provider: Provider, seconds: float | None) -> None:
        self.bans[provider.name] = provider.ban.total_seconds() if seconds is None else seconds


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that were free a moment ago.

    They lie below those that the system gives to outgoing connections and to port 0, and each comes
    round once in a thousand, so that nobody takes one before its server does.
    """
    with ExitStack() as stack:
        return [_bound_port(stack) for _ in range(count)]


def _bound_port(stack: ExitStack) -> int:
    while True:
        with suppress(OSError):
            port = next(_PORTS)
            stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return port


def _ports() -> Iterator[int]:
    """Return the ports of this process's own range, from a random one on, for ever."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw15")
    first = 15_000 + int(worker.removeprefix("gw")) % 16 * 1_000
    start = random.SystemRandom().randrange(1_000)  # no seed, which two runs at once might share
    return (first + number % 1_000 for number in itertools.count(start))


_PORTS = _ports()


def a_world(
    folder: Path,
    *,
    origin: datetime | None = None,
    speed: float = 1.0,
    rate: float = 1.0,
    replay: Path | None = None,
) -> World:
    """Return a world on free ports that keeps its state below `folder`."""
    http, ftp, ftps, gme_ftps, aws, sns_endpoint = free_ports(6)
    now = datetime.now(UTC)
    return World(
        clock=MarketClock(origin=origin or now, started_at=now, speed=speed),
        seed=7,
        rate=rate,
        ports=SimulatorPorts(
            http=http,
            ftp=ftp,
            ftps=ftps,
            gme_ftps=gme_ftps,
            aws=aws,
            sns_endpoint=sns_endpoint,
        ),
        folder=folder,
        replay=replay,
        journal=Journal(folder / "journal"),
    )


def a_session(world: World, source: str) -> MemorySession:
    """Return a session for a source's feed that reaches the world in place of the market."""
    state = world.folder / "feeds" / source
    state.mkdir(parents=True, exist_ok=True)
    return MemorySession(
        source, state, addresses=simulated_addresses(world.ports), clock=world.clock
    )
