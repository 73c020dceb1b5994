"""What a micro-batch costs: its fixed cost, and how many rows it processes per second of CPU.

    python benchmarks/batch.py [--batches 60] [--json batch.json]

Batches of made-up messages go from a landing zone into the embedded stores, warm, as in a worker:
parse, check, compare with known rows, commit. For comparison, pandera alone validates the rows of
the same batches in the same run. CPU seconds are those of all threads and of the process that
reads GRIB; wall seconds are printed too, and are less reliable on a busy machine. `--profile`
also prints where the time of one load goes.

A source's batches go to one worker while it is free (`resources.launcher`), as here. One load goes
to either of two workers by chance, which is what that rule saves.
"""

import argparse
import cProfile
import json
import pstats
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import psutil

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.goals import Goal
from energy_platform.encodings.grib_frames import frames
from energy_platform.formats.entsoe.codes import BIDDING_ZONES, PRODUCTION_TYPES
from energy_platform.market.clock import MarketClock
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Settings, StatePlace
from simulator.journal import Journal
from simulator.providers.entsoe.documents import (
    GENERATION_AND_LOAD,
    Series,
    element,
    series_document,
)
from simulator.providers.noaa.gfs_files import forecast_file
from simulator.providers.noaa.gfs_schedule import Issue
from simulator.providers.nord_pool.contracts import Contract
from simulator.providers.nord_pool.order_book import BUY, SELL, ShownOrder
from simulator.providers.nord_pool.wire import BookRow
from simulator.world import World

_NOW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
_QUARTER: Final = timedelta(minutes=15)
_HOT_DAYS: Final = 40
"""All rows below are younger, so that each is written to the hot store."""
_WARM_BATCHES: Final = 12
_WINDS: Final = (1, 2, 4, 5, 7, 8)
"""The places of the winds in a file of the simulated GFS."""

Bodies = Callable[[int], list[tuple[bytes, dict[str, str]]]]
"""Returns the messages of a batch by its number: bodies and contexts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One kind of batch.

    Attributes:
        goal: What is wanted of it.
        source: The messages' source.
        bodies: The messages of each batch.
        batches: How many batches are measured.
        is_small: Whether to print the fixed cost, or the rows per second.
        workers: How many workers take batches, each with a memory of its own.
    """

    goal: Goal
    source: MarketSource
    bodies: Bodies
    batches: int
    is_small: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of some work, for each batch."""

    cpu_seconds: Sequence[float]
    wall_seconds: Sequence[float]
    rows: int

    @property
    def rows_per_cpu_second(self) -> float:
        """Over all batches."""
        return self.rows / sum(self.cpu_seconds)

    @property
    def median_ms(self) -> float:
        """The CPU of a batch."""
        return float(np.median(self.cpu_seconds)) * 1000

    @property
    def median_wall_ms(self) -> float:
        """The wall time of a batch."""
        return float(np.median(self.wall_seconds)) * 1000


def loads(batches: int) -> list[Load]:
    """Return the loads to measure."""
    book = market_source("nord_pool_intraday_order_book")
    few = max(3, batches // 10)
    return [
        Load(
            goal=goal,
            source=book,
            bodies=_order_book(messages=count, orders=1),
            batches=batches,
            is_small=True,
            workers=workers,
        )
        for goal, count, workers in (
            (goals.ONE_MESSAGE, 1, 1),
            (goals.TWENTY_MESSAGES, 20, 1),
            (goals.EITHER_WORKER, 20, 2),
        )
    ] + [
        Load(
            goal=goals.ORDER_BOOK,
            source=book,
            bodies=_order_book(messages=500, orders=20),
            batches=few,
        ),
        Load(
            goal=goals.GENERATION,
            source=market_source("entsoe_generation"),
            bodies=_generation,
            batches=few,
        ),
        Load(
            goal=goals.GFS,
            source=market_source("noaa_gfs_wind_forecast"),
            bodies=_gfs,
            batches=few,
        ),
    ]


def measure(load: Load, *, profiled: bool = False) -> Figure:
    """Return the figure of one load."""
    with tempfile.TemporaryDirectory() as folder:
        workers, history = landed(Path(folder), load), BatchHistory(StatePlace(Path(folder)))
        chance = random.Random(1)

        def run() -> int:
            report = chance.choice(workers).run(load.source)
            history.add(report)
            return report.rows_parsed

        for _ in range(_warm(load)):
            run()
        collects = Collects()
        with collects:
            run()
        profile = cProfile.Profile()
        if profiled:
            profile.enable()
        spent = spent_on(run for _ in range(load.batches))
        profile.disable()
        if profiled:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
    peer = _pandera_alone(load)
    return figure(load, spent, peer, collects.count)


def figure(load: Load, spent: Spent, peer: Spent, collects: int) -> Figure:
    """Return the figure of a load, beside what pandera alone takes."""
    rows = spent.rows / load.batches
    note = (
        f"{rows:,.0f} rows, wall {spent.median_wall_ms:.1f} ms, {collects} collects of polars;"
        f" pandera alone {peer.median_ms:.1f} ms"
    )
    if load.is_small:
        return load.goal.measured(spent.median_ms, note)
    return load.goal.measured(
        spent.rows_per_cpu_second, f"{note} = {peer.rows_per_cpu_second:,.0f} rows/CPU s"
    )


def _warm(load: Load) -> int:
    return _WARM_BATCHES if load.is_small else 2


def landed(home: Path, load: Load) -> list[MicroBatches]:
    """Land all messages; return each worker's stores, with the size that makes the batches."""
    each = [_messages(load, number) for number in range(_warm(load) + 1 + load.batches)]
    settings = Settings(
        home=home,
        batch_messages=len(each[0]),
        landing=(home / "landing").as_uri(),
        hot_days=_HOT_DAYS,
    )
    workers = [open_micro_batches(settings) for _ in range(load.workers)]
    writer = workers[0].landing.writer(load.source.name)
    for messages in each:
        writer.append(messages, cursor=None)
    return workers


