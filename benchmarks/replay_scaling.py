"""How much faster two processes stage a replay than one.

    python benchmarks/replay_scaling.py [--rounds 3]

Made-up messages of an order book and of ENTSO-E's generation land and are planned into ranges.
Then one process and two stage the same ranges, in turn, starts included. The ratio of their wall
times says what a second core gains, if both cores are free; the ratio of CPU times says what it
costs, whatever else the machine does. What was staged is removed before each round.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil

from benchmarks.batch import loads
from benchmarks.flat_history import midnight
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.replay.plan import RangeSize
from energy_platform.pipeline.replay.runners.processes import Processes
from energy_platform.pipeline.replay.stager import Stager
from energy_platform.storage.landing import LandingZone

BATCHES: Final = {"nord_pool_intraday_order_book": (720, 10_000), "entsoe_generation": (300, 230)}
"""How many of the benchmark `batch`'s large loads land of a source, and the messages of a range."""
ROOM: Final = 2**32


@dataclass(frozen=True, slots=True)
class Spent:
    """What staging took, starts included."""

    wall_seconds: float
    cpu_seconds: float


def main() -> None:
    """Land, plan, stage by one process and by two, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        zone = LandingZone.open(Path(folder).as_uri())
        for source, size in landed(zone):
            for number in range(rounds):
                counts = (1, 2) if number % 2 else (2, 1)
                spent = {count: staged(zone, folder, source, size, count) for count in counts}
                told(source, spent[1], spent[2])


def landed(zone: LandingZone) -> Iterable[tuple[MarketSource, RangeSize]]:
    """Land the messages of each source; yield it with the size of its ranges."""
    for load in loads(30):
        if load.is_small or load.source.name not in BATCHES:
            continue
        batches, messages = BATCHES[load.source.name]
        writer, start = zone.writer(load.source.name), midnight()
        bodies = itertools.chain.from_iterable(load.bodies(number) for number in range(batches))
        writer.append(
            [
                RawMessage(
                    body=body, context=context, received_at=start + number * timedelta(seconds=1)
                )
                for number, (body, context) in enumerate(bodies)
            ],
            None,
        )
        yield load.source, RangeSize(messages=messages)


def staged(
    zone: LandingZone, folder: str, source: MarketSource, size: RangeSize, count: int
) -> Spent:
    """Stage all that landed with a number of processes."""
    runner = Processes(landing=Path(folder).as_uri(), most_bytes=ROOM, count=count)
    stager = Stager(zone=zone, runner=runner, most_bytes=ROOM, size=size)
    began, before = time.monotonic(), children_seconds()
    plan = stager.stage(source, range(zone.log(source.name).end_offset()))
    spent = Spent(time.monotonic() - began, children_seconds() - before)
    if plan is None:
        raise RuntimeError("one range is not staged")
    stager.clear(source)
    return spent


def children_seconds() -> float:
    """Return the CPU of all ended children."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def told(source: MarketSource, one: Spent, two: Spent) -> None:
    """Print what two processes gain over one, and what they cost."""
    print(
        f"{source.name}: one process {one.wall_seconds:.1f} s ({one.cpu_seconds:.1f} CPU s),"
        f" two {two.wall_seconds:.1f} s ({two.cpu_seconds:.1f} CPU s):"
        f" {one.wall_seconds / two.wall_seconds:.2f} times as fast,"
        f" {two.cpu_seconds / one.cpu_seconds:.2f} times the CPU;"
        f" load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"
    )


if __name__ == "__main__":
    main()
