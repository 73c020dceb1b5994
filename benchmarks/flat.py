"""Whether the platform stays as quick as on its first day, after 90 days of history.

    python benchmarks/flat.py [--days 90] [--homes FOLDER] [--json flat.json]

`flat_history` makes a home with all the days, a copy of it after 31 days for the question about a
month, and a home with a single day. The last day of the first and of the single-day home is
yesterday, so both are asked for the same times. Each round copies each home, and measures the copy
in a new process, so that all meet the same machine and each round meets the same home. A figure is
the later home's CPU divided by the earlier one's; each is the least of the rounds' medians.
`--homes` keeps the homes in a folder, and uses those that are there.
"""

import argparse
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil
from dagster import RunRequest, build_sensor_context

from benchmarks.figures import Figure, print_table, write_json
from benchmarks.flat_history import (
    FREQUENCY,
    PRICE,
    Copied,
    environment,
    frequency,
    make_home,
    opened_instance,
)
from benchmarks.goals import FLAT
from benchmarks.ui_queries import ui_queries
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.storage.landing import LandingWriter

MONTH_DAYS: Final = 30
TIMES: Final = 40
ROUNDS: Final = 5
AS_OF_A_MONTH: Final = "as_of of a month"
MEMORY: Final = "memory"


class Cost(NamedTuple):
    """What something costs once: ms of CPU and of wall time; of memory, MB twice."""

    cpu: float
    wall: float


Costs = Mapping[str, Cost]


