"""What is wanted of the hot path, each figure with the benchmark that measures it.

This is the one place that has a goal, and the reason why it is missed where it is known to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure
from energy_platform.storage.warehouse.delta import MEDIUM_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One figure that is wanted.

    Attributes:
        benchmark: The module of `benchmarks` that measures it.
        what: What is measured.
        unit: The unit of the value.
        wanted: The goal; None if the figure is only to be known.
        more_is_better: Whether the value should be at least the goal, or at most.
        if_missed: Why it is missed, where that is known.
    """

    benchmark: str
    what: str
    unit: str
    wanted: float | None = None
    more_is_better: bool = False
    if_missed: str = ""

    def measured(self, value: float | None, note: str = "") -> Figure:
        """Return this figure with a measured value; None if the measurement failed."""
        return Figure(
            what=self.what,
            value=value,
            unit=self.unit,
            wanted=self.wanted,
            more_is_better=self.more_is_better,
            note=note,
        )


_FIXED_COST: Final = (
    "Delta's commit takes 4 to 7 ms, and six plans of polars, each built on the last, 4"
)

TRADES_SHOWN_P50: Final = Goal(
    benchmark="latency", what="trades, received → hot store, p50", unit="s", wanted=0.3
)
TRADES_SHOWN_P95: Final = Goal(
    benchmark="latency", what="trades, received → hot store, p95", unit="s", wanted=0.8
)
TRADES_STORED_P50: Final = Goal(
    benchmark="latency", what="trades, received → warehouse, p50", unit="s"
)
TRADES_STORED_P95: Final = Goal(
    benchmark="latency",
    what="trades, received → warehouse, p95",
    unit="s",
    wanted=5.0,
    if_missed="a batch waits for Dagster's next look at its sensor, every four seconds",
)
TRADES_FOLLOWED_P50: Final = Goal(
    benchmark="latency", what="trades, received → ep.follow in another process, p50", unit="s"
)
TRADES_FOLLOWED_P95: Final = Goal(
    benchmark="latency", what="trades, received → ep.follow in another process, p95", unit="s"
)
CORES: Final = Goal(
    benchmark="latency",
    what="the platform at market pace without the simulator",
    unit="cores",
    wanted=0.35,
)
MEMORY: Final = Goal(
    benchmark="latency",
    what="its memory, proportional set size",
    unit="GB",
    wanted=1.3,
    if_missed="every process has Python with polars or Dagster of its own",
)
FOLLOWED_ALONE: Final = {
    share: Goal(
        benchmark="live_bus", what=f"Valkey: publish to follow, p{share * 100:.0f}", unit="ms"
    )
    for share in (0.5, 0.95)
}
"""By share of the entries; the bus's part of the way to `ep.follow`."""
BUS_CPU: Final = Goal(
    benchmark="live_bus", what="Valkey: CPU of an entry, publisher and follower", unit="ms"
)
UNBOUNDED_ENTRIES: Final = Goal(
    benchmark="latency",
    what="entries of the home that grow without a stated bound",
    unit="entries",
    wanted=0,
)
GROWTH: Final = Goal(
    benchmark="latency",
    what="growth of landing zone and tables before their upkeep, a day",
    unit="GB",
)
ONE_MESSAGE: Final = Goal(
    benchmark="batch",
    what="order book, 1 message a batch",
    unit="ms CPU",
    wanted=12.0,
    if_missed=_FIXED_COST,
)
TWENTY_MESSAGES: Final = Goal(
    benchmark="batch",
    what="order book, 20 messages a batch",
    unit="ms CPU",
    wanted=12.0,
    if_missed=_FIXED_COST,
)
EITHER_WORKER: Final = Goal(
    benchmark="batch",
    what="the same, if either of two workers takes a batch by chance",
    unit="ms CPU",
)
"""What it would cost without the rule that a source's batches go to one worker while it is free."""
ORDER_BOOK: Final = Goal(
    benchmark="batch",
    what="order book, 500 messages of 20 orders a batch",
    unit="rows/CPU s",
    wanted=150_000,
    more_is_better=True,
)
GENERATION: Final = Goal(
    benchmark="batch",
    what="ENTSO-E generation, 23 documents a batch",
    unit="rows/CPU s",
    wanted=150_000,
    more_is_better=True,
)
GFS: Final = Goal(
    benchmark="batch",
    what="GFS wind, one message a batch",
    unit="rows/CPU s",
    wanted=150_000,
    more_is_better=True,
)
REPLAY_CPU: Final = Goal(
    benchmark="replay", what="replay of 306,000 rows of five sources, starts included", unit="CPU s"
)
REPLAY_WALL: Final = Goal(benchmark="replay", what="the same, wall time", unit="s")
MARKET_DAY: Final = Goal(
    benchmark="drain",
    what="a market day of all sources, 3.1 M points, into empty stores, two cores",
    unit="s",
    wanted=25.0,
    if_missed="SQLite takes 2 to 4 µs a point, a third of all; the rest is JSON, archives and XML",
)
MARKET_DAY_CPU: Final = Goal(benchmark="drain", what="the same, CPU", unit="CPU s")
LANDING_FILES: Final = Goal(
    benchmark="landing", what="landing files a day, merged", unit="files", wanted=5_000
)
UPKEEP_MB: Final = Goal(
    benchmark="delta_tables",
    what="written by an upkeep of a table",
    unit="MB",
    wanted=2 * MEDIUM_BYTES / 1e6,
)
"""The new batches' rows, and a file that was not yet of medium size."""
_RATIO: Final = 1.2


