"""The platform as queues: what waits for what, and for how long.

Here are the queues alone. Their costs are measured and their sizes chosen in `scale`, and what a
size costs in money is in `scale_prices`.

Points arrive in a steady stream with a peak at the start of each quarter-hour. Each collector
gathers for a linger and lands one object per source that has something, or one in all. Each lane
takes what has landed in turns. Each group's sensor looks at a steady pace and starts one run over
all its sources that have something, unless its last run still goes; the daemon launches it, and a
worker carries it. All parts are single cores that do one thing after another, as the real ones are.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import simpy
from numpy.typing import NDArray

Steps = Generator[simpy.Event, Any, None]

QUARTER_SECONDS: Final = 900.0
PEAK_SECONDS: Final = 60.0
PEAK: Final = 4.0
"""How much of the mean rate arrives in the first minute of a quarter-hour."""
_BETWEEN_PEAKS: Final = (QUARTER_SECONDS - PEAK * PEAK_SECONDS) / (QUARTER_SECONDS - PEAK_SECONDS)
_DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What each step takes of one core, in seconds.

    Attributes:
        segment: The collector's work for a segment.
        message: The collector's work for a message in it.
        landing: How long a segment takes to be durable; no core works meanwhile.
        lane_turn: The hot lane's work for a turn of one source.
        lane_point: The hot lane's work for a point.
        launch: What Dagster's daemon takes to ask for a run and to launch it.
        run: A worker's work for a run, without its assets.
        asset: A worker's work for an asset of it: events, checks, metadata.
        batch: A worker's work for a micro-batch of one source.
        point: A worker's work for a point.
    """

    segment: float
    message: float
    landing: float
    lane_turn: float
    lane_point: float
    launch: float
    run: float
    asset: float
    batch: float
    point: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the markets send.

    Attributes:
        sources: How many sources.
        points_a_day: Of all sources together.
        points_a_message: How many points are in a message.
    """

    sources: int
    points_a_day: float
    points_a_message: float = 20.0

    @property
    def points_a_second(self) -> float:
        """Of all sources together, on average."""
        return self.points_a_day / _DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many of each part there are, and their pace.

    Attributes:
        collectors: Processes that ask; sources are spread over them.
        linger_seconds: How long one gathers before it lands.
        shares_objects: Whether a collector lands what it gathered of all sources as one object.
        lanes: Processes that keep the hot store; sources are spread over them.
        lane_seconds: The least time from one turn of a lane to its next.
        daemons: Dagster instances, each with its own groups.
        groups: Market groups, each with a sensor.
        tick_seconds: From one look of a sensor to the next.
        workers: Processes that carry runs.
        sources_an_asset: How many sources share an asset of Dagster's.
    """

    collectors: int = 1
    linger_seconds: float = 0.2
    shares_objects: bool = False
    lanes: int = 1
    lane_seconds: float = 0.0
    daemons: int = 1
    groups: int = 5
    tick_seconds: float = 4.0
    workers: int = 2
    sources_an_asset: int = 1


