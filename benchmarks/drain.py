"""How long what has landed takes into empty stores: a true market day on two cores.

    python benchmarks/drain.py [--hours 2] [--landing FOLDER] [--json drain.json]

Without a folder, the platform runs at sixty-fold speed for so many market hours, as in `volume.py`,
and its landing zone is used. Two processes then take the sources, the largest first, through the
very micro-batches and hot lanes of the platform into an empty warehouse and an empty hot store.
Given are wall time, CPU, and both scaled to the points of a market day of all sources; beside them
stands what reading the same landing zone and parsing nothing takes.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
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


def main() -> None:
    """Land, drain, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0, help="market hours to land")
    parser.add_argument("--landing", type=Path, help="the landing zone of a home that is there")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        landing = asked.landing or landed(Path(folder) / "market", asked.hours)
        began = time.monotonic()
        drained = drain(landing, Path(folder) / "empty")
        seconds = time.monotonic() - began
        read_seconds = read_alone(landing)
    for one in sorted(drained, key=lambda one: -one.cpu_seconds):
        print(
            f"{one.source}: {one.messages:,} messages, {one.rows:,} rows, {one.points:,} points,"
            f" {one.cpu_seconds:.1f} CPU s"
        )
    figures = compared(drained, seconds, read_seconds)
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


def drain(landing: Path, home: Path) -> list[Drained]:
    """Bring all that has landed to the stores of an empty home."""
    zone = LandingZone.open(landing.as_uri())

    def stored_bytes(name: str) -> int:
        log = zone.log(name)
        return log.stored_bytes(0, log.end_offset())

    names = sorted(market_sources(), key=stored_bytes, reverse=True)
    context = get_context("spawn")  # threads of polars don't survive a fork
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as processes:
        return list(processes.map(_drain_one, names, [landing] * len(names), [home] * len(names)))


def _drain_one(name: str, landing: Path, home: Path) -> Drained:
    began = time.process_time()
    source, batches = (
        market_source(name),
        open_micro_batches(Settings(home=home, landing=landing.as_uri())),
    )
    log = batches.landing.log(name)
    while log.end_offset() > batches.warehouse.committed_offset(market_table(source)):
        batches.run(source)
    bring_up(batches, source)
    taken = time.process_time() - began
    stored = batches.warehouse.scan(market_table(source)).collect()
    return Drained(name, log.end_offset(), stored.height, cells(source, stored), taken)


def read_alone(landing: Path) -> float:
    """Return the CPU that it takes to read all messages, and nothing else."""
    zone, began = LandingZone.open(landing.as_uri()), time.process_time()
    for name in market_sources():
        log = zone.log(name)
        at, end = 0, log.end_offset()
        while at < end:
            at += len(log.read(at, end, limit=20_000, limit_bytes=16 << 20))
    return time.process_time() - began


def compared(drained: Sequence[Drained], seconds: float, read_seconds: float) -> list[Figure]:
    """Return the figures of a drained landing zone."""
    points, rows = sum(one.points for one in drained), sum(one.rows for one in drained)
    cpu, scale = sum(one.cpu_seconds for one in drained), DAY_POINTS / points
    said = f"{points:,} points, {rows:,} rows in {seconds:.1f} s, starts included"
    return [
        goals.MARKET_DAY.measured(seconds * scale, said),
        goals.MARKET_DAY_CPU.measured(cpu * scale, f"measured {cpu:.1f} s"),
        Figure(what="reading the messages alone, CPU", value=read_seconds * scale, unit="s"),
    ]


if __name__ == "__main__":
    main()
