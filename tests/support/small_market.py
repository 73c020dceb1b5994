"""A market of few providers and a collector of few sources, each in a process of its own.

    python -m tests.support.small_market PROVIDER…

runs the market; `small_market` starts both, for tests to strike. Batches run in the test's process.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from energy_platform.market.clock import MarketClock
from energy_platform.market.registry import market_source
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings, settings
from simulator.journal import Journal
from simulator.server import CONTROLS, serve
from simulator.world import ADDRESSES_NAME, CLOCK_NAME, World
from tests.support import collector_process
from tests.support.accounts import Account, account
from tests.support.running_platform import wait_for

START_SECONDS = 180.0
ARRIVES_SECONDS = 120.0
"""How long a row may be on its way when market time stands: a feed may pause after a fault."""


@dataclass
class SmallMarket:
    """A market, a collector, and what they have left in a home.

    Attributes:
        home: The home of both.
        providers: The simulated providers, by their modules' names.
        sources: The sources that are collected.
        environment: The environment of both.
    """

    home: Path
    providers: Sequence[str]
    sources: Sequence[str]
    environment: dict[str, str]
    batches: MicroBatches = field(init=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batches = open_micro_batches(Settings(home=self.home))

    @property
    def addresses(self) -> Mapping[str, str]:
        """The addresses and variables of the market that listens now."""
        told: dict[str, str] = json.loads(self._told.read_bytes())
        return told

    @property
    def _told(self) -> Path:
        return self.home / "simulator" / ADDRESSES_NAME

    def start_market(self) -> None:
        """Start the market, and wait until it listens."""
        self._told.unlink(missing_ok=True)
        self._start("market", "-m", __name__, *self.providers)
        wait_for("market", self._told.exists, START_SECONDS)

    def start_collector(self, name: str = "collector") -> None:
        """Start a collector; it logs to `logs/NAME.log`."""
        self._start(name, collector_process.__file__, *self.sources)

    def _start(self, name: str, *command: str) -> None:
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command], env=self.environment, stdout=output, stderr=output
            )

    def kill(self, name: str) -> None:
        """Kill one of the processes."""
        self.processes[name].kill()
        self.processes.pop(name).wait(60)

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop one of the processes while the context lasts."""
        self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send_signal(signal.SIGCONT)

    def ask_fault(self, source: str, kind: str, *, count: int = 1, seconds: float = 1.0) -> None:
        """Let the market do something wrong; see `simulator.faults`."""
        asked = {"source": source, "kind": kind, "count": count, "seconds": seconds}
        self._control("faults", asked)

    def _control(self, what: str, asked: Mapping[str, object] | None = None) -> httpx.Response:
        url = f"{self.addresses[CONTROLS]}/{what}"
        return httpx.post(url, json=asked, timeout=60).raise_for_status()

    def run_batches(self) -> None:
        """Store all that has landed."""
        for name in self.sources:
            while self.batches.is_behind(market_source(name)):
                self.batches.run(market_source(name))

    def landed(self) -> dict[str, int]:
        """Return where each source's log ends."""
        return {name: self.batches.landing.log(name).end_offset() for name in self.sources}

    def wait_until_it_moves(self) -> None:
        """Wait until each source has landed something new, and store it."""
        before = self.landed()
        wait_for(
            "new messages",
            lambda: all(now > before[name] for name, now in self.landed().items()),
            START_SECONDS,
        )
        self.run_batches()

    def accounts(self) -> list[Account]:
        """Stop market time, wait for what is on its way, and hold each source to account."""
        answer = self._control("freeze")
        market_time = datetime.fromisoformat(answer.json()["market_time"])
        frozen, deadline = datetime.now(UTC), time.monotonic() + ARRIVES_SECONDS
        while True:
            self.run_batches()
            found = [self._account(one, market_time, frozen) for one in self.sources]
            if time.monotonic() > deadline or all(one.lost.is_empty() for one in found):
                return found
            time.sleep(1.0)

    def _account(self, name: str, market_time: datetime, frozen: datetime) -> Account:
        source = market_source(name)
        return account(
            source,
            Journal(self.home / "simulator" / "journal"),
            self.batches.warehouse.scan(market_table(source)).collect(),
            market_time=market_time,
            settled_by=frozen,
        )


@contextmanager
def small_market(
    home: Path, providers: Sequence[str], sources: Sequence[str]
) -> Iterator[SmallMarket]:
    """Run a market until the context ends; the test starts its collectors."""
    home.mkdir(parents=True)
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    market = SmallMarket(home, providers, sources, environment)
    try:
        market.start_market()
        yield market
    finally:
        for process in market.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(60)


def _main(providers: Sequence[str]) -> None:
    chosen = settings()
    folder = chosen.simulator_folder
    folder.mkdir(parents=True, exist_ok=True)
    world = World(
        clock=MarketClock.resume(folder / CLOCK_NAME, origin=None, speed=1.0),
        seed=7,
        rate=1.0,
        folder=folder,
        feeds=chosen.home / "feeds",
        replay=None,
        journal=Journal(folder / "journal"),
    )
    modules = [importlib.import_module(f"simulator.providers.{name}") for name in providers]
    asyncio.run(serve(world, [module.PROVIDER for module in modules]))


if __name__ == "__main__":
    _main(sys.argv[1:])
