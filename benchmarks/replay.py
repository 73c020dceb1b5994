"""What it takes to replay five sources by the command line, process starts included.

    python benchmarks/replay.py [--profile] [--json replay.json]

Made-up messages of about `ROWS` rows land and are stored by micro-batches. Then each source is
replayed by `energy-platform replay`, one process after the other. Beside it, in the same run and
also a process per source, `replay_peer` parses the same messages and writes the rows with polars.
Given are CPU and wall time of all processes, both scaled to `ROWS` rows. `--profile` prints where
the time of the replays goes, in this process.
"""

import argparse
import cProfile
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil

from benchmarks import goals
from benchmarks.batch import loads
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.flat_history import FREQUENCY, PRICE, STEP, frequency, midnight, prices
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings

ROWS: Final = 306_000
BATCHES: Final = {
    "nord_pool_intraday_order_book": 9,
    "entsoe_generation": 4,
    "noaa_gfs_wind_forecast": 12,
}
"""How many batches of each of `batch`'s large loads land."""
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Spent:
    """What the processes took together."""

    cpu_seconds: float
    wall_seconds: float


def main() -> None:
    """Land, store, replay, and print what it took beside the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = stored(home)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(all_of([replaying(name) for name in rows], home))
            theirs.append(all_of([the_peer(home, name) for name in rows], home))
        if asked.profile:
            profile(home, rows)
    figures = compared(rows, best(ours), best(theirs))
    print_table(figures)
    if asked.json:
        write_json(figures, asked.json)


def messages() -> dict[str, list[RawMessage]]:
    """Return each source's messages."""
    large = {load.source.name: load for load in loads(len(BATCHES)) if not load.is_small}
    made = {
        name: [
            RawMessage(
                body=body,
                received_at=midnight() + timedelta(seconds=number),
                context={**large[name].source.context, **context},
            )
            for number in range(count)
            for body, context in large[name].bodies(number)
        ]
        for name, count in BATCHES.items()
    }
    day = midnight() - timedelta(days=1)
    moments = [day + number * STEP for number in range(timedelta(days=1) // STEP)]
    made[FREQUENCY] = [frequency(at, STEP) for at in moments]
    made[PRICE] = [message for at in moments[1:] for message in prices(at)]
    return made


def stored(home: Path) -> dict[str, int]:
    """Land the messages and store them; return how many rows each source has."""
    batches = open_micro_batches(Settings(home=home))
    for name, landed in messages().items():
        batches.landing.writer(name).append(landed, cursor=None)
        while batches.is_behind(market_source(name)):
            batches.run(market_source(name))
    return {name: rows_of(batches, name) for name in (*BATCHES, FREQUENCY, PRICE)}


def rows_of(batches: MicroBatches, name: str) -> int:
    """Return how many rows a source's table has."""
    return batches.warehouse.scan(market_table(market_source(name))).collect().height


def replaying(name: str) -> list[str]:
    """Return the command that replays all of a source."""
    program = Path(sys.executable).with_name("energy-platform")
    return [str(program), "replay", name, "--from", "2000-01-01T00:00:00Z"]


def the_peer(home: Path, name: str) -> list[str]:
    """Return the command that parses all of a source and writes it with polars."""
    peer = PROJECT / "benchmarks" / "replay_peer.py"
    return [sys.executable, str(peer), str(home / "landing"), name]


def all_of(commands: Sequence[Sequence[str]], home: Path) -> Spent:
    """Run commands one after the other."""
    environment = {
        "ENERGY_PLATFORM_HOME": str(home),
        "PYTHONPATH": str(PROJECT),
        "PATH": "/usr/bin:/bin",
    }
    before, began = children_seconds(), time.monotonic()
    for command in commands:
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=home)
    return Spent(children_seconds() - before, time.monotonic() - began)


def children_seconds() -> float:
    """Return the CPU of all ended children."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def best(spent: Sequence[Spent]) -> Spent:
    """Return the least of some rounds, which other work has disturbed the least."""
    return min(spent, key=lambda one: one.cpu_seconds)


def profile(home: Path, names: Mapping[str, int]) -> None:
    """Print where the time of the replays goes, without the processes' starts."""
    batches, profiler = open_micro_batches(Settings(home=home)), cProfile.Profile()
    for name in names:
        began = time.process_time()
        profiler.runcall(replay, batches, market_source(name), start=0)
        print(f"{name}: {time.process_time() - began:.2f} CPU s")
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)


def compared(rows: Mapping[str, int], ours: Spent, theirs: Spent) -> list[Figure]:
    """Return the figures, scaled to `ROWS` rows."""
    count = sum(rows.values())
    scale, said = ROWS / count, f"{count:,} rows; parsing and polars alone"
    return [
        goals.REPLAY_CPU.measured(
            ours.cpu_seconds * scale, f"{said} {theirs.cpu_seconds * scale:.1f} s"
        ),
        goals.REPLAY_WALL.measured(
            ours.wall_seconds * scale, f"{said} {theirs.wall_seconds * scale:.1f} s"
        ),
    ]


if __name__ == "__main__":
    main()