def _messages(load: Load, number: int) -> list[RawMessage]:
    return [
        RawMessage(
            body=body,
            received_at=_NOW + timedelta(seconds=number),
            context={**load.source.context, **context},
            landing_offset=place,
        )
        for place, (body, context) in enumerate(load.bodies(number))
    ]


def _pandera_alone(load: Load) -> Spent:
    """Validate the rows of the same batches with pandera and nothing else."""
    frames = [
        check_messages(load.source, _messages(load, number)).rows
        for number in range(min(load.batches, 20) + 2)
    ]

    def validated(frame: pl.DataFrame) -> int:
        load.source.schema.validate(frame, lazy=True)
        return frame.height

    for frame in frames[:2]:
        validated(frame)
    return spent_on(partial(validated, frame) for frame in frames[2:])


def spent_on(work: Iterator[Callable[[], int]]) -> Spent:
    """Do some work, and return what each part of it cost."""
    cpu, wall, rows = [], [], 0
    helpers = psutil.Process().children(recursive=True)
    for one in work:
        began, began_at = _cpu_seconds(helpers), time.perf_counter()
        rows += one()
        cpu.append(_cpu_seconds(helpers) - began)
        wall.append(time.perf_counter() - began_at)
    return Spent(cpu, wall, rows)


def _cpu_seconds(helpers: Sequence[psutil.Process]) -> float:
    """Return the CPU seconds of this process and of those that it started."""
    used = [helper.cpu_times() for helper in helpers]
    return time.process_time() + sum(one.user + one.system for one in used)


class Collects:
    """Counts how often polars executes a plan, eager calls included, in a `with` block."""

    _WAYS: Final = ("collect", "_collect_eager")

    def __init__(self) -> None:
        self.count = 0
        self._originals = {name: getattr(pl.LazyFrame, name) for name in self._WAYS}

    def __enter__(self) -> None:
        for name, original in self._originals.items():
            setattr(pl.LazyFrame, name, self._counted(original))

    def __exit__(self, *_: object) -> None:
        for name, original in self._originals.items():
            setattr(pl.LazyFrame, name, original)

    def _counted(self, original: Callable[..., object]) -> Callable[..., object]:
        def counted(frame: pl.LazyFrame, *args: object, **options: object) -> object:
            self.count += 1
            return original(frame, *args, **options)

        return counted