def main() -> None:
    """Make the homes, measure them in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--homes", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", metavar="HOME", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        homes = made_homes(arguments.homes or Path(folder), arguments.days)
        found: dict[str, list[Costs]] = {name: [] for name in homes}
        figures: list[Figure] = []
        for number in range(arguments.rounds):
            for name, home in homes.items():
                found[name].append(in_a_process(home))
            figures = compared(found, arguments.days)
            print(f"round {number + 1} of {arguments.rounds} is measured", flush=True)
            if arguments.json:
                write_json(figures, arguments.json)
        print_table(figures)
        for name, home in homes.items():
            print(f"{name}: {sizes(home)}")


def made_homes(folder: Path, days: int) -> dict[str, Path]:
    """Return the homes by name, each made unless it is there."""
    homes = {name: folder / name.replace(" ", "_") for name in ("day 1", f"day {days}")}
    month = f"day {MONTH_DAYS + 1}"
    if days > MONTH_DAYS + 1:
        homes[month] = folder / month.replace(" ", "_")
    copied = Copied(MONTH_DAYS + 1, homes[month]) if month in homes else None
    began = time.monotonic()
    if not homes[f"day {days}"].exists():
        in_another_process(partial(make_home, homes[f"day {days}"], days, copied=copied))
    if not homes["day 1"].exists():
        in_another_process(partial(make_home, homes["day 1"], 1))
    print(f"{days} days of history: {time.monotonic() - began:.0f} s")
    return homes


def in_another_process(work: Callable[[], object]) -> None:
    """Do some work in a new process, since a process opens one home."""
    with get_context("spawn").Pool(1) as pool:
        pool.apply(work)


def in_a_process(home: Path) -> Costs:
    """Measure a copy of a home in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home, copy)
        done = subprocess.run(
            [sys.executable, __file__, "--measure", copy],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return {name: Cost(*cost) for name, cost in found.items()}


def measured(home: Path) -> Costs:
    """Return the cost of each thing in a home."""
    with environment(home), opened_instance() as instance:
        # These open the home that the environment names.
        from definitions import defs  # noqa: PLC0415
        from energy_platform.market.registry import market_source  # noqa: PLC0415
        from energy_platform.pipeline.stores import micro_batches  # noqa: PLC0415
        from energy_platform.reading.platform import here  # noqa: PLC0415
        from resources import Platform  # noqa: PLC0415

        sensor = defs.resolve_sensor_def("grid_sensor")

        def tick() -> None:
            with build_sensor_context(
                instance=instance, resources={"platform": Platform()}
            ) as context:
                asked = sensor(context)
            if isinstance(asked, RunRequest):
                raise SystemExit("the home is not at rest")

        tick()
        found = {"start-up": Cost(time.process_time() * 1000, wall_ms())}
        found["tick"] = cost(tick)
        end = newest(PRICE)
        day, month = end - timedelta(days=1), end - timedelta(days=MONTH_DAYS)
        found["load of a day"] = cost(lambda: here.load(PRICE, start=day, end=end))
        found[AS_OF_A_MONTH] = cost(
            lambda: here.load(PRICE, start=month, end=end, as_of="D-1 14:00 Europe/Berlin")
        )
        writer, at = micro_batches().landing.writer(FREQUENCY), newest(FREQUENCY)
        later = count()
        found["micro-batch"] = cost(
            lambda: Platform().run(market_source(FREQUENCY)),
            before=lambda: land_a_minute(writer, at + next(later) * timedelta(minutes=1)),
        )
        found[MEMORY] = Cost(*[resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024] * 2)
        with ui_queries(instance) as queries:
            found |= {name: cost(query) for name, query in queries.items()}
    return found


def wall_ms() -> float:
    """Return how long this process has run."""
    return (time.time() - psutil.Process().create_time()) * 1000


def newest(source: str) -> datetime:
    """Return the end of the last day that a source has values for, from the table's statistics."""
    from energy_platform.market.registry import market_source  # noqa: PLC0415
    from energy_platform.pipeline.stores import warehouse  # noqa: PLC0415
    from energy_platform.pipeline.tables import market_table  # noqa: PLC0415

    latest = warehouse().summary(market_table(market_source(source))).last_event_at
    if latest is None:
        raise SystemExit(f"{source} is empty")
    return latest.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def land_a_minute(writer: LandingWriter, at: datetime) -> None:
    """Land the next minute of the grid's frequency."""
    writer.append([frequency(at, timedelta(minutes=1))], cursor=None)


def cost(work: Callable[[], object], *, before: Callable[[], object] = lambda: None) -> Cost:
    """Return the median cost of some work once it is warm; what comes before it is not counted."""
    costs = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(TIMES):
            before()
            began, began_at = time.process_time(), time.perf_counter()
            work()
            costs.append((time.process_time() - began, time.perf_counter() - began_at))
    finally:
        gc.enable()
    cpu, wall = (median(each) * 1000 for each in zip(*costs[TIMES // 8 :], strict=True))
    return Cost(cpu, wall)


def compared(found: Mapping[str, Sequence[Costs]], days: int) -> list[Figure]:
    """Return the later home's costs divided by the earlier one's.

    The cost of each is the least of its rounds, since what else the machine does only adds to it.
    """
    least = {
        name: {
            what: Cost(*(min(each) for each in zip(*(one[what] for one in rounds), strict=True)))
            for what in rounds[0]
        }
        for name, rounds in found.items()
    }
    last, since = least[f"day {days}"], f"day {MONTH_DAYS + 1}"
    pairs = [(what, "day 1") for what in last if what != AS_OF_A_MONTH]
    if since in least:
        pairs.append((AS_OF_A_MONTH, since))
    return [_ratio(what, least[earlier][what], last[what]) for what, earlier in pairs]


def _ratio(what: str, before: Cost, after: Cost) -> Figure:
    if what == MEMORY:
        note = f"{before.cpu:,.0f}, then {after.cpu:,.0f} MB"
    else:
        note = (
            f"{before.cpu:,.1f}, then {after.cpu:,.1f} ms CPU;"
            f" {after.wall / before.wall:.2f} times the wall time"
        )
    return FLAT[what].measured(after.cpu / before.cpu, note)


def sizes(home: Path) -> str:
    """Return files and bytes of each folder of a home."""
    told = []
    for folder in sorted(one for one in home.iterdir() if one.is_dir()):
        files = [one for one in folder.rglob("*") if one.is_file()]
        size = sum(one.stat().st_size for one in files) / 2**20
        told.append(f"{folder.name} {len(files):,} files {size:,.1f} MB")
    return ", ".join(told)


if __name__ == "__main__":
    main()