def ratio(benchmark: str, what: str, unit: str = "times", if_missed: str = "") -> Goal:
    """Return the goal of something that may grow by a fifth at most."""
    return Goal(
        benchmark=benchmark,
        what=f"flat over time: {what}",
        unit=unit,
        wanted=_RATIO,
        if_missed=if_missed,
    )


TABLE_RATIOS: Final = {
    name: ratio("delta_tables", f"{name} of a table", if_missed=reason)
    for name, reason in {
        "commit": "",
        "newest rows": "",
        "opening": "",
        "upkeep": "on the first day it writes half as much; it is flat from the 10th day on",
    }.items()
}
FLAT: Final = {
    name: ratio("flat", name, f"times the {earlier} day's")
    for name, earlier in {
        "start-up": "first",
        "tick": "first",
        "micro-batch": "first",
        "load of a day": "first",
        "as_of of a month": "31st",
        "memory": "first",
        "AssetGraphLiveQuery": "first",
        "AssetCatalogTableQuery": "first",
        "AssetHealthQuery": "first",
        "RecentAssetEventsQuery": "first",
        "RunsFeedRootQuery": "first",
        "CompletedRunTimelineQuery": "first",
        "RunLogsQuery": "first",
    }.items()
}
"""By what `flat` calls it; the queries are the main ones of Dagster's UI."""

VIEWERS_CPU: Final = Goal(
    benchmark="dashboard_viewers",
    what="the dashboard's CPU, 50 viewers",
    unit="% of a core",
    wanted=5.0,
    if_missed="at the edge: 3.9 to 5.8 in all runs; 4.4 beside all sources live",
)
VIEWERS_MEMORY: Final = Goal(
    benchmark="dashboard_viewers",
    what="the memory of a dashboard that runs alone, 50 viewers",
    unit="MB",
)
"""Under `up` the dashboard shares its libraries with other processes: see `LIVE_MEMORY`."""
FRAME_P50: Final = Goal(
    benchmark="dashboard_viewers", what="received → frame, 50 viewers, p50", unit="s", wanted=0.6
)
FRAME_P95: Final = Goal(
    benchmark="dashboard_viewers", what="received → frame, 50 viewers, p95", unit="s", wanted=1.2
)
MANY_P95: Final = Goal(
    benchmark="dashboard_viewers", what="received → frame, each of 200 viewers, p95", unit="s",
    wanted=1.2,
)  # fmt: skip
MANY_LOST: Final = Goal(
    benchmark="dashboard_viewers", what="frames that 200 viewers did not get", unit="frames",
    wanted=0,
)  # fmt: skip
PIXEL_P50: Final = Goal(
    benchmark="screens",
    what="received → pixel, all sources live, p50",
    unit="s",
    wanted=0.6,
    if_missed="all processes, Chromium and other work share two cores",
)
PIXEL_P95: Final = Goal(
    benchmark="screens",
    what="received → pixel, all sources live, p95",
    unit="s",
    wanted=1.2,
    if_missed="all processes, Chromium and other work share two cores",
)
FIRST_PAINT: Final = Goal(
    benchmark="screens",
    what="first paint in a fresh browser, median",
    unit="s",
    wanted=0.6,
    if_missed="all processes, Chromium and other work share two cores",
)
PAGE_SIZE: Final = Goal(benchmark="screens", what="the files of the page", unit="KB", wanted=400.0)
LIVE_CPU: Final = Goal(
    benchmark="screens",
    what="the dashboard's CPU, 50 viewers, all sources live",
    unit="% of a core",
    wanted=5.0,
)
LIVE_MEMORY: Final = Goal(
    benchmark="screens",
    what="the dashboard's own memory, 50 viewers, all sources live",
    unit="MB",
    wanted=120.0,
)


def goals() -> Iterator[Goal]:
    """Yield every goal, benchmark by benchmark."""
    yield from (TRADES_SHOWN_P50, TRADES_SHOWN_P95, TRADES_STORED_P50, TRADES_STORED_P95)
    yield from (TRADES_FOLLOWED_P50, TRADES_FOLLOWED_P95)
    yield from (CORES, MEMORY, UNBOUNDED_ENTRIES, GROWTH)
    yield from (*FOLLOWED_ALONE.values(), BUS_CPU)
    yield from (ONE_MESSAGE, TWENTY_MESSAGES, EITHER_WORKER, ORDER_BOOK, GENERATION, GFS)
    yield from (REPLAY_CPU, REPLAY_WALL, MARKET_DAY, MARKET_DAY_CPU)
    yield from (LANDING_FILES, UPKEEP_MB)
    yield from TABLE_RATIOS.values()
    yield from FLAT.values()
    yield from (VIEWERS_CPU, VIEWERS_MEMORY, FRAME_P50, FRAME_P95, MANY_P95, MANY_LOST)
    yield from (PIXEL_P50, PIXEL_P95, FIRST_PAINT, PAGE_SIZE, LIVE_CPU, LIVE_MEMORY)
