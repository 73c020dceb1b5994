"""Where the platform breaks as it grows, what size carries what load, and what that costs.

    python benchmarks/scale.py [--seconds 1800] [--json scale.json]

The costs of collector, hot lane and micro-batch are measured first, on this machine and with the
code of the platform. Those of Dagster are figures of decision 018 and of `latency.py`. Then the
queues of `scale_model` are simulated: the load of today, beside what `latency.py` measured of it;
the size of today under more and more load; and for each load a size in which no part works more
than its share of the time. What could not be measured here, such as how long Cloud Storage takes
for an object, stands in `ASSUMED` and is told as such. `docs/scale.md` discusses the results.
"""

import argparse
import json
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import polars as pl
import polars.selectors as cs

from benchmarks.batch import Load as BatchLoad
from benchmarks.batch import Spent, landed, loads, spent_on
from benchmarks.goals import ONE_MESSAGE, ORDER_BOOK
from benchmarks.scale_model import PEAK, Costs, Load, Outcome, Size, simulated
from benchmarks.scale_prices import Bytes, monthly_usd
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.live_bus.entries import entries

RUN_OF_SIX_SECONDS: Final = 0.122
"""A worker's CPU for a run of six assets with nothing new (decision 018)."""
RUN_SHARE: Final = 1 / 7
"""A run without assets takes as much as one asset: runs of 1 to 12 assets lie on that line."""
LAUNCH_SECONDS: Final = (0.04 + 0.04) * 120 / 72
"""Daemon and code server, 0.04 of a core each, launched 72 runs in 120 s (`latency.py`)."""
POINTS_A_MESSAGE_TODAY: Final = 5.0
"""Three million points a day in 345 segments a minute (`landing.py`), most of one message."""

TODAY: Final = Load(sources=38, points_a_day=3.1e6, points_a_message=POINTS_A_MESSAGE_TODAY)
GROWTH: Final = (
    TODAY,
    Load(sources=100, points_a_day=3e7, points_a_message=10),
    Load(sources=300, points_a_day=3e8),
    Load(sources=1_000, points_a_day=1e9),
    Load(sources=1_000, points_a_day=1e10),
)
"""From today's load to a thousand sources and ten thousand million points a day."""
BUSY_AT_THE_PEAK: Final = 0.6
"""How much of its time a part may work in the first minute of a quarter-hour."""
POINTS_A_TURN: Final = 116
"""What a source of ten million points a day sends in a second."""
GROUP_SHARE: Final = 0.5
"""Which part of its pace a group's run may take at the peak, so that it keeps the pace."""
RUNS_A_SECOND_A_DAEMON: Final = 2.0
CLOUD_LANDING_SECONDS: Final = 0.1
"""Assumed: how long Cloud Storage takes for a small object."""
CLOUD_LINGER_SECONDS: Final = 1.0
CLOUD_LANE_SECONDS: Final = 1.0
ASSUMED: Final = (
    f"Cloud Storage keeps a small object after {CLOUD_LANDING_SECONDS} s",
    "every part gets a core as fast as this one",
    "the stores take what they are given: BigQuery, InfluxDB and Pub/Sub are not simulated",
    f"the first minute of a quarter-hour has {PEAK:g} times the mean rate",
)
_BATCHES: Final = 30


@dataclass(frozen=True, slots=True)
class Line:
    """A load with a size, and what came of it."""

    load: Load
    size: Size
    outcome: Outcome

    @property
    def is_carried(self) -> bool:
        """Whether nearly nothing waits at the end, and no part is at its limit."""
        return self.outcome.waiting < 0.02 and max(self.outcome.busy.values()) < 0.95


def measured_costs() -> tuple[Costs, Bytes]:
    """Measure what each step takes of a core, and what a point takes of the stores."""
    chosen = {load.goal: load for load in loads(_BATCHES)}
    small, big = chosen[ONE_MESSAGE], replace(chosen[ORDER_BOOK], batches=6)
    batches, turns = spent_by(big, batch_of), spent_by(big, lane_of)
    one, lane_one = (spent_by(small, way).median_ms / 1000 for way in (batch_of, lane_of))
    many, lane_many = (spent.median_ms / 1000 for spent in (batches, turns))
    points = batches.rows / big.batches
    segment, message, landing = landing_costs(big)
    asset = RUN_OF_SIX_SECONDS * RUN_SHARE
    return (
        Costs(
            segment=segment,
            message=message,
            landing=landing,
            lane_turn=lane_one,
            lane_point=max(0.0, lane_many - lane_one) / points,
            launch=LAUNCH_SECONDS,
            run=asset,
            asset=asset,
            batch=one,
            point=max(0.0, many - one) / points,
        ),
        bytes_of(big),
    )


