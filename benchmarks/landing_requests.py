"""Requests that landing costs a bucket's owner: all sources at market pace, with their readers.

    python benchmarks/landing_requests.py [--seconds 60] [--linger 0.2 --linger 2] [--json FILE]

The collector's tasks of all sources ask the simulated markets and land in a store of this process,
which counts what obstore is asked for. Beside them a follower reads each message as the hot lane
does, and a look at each log every four seconds, as the sensors have it, is followed by a read as a
micro-batch has it. A listing has one page, since a folder has a thousand segments. Leases and
merging are not counted. The delay is from a message's receipt to the follower's hands.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from unittest import mock

import obstore
from obstore.store import MemoryStore

from benchmarks.figures import Figure, print_table, write_json
from energy_platform.ingest.collector.source_task import SourceTask
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.market.registry import market_sources
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingLog, LandingZone

KINDS: Final = {"put": "A", "list": "A", "list_with_delimiter": "A", "get": "B", "head": "B"}
USD_FOR_TEN_THOUSAND: Final = {"A": 0.05, "B": 0.004}
"""Google's prices of standard storage in one region, as published in 2026."""
SECONDS_A_MONTH: Final = 30 * 24 * 3600
LOOK_SECONDS: Final = 4.0
WARM_UP_SECONDS: Final = 30.0
"""At the start every source asks for days of history."""


def main() -> None:
    """Measure each linger in turn, and print requests a second and what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--linger", type=float, action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, simulator(Path(folder)):
        for linger in arguments.linger or [0.2, 2.0]:
            figures += asyncio.run(measured(Path(folder), linger, arguments.seconds))
    print_table(figures)
    if arguments.json:
        write_json(figures, arguments.json)


@contextmanager
def simulator(home: Path) -> Iterator[None]:
    """Run the simulated markets until the context ends."""
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    process = subprocess.Popen([sys.executable, "-m", "simulator"], env=environment)
    try:
        market = SimulatedMarket.of(Settings(home=home))
        if market is None:
            raise RuntimeError("the markets are not simulated")
        market.wait(120)
        yield
    finally:
        process.kill()  # it keeps nothing that is needed
        process.wait(timeout=30)


@contextmanager
def counted(counts: Counter[str]) -> Iterator[None]:
    """Count what obstore is asked for."""

    def counting(name: str, asked: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object, **options: object) -> object:
            counts[name] += 1
            return asked(*arguments, **options)

        return call

    with ExitStack() as patches:
        for name in KINDS:
            asked = counting(name, getattr(obstore, name))
            patches.enter_context(mock.patch.object(obstore, name, asked))
        yield


async def measured(home: Path, linger: float, seconds: float) -> list[Figure]:
    """Return the requests a second and the delay with one linger."""
    store, loop = MemoryStore(), asyncio.get_running_loop()
    news: asyncio.Queue[str] = asyncio.Queue()

    def tell(name: str, _offsets: range) -> None:
        loop.call_soon_threadsafe(news.put_nowait, name)

    zone = LandingZone(store, tell)
    settings = Settings(home=home, linger_seconds=linger)
    limits, counts, delays = ProviderLimits(settings.state), Counter[str](), list[float]()
    sources = list(market_sources().values())
    jobs = [SourceTask(source, settings, zone, limits) for source in sources]
    with counted(counts):
        tasks = [asyncio.create_task(job.run()) for job in jobs]
        tasks.append(asyncio.create_task(follow(LandingZone(store), news, delays)))
        tasks.append(asyncio.create_task(look(LandingZone(store), [one.name for one in sources])))
        await asyncio.sleep(WARM_UP_SECONDS)
        counts.clear()
        delays.clear()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        per_second = {kind: counts[kind] / took for kind in KINDS}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return figured(linger, per_second, delays)


def figured(linger: float, per_second: dict[str, float], delays: list[float]) -> list[Figure]:
    """Return the figures of one linger."""
    usd = {
        letter: sum(rate for kind, rate in per_second.items() if KINDS[kind] == letter)
        * SECONDS_A_MONTH
        / 10_000
        * price
        for letter, price in USD_FOR_TEN_THOUSAND.items()
    }
    cuts = quantiles(delays, n=20)
    return [
        *(
            Figure(what=f"{kind}, linger {linger:g} s", value=rate, unit="a second")
            for kind, rate in per_second.items()
        ),
        Figure(
            what=f"requests, linger {linger:g} s",
            value=sum(usd.values()),
            unit="USD a month",
            note=f"{usd['A']:.1f} of class A, {usd['B']:.1f} of class B",
        ),
        Figure(
            what=f"delay, linger {linger:g} s",
            value=cuts[9],
            unit="s",
            note=f"p95 {cuts[18]:.2f} s, of {len(delays):,} messages",
        ),
    ]


async def follow(zone: LandingZone, news: asyncio.Queue[str], delays: list[float]) -> None:
    """Read what lands as soon as it has landed, as the hot lane does."""
    reached: Counter[str] = Counter()
    while True:
        name = await news.get()
        received = await asyncio.to_thread(new_messages, zone.log(name), reached)
        now = datetime.now(UTC)
        delays += [(now - at).total_seconds() for at in received]


async def look(zone: LandingZone, names: list[str]) -> None:
    """Look at all logs again and again, and read what is new, as sensors and batches do."""
    reached: Counter[str] = Counter()
    while True:
        for name in names:
            await asyncio.to_thread(new_messages, zone.log(name), reached)
        await asyncio.sleep(LOOK_SECONDS)


def new_messages(log: LandingLog, reached: Counter[str]) -> list[datetime]:
    """Read what a log has beyond what was reached; return when each message was received."""
    name = log._source_name  # noqa: SLF001 (a log is its source's)
    stop = log.end_offset()
    messages = log.read(reached[name], stop)
    reached[name] = stop
    return [message.received_at for message in messages]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
