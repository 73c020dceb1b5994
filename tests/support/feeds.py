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

from energy_platform.errors import FeedError
from energy_platform.ingest.simulated_market import stand_in
from energy_platform.market.clock import MarketClock
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from simulator.journal import Journal
from simulator.world import Pace, World


@dataclass
class MemorySession:
    """A `FeedSession` for tests: lands in memory, never waits for a turn.

    A session of a simulated `world` refuses addresses that the world has no stand-in for.
    """

    source_name: str
    state_directory: Path
    addresses: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    clock: MarketClock | None = None
    cursor: str | None = None
    landed: list[RawMessage] = field(default_factory=list)
    bans: dict[str, float] = field(default_factory=dict)
    ca_file: Path | None = None
    world: World | None = None

    @property
    def inbox(self) -> Path:
        return self.state_directory.parent.parent / "inbox" / self.source_name

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        self.landed.extend(messages)
        self.cursor = cursor if cursor is not None else self.cursor

    def now(self) -> datetime:
        return self.clock.now() if self.clock else datetime.now(UTC)

    def address(self, url: str) -> str:
        stood_in = stand_in(self.addresses, self.source_name, url)
        if stood_in is None and self.world is not None:
            raise FeedError(f"no stand-in for {url}")
        return stood_in or url

    def secret(self, variable: str) -> str:
        own = self.addresses.get(f"{self.source_name} {variable}")
        stood_in = own or self.addresses.get(variable, "simulated")
        return self.secrets.get(variable) or stood_in

    def wall_seconds(self, market_time: timedelta) -> float:
        return market_time.total_seconds() / (self.clock.speed if self.clock else 1.0)

    async def turn(self, provider: Provider) -> None:
        pass

    def ban(self, provider: Provider, seconds: float | None) -> None:
        self.bans[provider.name] = provider.ban.total_seconds() if seconds is None else seconds


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that were free a moment ago.

    They lie below the ports that the system gives to outgoing connections and to port 0. Each comes
    round once in a thousand calls, so that nobody takes one before its server does.
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
    """Yield the ports of this process's own range for ever, from a random one on."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw15")
    first = 15_000 + int(worker.removeprefix("gw")) % 16 * 1_000
    start = random.SystemRandom().randrange(
        1_000
    )  # no seed, since two simultaneous runs might share it
    return (first + number % 1_000 for number in itertools.count(start))


_PORTS = _ports()


def nowhere(scheme: str) -> dict[str, str]:
    """Return addresses that map all of a scheme to a port of loopback where nobody listens."""
    [port] = free_ports(1)
    return {f"{scheme}://": f"{scheme.replace('https', 'http')}://127.0.0.1:{port}/"}


def a_world(  # noqa: PLR0913 (a test may choose any of these)
    folder: Path,
    *,
    origin: datetime | None = None,
    speed: float = 1.0,
    rate: float = 1.0,
    replay: Path | None = None,
    pace: Pace | None = None,
) -> World:
    """Return a world that keeps its state, and that of its sources' feeds, below `folder`."""
    now = datetime.now(UTC)
    return World(
        clock=MarketClock(origin=origin or now, started_at=now, speed=speed),
        seed=7,
        rate=rate,
        folder=folder,
        feeds=folder / "feeds",
        replay=replay,
        pace=pace or Pace(),
        journal=Journal(folder / "journal"),
    )


def a_session(world: World, source: str) -> MemorySession:
    """Return a session for a source's feed that reaches the world in place of the market.

    It follows the world from one run to the next; addresses without a stand-in lead nowhere.
    """
    state = world.feeds / source
    state.mkdir(parents=True, exist_ok=True)
    return MemorySession(source, state, addresses=world.addresses, clock=world.clock, world=world)
