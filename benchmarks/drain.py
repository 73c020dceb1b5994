"""How long what has landed takes into empty stores: a true market day on two cores.

    python benchmarks/drain.py [--hours 2] [--landing FOLDER] [--json drain.json]

Without a folder, the platform runs at sixty-fold speed for so many market hours, as in `volume.py`,
and its landing zone is used. Two processes then take the sources, the largest first, through the
very micro-batches and hot lanes of the platform into an empty warehouse and an empty hot store.
Given are wall time, CPU, and both scaled to the points of a market day of all sources; beside them
stands what reading the same landing zone and parsing nothing takes. The start of the processes is
part of the wall time and is not scaled, since a market day needs it once too. What is stored is
counted afterwards.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.volume import cells
from energy_platform.market.registry import market_source, market_sources
from energy_platform.pipeline.hot_lane.lane import bring_up
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingZone
from tests.support.platform_run import come_to_rest, freeze, running

PROCESSES: Final = 2
SPEED: Final = 60.0
RATE: Final = 0.2
QUIET_SECONDS: Final = 30.0
CATCHING_UP_SECONDS: Final = 900.0
START_SECONDS: Final = 300.0
DAY_POINTS: Final = 3_100_000


@dataclass(frozen=True)
class Drained:
    """What one source took.

    Attributes:
        source: Its name.
        messages: How many had landed.
        rows: How many are stored.
        points: How many values they hold that are not null.
        cpu_seconds: What the process used for it.
    """

    source: str
    messages: int
    rows: int
    points: int
    cpu_seconds: float


@dataclass(frozen=True)
class Took:
    """How long the draining took.

    Attributes:
        start_seconds: Until both processes had made their imports.
        seconds: From then until all was stored.
    """

    start_seconds: float
    seconds: float


def main() -> None:
    """Land, drain, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0, help="market hours to land")
    parser.add_argument("--landing", type=Path, help="the landing zone of a home that is there")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        landing = asked.landing or landed(Path(folder) / "market", asked.hours)
        drained, took = drain(landing, Path(folder) / "empty")
        read_seconds = read_alone(landing)
    for one in sorted(drained, key=lambda one: -one.cpu_seconds):
        print(
            f"{one.source}: {one.messages:,} messages, {one.rows:,} rows, {one.points:,} points,"
            f" {one.cpu_seconds:.1f} CPU s"
        )
    figures = compared(drained, took, read_seconds)
    print_table(figures)
    if asked.json:
        write_json(figures, asked.json)


def landed(home: Path, hours: float) -> Path:
    """Run the platform for so many market hours; return its landing zone."""
    home.mkdir()
    os.environ["ENERGY_PLATFORM_SIMULATOR_SPEED"] = f"{SPEED:g}"
    os.environ["ENERGY_PLATFORM_SIMULATOR_RATE"] = f"{RATE:g}"
    with running(home) as supervisor:
        time.sleep(hours * 3600 / SPEED)
        freeze(supervisor)
        come_to_rest(
            open_micro_batches(Settings(home=home)),
            quiet_seconds=QUIET_SECONDS,
            within_seconds=CATCHING_UP_SECONDS,
        )
    return home / "landing"


def drain(landing: Path, home: Path) -> tuple[list[Drained], Took]:
    """Bring all that has landed to the stores of an empty home."""
    zone = LandingZone.open(landing.as_uri())

    def stored_bytes(name: str) -> int:
        log = zone.log(name)
        return log.stored_bytes(0, log.end_offset())

    names = sorted(market_sources(), key=stored_bytes, reverse=True)
    settings = Settings(home=home, landing=landing.as_uri())
    context = get_context("spawn")  # threads of polars don't survive a fork
    are_ready, began = context.Barrier(PROCESSES + 1), time.monotonic()
    with ProcessPoolExecutor(
        PROCESSES, mp_context=context, initializer=_be_ready, initargs=(are_ready,)
    ) as processes:
        taken = processes.map(_drain_one, names, [settings] * len(names))
        are_ready.wait(START_SECONDS)
        started = time.monotonic()
        cpu_seconds = list(taken)
        took = Took(started - began, time.monotonic() - started)
    return list(map(_counted, names, cpu_seconds, [settings] * len(names))), took


def _be_ready(are_ready: Barrier) -> None:
    """Import all sources, and wait for the other processes."""
    market_sources()
    are_ready.wait(START_SECONDS)


def _drain_one(name: str, settings: Settings) -> float:
    """Bring what has landed of a source to both stores; return the CPU seconds."""
    began = time.process_time()
    source, batches = market_source(name), open_micro_batches(settings)
    log = batches.landing.log(name)
    while log.end_offset() > batches.warehouse.committed_offset(market_table(source)):
        batches.run(source)
    bring_up(batches, source)
    return time.process_time() - began


def _counted(name: str, cpu_seconds: float, settings: Settings) -> Drained:
    source, batches = market_source(name), open_micro_batches(settings)
    stored = batches.warehouse.scan(market_table(source)).collect()
    landed_messages = batches.landing.log(name).end_offset()
    return Drained(name, landed_messages, stored.height, cells(source, stored), cpu_seconds)


def read_alone(landing: Path) -> float:
    """Return the CPU that it takes to read all messages, and nothing else."""
    zone, began = LandingZone.open(landing.as_uri()), time.process_time()
    for name in market_sources():
        log = zone.log(name)
        at, end = 0, log.end_offset()
        while at < end:
            at += len(log.read(at, end, limit=20_000, limit_bytes=16 << 20))
    return time.process_time() - began


def compared(drained: Sequence[Drained], took: Took, read_seconds: float) -> list[Figure]:
    """Return the figures of a drained landing zone."""
    points, rows = sum(one.points for one in drained), sum(one.rows for one in drained)
    cpu, scale = sum(one.cpu_seconds for one in drained), DAY_POINTS / points
    said = (
        f"{points:,} points, {rows:,} rows in {took.seconds:.1f} s, after a start of"
        f" {took.start_seconds:.1f} s"
    )
    return [
        goals.MARKET_DAY.measured(took.start_seconds + took.seconds * scale, said),
        goals.MARKET_DAY_CPU.measured(cpu * scale, f"measured {cpu:.1f} s"),
        Figure(what="reading the messages alone, CPU", value=read_seconds * scale, unit="s"),
    ]


if __name__ == "__main__":
    main()