def _order_book(*, messages: int, orders: int) -> Bodies:
    """Return changes of books: `orders` of them per message, of ever new orders and revisions."""
    contracts = [Contract("QH", _NOW + number * _QUARTER) for number in range(60)]

    def bodies(batch: int) -> list[tuple[bytes, dict[str, str]]]:
        random = np.random.default_rng(batch)
        told = []
        for place in range(messages):
            number = batch * messages + place
            at = _NOW + timedelta(milliseconds=number)
            prices, sizes = random.integers(2_000, 15_000, orders), random.integers(1, 99, orders)
            row = BookRow(
                contracts[number % len(contracts)],
                number + 1,
                [
                    ShownOrder(
                        f"{number}{order:03}",
                        BUY if order % 2 else SELL,
                        int(prices[order]),
                        int(sizes[order]) * 100,
                        at,
                    )
                    for order in range(orders)
                ],
                at,
            )
            sent_at = str(int(at.timestamp() * 1000))
            told.append(
                (
                    json.dumps([row.on_the_wire(22)]).encode(),
                    {"snapshot": "false", "sent_at": sent_at},
                )
            )
        return told

    return bodies


def _generation(batch: int) -> list[tuple[bytes, dict[str, str]]]:
    """Return half a day of generation per type, one document per zone; each batch a later half."""
    random = np.random.default_rng(batch)
    start = _NOW - timedelta(days=1) + batch * 48 * _QUARTER
    window = (start, start + 48 * _QUARTER)
    zones = [*BIDDING_ZONES.values()]
    return [
        (
            series_document(
                GENERATION_AND_LOAD,
                {"type": "A75", "process.processType": "A16"},
                window,
                [
                    Series(
                        head="".join(
                            element(name, value, 4)
                            for name, value in (
                                ("businessType", "A01"),
                                ("objectAggregation", "A08"),
                                ("inBiddingZone_Domain.mRID", zones[place % len(zones)]),
                                ("quantity_Measure_Unit.name", "MAW"),
                            )
                        ),
                        tail=f"    <MktPSRType>\n{element('psrType', code, 6)}    </MktPSRType>\n",
                        curve="A03",
                        start=start,
                        resolution=_QUARTER,
                        values=pl.Series("value", random.normal(2_000, 300, 48).round(2)),
                    )
                    for code in PRODUCTION_TYPES
                ],
                made_at=start,
            ),
            {"in_Domain": zones[place % len(zones)]},
        )
        for place in range(23)
    ]


def _gfs(batch: int) -> list[tuple[bytes, dict[str, str]]]:
    """Return one step of a model run: winds at three heights over Germany."""
    world = World(
        clock=MarketClock(origin=_NOW, started_at=_NOW),
        seed=7,
        rate=1.0,
        folder=Path(),
        feeds=Path(),
        replay=None,
        journal=Journal(Path()),
    )
    run_at = _NOW.replace(hour=0) - timedelta(days=1)
    file = forecast_file(world, Issue(run_at=run_at, step_hours=batch))
    kept = [message for place, message in enumerate(frames(file.grib)) if place in _WINDS]
    return [(b"".join(kept), {})]


def main() -> None:
    """Measure each load; a load that fails loses only its own figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=60, help="measured of the small loads")
    parser.add_argument("--only", default="", help="only loads whose name has this in it")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/batch.json"))
    chosen = parser.parse_args()
    figures: list[Figure] = []
    for load in loads(chosen.batches):
        if chosen.only not in load.goal.what:
            continue
        try:
            figures.append(measure(load, profiled=chosen.profile))
        except Exception as error:  # noqa: BLE001 (earlier figures are kept)
            figures.append(load.goal.measured(None, f"{error!r}"))
    print_table(figures)
    write_json(figures, chosen.json)


if __name__ == "__main__":
    main()