def batch_of(home: Path, load: BatchLoad) -> Callable[[], int]:
    """Land a load's messages, and return the work of its next micro-batch."""
    worker = landed(home, load)[0]
    return lambda: worker.run(load.source).rows_parsed


def lane_of(home: Path, load: BatchLoad) -> Callable[[], int]:
    """Land a load's messages, and return the work of the hot lane's next turn."""
    lane = HotLane(landed(home, load)[0], load.source)
    return lambda: int(lane.step())


def spent_by(load: BatchLoad, work_of: Callable[[Path, BatchLoad], Callable[[], int]]) -> Spent:
    """Return what the batches of a load, or the turns, cost, warm."""
    with tempfile.TemporaryDirectory() as folder:
        work = work_of(Path(folder), load)
        for _ in range(3):
            work()
        return spent_on(work for _ in range(load.batches))


def landing_costs(load: BatchLoad) -> tuple[float, float, float]:
    """Return the CPU of a segment and of a message in it, and how long a segment takes.

    The collector also receives and reads what it lands; that is not in these figures.
    """
    with tempfile.TemporaryDirectory() as folder:
        worker = landed(Path(folder), load)[0]
        messages = worker.landing.log(load.source.name).read(0, 500)
        writer = worker.landing.writer(load.source.name)

        def appended(count: int) -> tuple[float, float]:
            cpu, wall = [], []
            for _ in range(_BATCHES):
                began, began_at = time.process_time(), time.perf_counter()
                writer.append(messages[:count], cursor=None)
                cpu.append(time.process_time() - began)
                wall.append(time.perf_counter() - began_at)
            return median(cpu), median(wall)

        (one, wall), (many, _) = appended(1), appended(len(messages))
    message = max(0.0, many - one) / (len(messages) - 1)
    return one - message, message, max(0.0, wall - one)


def bytes_of(load: BatchLoad) -> Bytes:
    """Return what a point takes in the landing zone, in BigQuery's count and on the live bus."""
    with tempfile.TemporaryDirectory() as folder:
        worker = landed(Path(folder), load)[0]
        log = worker.landing.log(load.source.name)
        points = worker.run(load.source).rows_parsed
        batches = log.end_offset() / worker.warehouse.committed_offset(market_table(load.source))
        rows = worker.warehouse.scan(market_table(load.source)).collect()
        landed_bytes = log.size_bytes() / (points * batches)
    turn = rows.head(POINTS_A_TURN)
    told = entries(turn, copy="", offsets=range(turn.height))
    return Bytes(
        landed=landed_bytes,
        stored=billed_bytes(rows),
        published=sum(len(one.payload) for one in told) / turn.height,
    )


def billed_bytes(rows: pl.DataFrame) -> float:
    """Return what BigQuery counts for a row."""
    texts = rows.select(cs.string().str.len_bytes().cast(pl.Float64) + 2)
    numbers = rows.select(~cs.string() & ~cs.boolean()).width
    text_bytes = sum(texts.mean().row(0)) if texts.width else 0.0
    return float(text_bytes + 8 * numbers + rows.select(cs.boolean()).width)


def sized(load: Load, costs: Costs) -> Size:
    """Return a size in which no part works more than its share at the peak of a load.

    Groups are as many as keep a run of each within its share of the pace.
    """
    points = load.points_a_second * PEAK
    messages = points / load.points_a_message
    turns = at_most(load.sources / CLOUD_LINGER_SECONDS, messages)
    collecting = turns * costs.segment + messages * costs.message
    showing = (
        at_most(load.sources / CLOUD_LANE_SECONDS, turns) * costs.lane_turn
        + points * costs.lane_point
    )
    size = Size(
        collectors=cores(collecting),
        linger_seconds=CLOUD_LINGER_SECONDS,
        lanes=cores(showing),
        lane_seconds=CLOUD_LANE_SECONDS,
    )
    per_tick = load.sources * (costs.batch + costs.asset) + points * size.tick_seconds * costs.point
    groups = max(size.groups, math.ceil(per_tick / (GROUP_SHARE * size.tick_seconds)))
    carrying = (per_tick + groups * costs.run) / size.tick_seconds
    return replace(
        size,
        groups=groups,
        daemons=math.ceil(groups / size.tick_seconds / RUNS_A_SECOND_A_DAEMON),
        workers=max(2, cores(carrying)),
    )


