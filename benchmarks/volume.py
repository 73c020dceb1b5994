"""A market day at sixty-fold speed: how many data points each source gives, none lost or doubled.

A data point is a value cell that is not null: a row with two prices counts twice. The simulator's
journal says what was emitted, and when in market time; the warehouse says what arrived. If a value
is revised twice between two polls, the middle one may be missing, as on the real market: it counts
as emitted and not as stored.

At sixty-fold speed two cores are too few for the streams at their natural rate, so the streams run
at a fifth of it: their counts are low, not high.

    python benchmarks/volume.py [--hours 24] [--speed 60] [--rate 0.2]
"""

import argparse
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from energy_platform.market.clock import MarketClock
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from simulator.journal import Journal
from simulator.world import CLOCK_NAME
from tests.support.comparison import compare, journalled_rows
from tests.support.platform_run import come_to_rest, cpu_seconds, freeze, pid_of, running

ASKED_POINTS = 100_000
DAY = timedelta(days=1)
QUIET_SECONDS = 90.0
"""How long nothing may land before the platform counts as at rest."""
CATCHING_UP_SECONDS = 900.0
UNDER_WAY_SECONDS = 30.0


@dataclass(frozen=True)
class Volume:
    """The figures of one source.

    Attributes:
        source: Its name.
        emitted: Data points that became visible per market day.
        stored: How many of them are in the warehouse.
        stale: Keys whose newest values are not there: lost points.
        doubled: Rows that repeat the row before.
        invented: Rows that were never emitted.
    """

    source: str
    emitted: float
    stored: float
    stale: int
    doubled: int
    invented: int


def volume(source: MarketSource, home: Path, began: datetime, ended: datetime) -> Volume:
    """Count a source's points of the market time from `began` to `ended`, scaled to a day."""
    journal = Journal(home / "simulator" / "journal")
    stored = open_micro_batches(Settings(home=home)).warehouse.scan(market_table(source)).collect()
    found = compare(source, journal, stored)
    instants = [emission.market_at for emission in journal.emissions(source.name)]
    inside = [number for number, at in enumerate(instants) if began < at <= ended]
    emitted = journalled_rows(source, journal).filter(pl.col("landing_offset").is_in(inside))
    said = [*source.key, *source.value_columns]
    kept = emitted.join(stored.select(said), on=said, how="semi", nulls_equal=True)
    days = (ended - began) / DAY
    return Volume(
        source.name,
        cells(source, emitted) / days,
        cells(source, kept) / days,
        found.stale.height,
        found.doubled,
        found.invented.height,
    )


def cells(source: MarketSource, rows: pl.DataFrame) -> int:
    """Return how many values these rows hold: numbers that are neither key nor null."""
    return sum(rows[name].count() for name in source.plotted)


def report(volumes: list[Volume], seconds: float) -> None:
    """Print the table; return whether the figures are as required."""
    print("\n| source | points a day, emitted | stored | lost | doubled | invented |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for one in sorted(volumes, key=lambda one: -one.stored):
        print(
            f"| `{one.source}` | {one.emitted:,.0f} | {one.stored:,.0f} |"
            f" {one.stale} | {one.doubled} | {one.invented} |"
        )
    large = sum(one.stored >= ASKED_POINTS for one in volumes)
    wrong = sum(one.stale + one.doubled + one.invented for one in volumes)
    total = sum(one.stored for one in volumes)
    print(f"\n{large} sources with {ASKED_POINTS:,} points a day or more; {total:,.0f} in all.")
    print(f"{wrong} rows lost, doubled or invented. {seconds:.0f} s to catch up after the end.")


def main() -> None:
    """Run a market day and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="market hours to run")
    parser.add_argument("--speed", type=float, default=60.0, help="market seconds per second")
    parser.add_argument("--rate", type=float, default=0.2, help="of the streams' natural rate")
    asked = parser.parse_args()
    os.environ["ENERGY_PLATFORM_SIMULATOR_SPEED"] = f"{asked.speed:g}"
    os.environ["ENERGY_PLATFORM_SIMULATOR_RATE"] = f"{asked.rate:g}"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running(home) as supervisor:
            settings = Settings(home=home)
            clock = MarketClock.load(home / "simulator" / CLOCK_NAME)
            began, before, started = clock.now(), cpu_seconds(supervisor), time.monotonic()
            print(f"{datetime.now(UTC):%H:%M:%S} every source flows; market time {began}")
            time.sleep(asked.hours * 3600 / asked.speed)
            ended, after = clock.now(), cpu_seconds(supervisor)
            elapsed = time.monotonic() - started
            freeze(supervisor.home)
            # Messages that a stream was sending to a killed collector are lost, on the real market
            # too.
            time.sleep(UNDER_WAY_SECONDS)
            # Messages that a killed collector was holding are fetched again within the longest
            # interval: an hour, which is a minute here.
            os.kill(pid_of(supervisor, "collector"), signal.SIGKILL)
            frozen = time.monotonic()
            come_to_rest(
                open_micro_batches(settings),
                quiet_seconds=QUIET_SECONDS,
                within_seconds=CATCHING_UP_SECONDS,
            )
            caught_up = time.monotonic() - frozen - QUIET_SECONDS
            for name, (seconds, memory_mb) in after.items():
                cores = (seconds - before[name][0]) / elapsed
                print(f"{name}: {cores:.2f} cores, {memory_mb:.0f} MB")
        sources = market_sources().values()
        report([volume(source, home, began, ended) for source in sources], caught_up)


if __name__ == "__main__":
    main()
