"""How long what has landed takes into empty stores: a true market day on two cores.

    python benchmarks/drain.py [--hours 2] [--landing FOLDER] [--json drain.json]

Without a folder, the platform runs at sixty-fold speed for so many market hours, as in `volume.py`,
and its landing zone is used. Two processes then take the sources, the largest first, through the
very micro-batches and hot lanes of the platform into an empty warehouse and an empty hot store.
Given are wall time, CPU, and both scaled to the points of a market day of all sources; beside them
stands what reading the same landing zone and parsing nothing takes. The start of the processes is
part of the wall time and is not scaled, since a market day needs it once too. What is stored is
counted afterwards.

A source that fails, or for which a process works too long, loses the figures of the whole day and
no other source's, which are printed and written all the same. Landing takes the market hours at
sixty-fold speed and the platform's start: two hours are two and a half minutes on a quiet machine,
and five beside much other work.
"""

import argparse
import faulthandler
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.volume import cells
from energy_platform.market.registry import market_source, market_sources
from energy_platform.operations import metrics
from energy_platform.pipeline.hot_lane.lane import bring_up
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingZone
from tests.support.platform_run import running

PROCESSES: Final = 2
SPEED: Final = 60.0
RATE: Final = 0.2
START_SECONDS: Final = 300.0
SOURCE_SECONDS: Final = 240.0
"""How long one source may take: a fifth of a market day, and the largest takes some four seconds of
it on a quiet machine.
"""
DAY_POINTS: Final = 3_100_000


@dataclass(frozen=True)
class Drained:
    """What one source took.

    Attributes:
        source: Its name.
        messages: How many had landed.
        rows: How many are stored.
        points: How many values they hold that are not null.
        cpu_seconds: What the process and its helpers used for it.
        failed: Why it did not get to the end; empty if it did.
    """

    source: str
    messages: int = 0
    rows: int = 0
    points: int = 0
    cpu_seconds: float = 0.0
    failed: str = ""


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
        drained, took = drain(landing.absolute(), Path(folder) / "empty")
        figures = compared(drained, took)
        if asked.json:
            write_json(figures, asked.json, sources=[asdict(one) for one in drained])
        figures.append(reading_alone(landing.absolute(), drained))
    for one in sorted(drained, key=lambda one: -one.cpu_seconds):
        print(
            f"{one.source}: {one.messages:,} messages, {one.rows:,} rows, {one.points:,} points,"
            f" {one.cpu_seconds:.1f} CPU s {one.failed}"
        )
    print_table(figures)
    if asked.json:
        write_json(figures, asked.json, sources=[asdict(one) for one in drained])


def landed(home: Path, hours: float) -> Path:
    """Run the platform for so many market hours; return its landing zone."""
    home.mkdir()
    os.environ["ENERGY_PLATFORM_SIMULATOR_SPEED"] = f"{SPEED:g}"
    os.environ["ENERGY_PLATFORM_SIMULATOR_RATE"] = f"{RATE:g}"
    with running(home):
        time.sleep(hours * 3600 / SPEED)
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
        taken = {name: processes.submit(_drain_one, name, settings) for name in names}
        are_ready.wait(START_SECONDS)
        started = time.monotonic()
        wait(taken.values())
        took = Took(started - began, time.monotonic() - started)
    return [_counted(name, taken[name], settings) for name in names], took


def _be_ready(are_ready: Barrier) -> None:
    """Import all sources, and wait for the other processes."""
    market_sources()
    are_ready.wait(START_SECONDS)


def _drain_one(name: str, settings: Settings) -> float:
    """Bring what has landed of a source to both stores; return the CPU seconds.

    A process that takes too long says where it is, and ends.
    """
    faulthandler.dump_traceback_later(SOURCE_SECONDS, exit=True)
    began = _cpu_seconds()
    source, batches = market_source(name), open_micro_batches(settings)
    table, log = market_table(source), batches.landing.log(name)
    while log.end_offset() > (reached := batches.warehouse.committed_offset(table)):
        batches.run(source)
        if batches.warehouse.committed_offset(table) <= reached:
            raise RuntimeError(f"its batches stay at offset {reached}")
    if reason := bring_up(batches, source):
        raise RuntimeError(reason)
    faulthandler.cancel_dump_traceback_later()
    return _cpu_seconds() - began


def _cpu_seconds() -> float:
    return metrics.cpu_seconds(metrics.family(os.getpid()))


def _counted(name: str, taken: Future[float], settings: Settings) -> Drained:
    """Return what a source took, and what is stored of it."""
    if error := taken.exception():
        return Drained(name, failed=f"{type(error).__name__}: {error}")
    source, batches = market_source(name), open_micro_batches(settings)
    stored = batches.warehouse.scan(market_table(source)).collect()
    landed_messages = batches.landing.log(name).end_offset()
    return Drained(
        name, landed_messages, stored.height, cells(source, stored), cpu_seconds=taken.result()
    )


def read_alone(landing: Path) -> float:
    """Return the CPU that it takes to read all messages, and nothing else."""
    zone, began = LandingZone.open(landing.as_uri()), time.process_time()
    for name in market_sources():
        log = zone.log(name)
        at, end = 0, log.end_offset()
        while at < end:
            at += len(log.read(at, end, limit=20_000, limit_bytes=16 << 20))
    return time.process_time() - began


def reading_alone(landing: Path, drained: Sequence[Drained]) -> Figure:
    """Return the figure of reading alone, which loses none of the others if it fails."""
    try:
        value, note = read_alone(landing) * DAY_POINTS / sum(one.points for one in drained), ""
    except Exception as error:  # noqa: BLE001 (the day has been measured)
        value, note = None, f"{type(error).__name__}: {error}"
    return Figure(what="reading the messages alone, CPU", value=value, unit="s", note=note)


def compared(drained: Sequence[Drained], took: Took) -> list[Figure]:
    """Return the figures of a drained landing zone."""
    if failed := [f"{one.source}: {one.failed}" for one in drained if one.failed]:
        note = "; ".join(failed)
        return [goal.measured(None, note) for goal in (goals.MARKET_DAY, goals.MARKET_DAY_CPU)]
    points, rows = sum(one.points for one in drained), sum(one.rows for one in drained)
    cpu, scale = sum(one.cpu_seconds for one in drained), DAY_POINTS / points
    said = (
        f"{points:,} points, {rows:,} rows in {took.seconds:.1f} s, after a start of"
        f" {took.start_seconds:.1f} s"
    )
    return [
        goals.MARKET_DAY.measured(took.start_seconds + took.seconds * scale, said),
        goals.MARKET_DAY_CPU.measured(cpu * scale, f"measured {cpu:.1f} s"),
    ]


if __name__ == "__main__":
    main()