@dataclass(slots=True)
class Pending:
    """Points that wait, by source, and when they were received on average."""

    points: NDArray[np.float64]
    received_at: NDArray[np.float64]

    @classmethod
    def of(cls, sources: int) -> "Pending":
        """Return an empty one."""
        return cls(np.zeros(sources), np.zeros(sources))

    def add(self, sources: NDArray[np.int64], points: NDArray[np.float64], at: float) -> None:
        """Put points of some sources to those that wait."""
        both = self.points[sources] + points
        self.received_at[sources] = (
            self.received_at[sources] * self.points[sources] + at * points
        ) / both
        self.points[sources] = both

    def take(self, sources: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Take all that waits of some sources: the points of each, and when they were received."""
        chosen = sources[self.points[sources] > 0]
        points, received_at = self.points[chosen].copy(), self.received_at[chosen].copy()
        self.points[chosen] = 0.0
        return points, received_at


@dataclass(slots=True)
class Lags:
    """From receipt to store: seconds, each with the number of points that it holds for."""

    seconds: list[NDArray[np.float64]] = field(default_factory=list)
    points: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, seconds: NDArray[np.float64], points: NDArray[np.float64]) -> None:
        """Note the lag of points that were stored now."""
        self.seconds.append(seconds)
        self.points.append(points)

    def quantile(self, share: float) -> float:
        """Return the lag that this share of the points does not exceed; NaN without points."""
        if not self.seconds:
            return float("nan")
        seconds, points = np.concatenate(self.seconds), np.concatenate(self.points)
        order = np.argsort(seconds)
        reached = np.cumsum(points[order])
        return float(seconds[order][np.searchsorted(reached, share * reached[-1])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a simulated hour showed.

    Attributes:
        busy: The share of its time in which each kind of part worked, at most 1.
        hot: From receipt to hot store.
        stored: From receipt to warehouse.
        objects_a_second: How many objects were landed.
        assets_a_second: How many assets Dagster materialized.
        waiting: The share of all points that waited for the warehouse at the end.
    """

    busy: dict[str, float]
    hot: Lags
    stored: Lags
    objects_a_second: float
    assets_a_second: float
    waiting: float


def simulated(
    load: Load, size: Size, costs: Costs, *, seconds: float = 2 * QUARTER_SECONDS, seed: int = 1
) -> Outcome:
    """Return what happens in some time, which should be whole quarter-hours."""
    return _Platform(load, size, costs, seed).run(seconds)


class _Platform:
    def __init__(self, load: Load, size: Size, costs: Costs, seed: int) -> None:
        self.load, self.size, self.costs = load, size, costs
        self.random = np.random.default_rng(seed)
        self.clock = simpy.Environment()
        self.workers = simpy.Resource(self.clock, capacity=size.workers)
        self.daemons = [simpy.Resource(self.clock, capacity=1) for _ in range(size.daemons)]
        self.busy = dict.fromkeys(("collectors", "lanes", "daemons", "workers"), 0.0)
        self.to_show, self.to_store = Pending.of(load.sources), Pending.of(load.sources)
        self.hot, self.stored = Lags(), Lags()
        self.objects = self.assets = 0
        self.received = 0.0

    def run(self, seconds: float) -> Outcome:
        for own in _spread(self.load.sources, self.size.collectors):
            self.clock.process(self._collect(own))
        for own in _spread(self.load.sources, self.size.lanes):
            self.clock.process(self._follow(own))
        for number, own in enumerate(_spread(self.load.sources, self.size.groups)):
            self.clock.process(self._look(own, self.daemons[number % self.size.daemons]))
        self.clock.run(until=seconds)
        parts = {
            "collectors": self.size.collectors,
            "lanes": self.size.lanes,
            "daemons": self.size.daemons,
            "workers": self.size.workers,
        }
        return Outcome(
            busy={name: min(1.0, self.busy[name] / seconds / parts[name]) for name in parts},
            hot=self.hot,
            stored=self.stored,
            objects_a_second=self.objects / seconds,
            assets_a_second=self.assets / seconds,
            waiting=float(self.to_store.points.sum()) / max(self.received, 1.0),
        )

    def _collect(self, own: NDArray[np.int64]) -> Steps:
        """Land what arrived since the last time, again and again."""
        mean = self.load.points_a_second / self.load.sources / self.load.points_a_message
        yield self.clock.timeout(self.random.uniform(0, self.size.linger_seconds))
        since = 0.0
        while True:
            now = self.clock.now
            expected = mean * (_arrived_by(now) - _arrived_by(since))
            messages = self.random.poisson(expected, own.size)
            has_some = messages > 0
            received_at, since = (since + now) / 2, now
            objects = min(1, has_some.sum()) if self.size.shares_objects else int(has_some.sum())
            work = self._spend(
                "collectors",
                objects * self.costs.segment + int(messages.sum()) * self.costs.message,
            )
            yield self.clock.timeout(work)
            self.objects += objects
            points = messages[has_some].astype(np.float64) * self.load.points_a_message
            self.received += float(points.sum())
            self.clock.process(self._land(own[has_some], points, received_at))
            yield self.clock.timeout(max(0.0, self.size.linger_seconds - work))

    def _land(
        self, sources: NDArray[np.int64], points: NDArray[np.float64], received_at: float
    ) -> Steps:
        yield self.clock.timeout(self.costs.landing)
        self.to_show.add(sources, points, received_at)
        self.to_store.add(sources, points, received_at)

    def _follow(self, own: NDArray[np.int64]) -> Steps:
        """Show what has landed, in one turn per source."""
        while True:
            began = self.clock.now
            points, received_at = self.to_show.take(own)
            work = self._spend(
                "lanes",
                points.size * self.costs.lane_turn + float(points.sum()) * self.costs.lane_point,
            )
            yield self.clock.timeout(work)
            if points.size:
                self.hot.add(self.clock.now - received_at, points)
            pause = self.size.lane_seconds - (self.clock.now - began)
            yield self.clock.timeout(max(pause, 0.01 if work == 0 else 0.0))

    def _look(self, own: NDArray[np.int64], daemon: simpy.Resource) -> Steps:
        """Start a run when there is something, and the last one has ended."""
        yield self.clock.timeout(self.random.uniform(0, self.size.tick_seconds))
        while True:
            began = self.clock.now
            if self.to_store.points[own].any():
                with daemon.request() as turn:
                    yield turn
                    yield self.clock.timeout(self._spend("daemons", self.costs.launch))
                with self.workers.request() as turn:
                    yield turn
                    yield from self._carry(own)
            ticks = np.floor((self.clock.now - began) / self.size.tick_seconds) + 1
            yield self.clock.timeout(began + ticks * self.size.tick_seconds - self.clock.now)

    def _carry(self, own: NDArray[np.int64]) -> Steps:
        points, received_at = self.to_store.take(own)
        assets = int(np.ceil(points.size / self.size.sources_an_asset))
        self.assets += assets
        yield self.clock.timeout(
            self._spend(
                "workers",
                self.costs.run
                + assets * self.costs.asset
                + points.size * self.costs.batch
                + float(points.sum()) * self.costs.point,
            )
        )
        self.stored.add(self.clock.now - received_at, points)

    def _spend(self, part: str, seconds: float) -> float:
        self.busy[part] += seconds
        return seconds


def _spread(sources: int, parts: int) -> list[NDArray[np.int64]]:
    return [np.arange(first, sources, parts) for first in range(min(parts, sources))]


def _arrived_by(at: float) -> float:
    """Return how many mean seconds' worth has arrived by an instant, peaks included."""
    quarters, rest = divmod(at, QUARTER_SECONDS)
    within = min(rest, PEAK_SECONDS) * PEAK + max(0.0, rest - PEAK_SECONDS) * _BETWEEN_PEAKS
    return quarters * QUARTER_SECONDS + within