def changes(size: Size) -> Iterator[Size]:
    """Change a size in the ways that `docs/scale.md` proposes, each on top of the last."""
    shared = replace(size, shares_objects=True)
    yield shared
    partitioned = replace(shared, sources_an_asset=50)
    yield partitioned
    yield replace(partitioned, tick_seconds=15.0, lane_seconds=2.0)


def at_most(limit: float, value: float) -> float:
    """Return a rate, or its limit where a part gathers what comes faster."""
    return min(limit, value)


def cores(work: float) -> int:
    """Return how many cores have that work, in seconds a second, with room to spare."""
    return max(1, math.ceil(work / BUSY_AT_THE_PEAK))


def line(load: Load, size: Size, costs: Costs, seconds: float) -> Line:
    """Simulate a load with a size."""
    return Line(load, size, simulated(load, size, costs, seconds=seconds))


def table_of(lines: Sequence[Line]) -> Iterator[str]:
    """Tell what came of each load, as a table of Markdown."""
    yield (
        "| sources | points a day | collectors, lanes, groups, daemons, workers"
        " | busy: collectors, lanes, daemons, workers | received → hot store, p50 / p95"
        " | → warehouse, p50 / p95 | objects a second | carried |"
    )
    yield "| ---: | ---: | --- | --- | --- | --- | ---: | --- |"
    for one in lines:
        size, out = one.size, one.outcome
        parts = (size.collectors, size.lanes, size.groups, size.daemons, size.workers)
        busy = ", ".join(f"{share:.0%}" for share in out.busy.values())
        yield (
            f"| {one.load.sources:,} | {one.load.points_a_day:,.0f}"
            f" | {', '.join(str(part) for part in parts)} | {busy}"
            f" | {out.hot.quantile(0.5):.2f} / {out.hot.quantile(0.95):.2f} s"
            f" | {out.stored.quantile(0.5):.1f} / {out.stored.quantile(0.95):.1f} s"
            f" | {out.objects_a_second:,.0f} | {'yes' if one.is_carried else 'no'} |"
        )


def prices_of(lines: Sequence[Line], each: Bytes) -> Iterator[str]:
    """Tell what each size costs in a month, as a table of Markdown."""
    costs = [monthly_usd(one.load, one.size, one.outcome, each) for one in lines]
    yield (
        "| US dollars a month | "
        + " | ".join(f"{one.load.points_a_day:,.0f} points a day" for one in lines)
        + " |"
    )
    yield "| --- |" + " ---: |" * len(lines)
    for what in costs[0]:
        yield f"| {what} | " + " | ".join(f"{one[what]:,.0f}" for one in costs) + " |"
    yield "| together | " + " | ".join(f"{sum(one.values()):,.0f}" for one in costs) + " |"


def main() -> None:
    """Measure, simulate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1_800.0, help="of each simulation")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/scale.json"))
    asked = parser.parse_args()
    logging.getLogger("energy_platform").setLevel(logging.ERROR)  # no live bus runs here
    costs, each = measured_costs()
    for name, value in asdict(costs).items():
        print(f"{name}: {value * 1000:,.4f} ms")
    print(f"a point takes {each}")
    for assumption in ASSUMED:
        print(f"assumed: {assumption}")
    cloud = replace(costs, landing=CLOUD_LANDING_SECONDS)
    same = [line(load, Size(), costs, asked.seconds) for load in GROWTH]
    grown = [line(load, sized(load, cloud), cloud, asked.seconds) for load in GROWTH]
    changed = [line(GROWTH[-1], size, cloud, asked.seconds) for size in changes(grown[-1].size)]
    print("\n== the size of today\n", *table_of(same), sep="\n")
    print("\n== a size for each load\n", *table_of(grown), sep="\n")
    print("\n== what it costs\n", *prices_of(grown, each), sep="\n")
    print("\n== the largest load, one change after the other\n", *table_of(changed), sep="\n")
    print("\n", *prices_of(changed, each), sep="\n")
    told = {
        "costs": asdict(costs),
        "bytes": asdict(each),
        "same": list(table_of(same)),
        "grown": list(table_of(grown)),
        "prices": list(prices_of(grown, each)),
        "changed": list(table_of(changed)),
        "prices_changed": list(prices_of(changed, each)),
    }
    asked.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
