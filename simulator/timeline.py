"""The engine of polled providers: statements about slots, as a pure function of time.

A timeline holds the series of one market source, when each value is stated, and how it is corrected
later. Nothing is stored, so any past can be asked for, and a restarted provider gives the same
answers. The provider turns statements into its own wire format.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property, reduce
from operator import or_
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_platform.market.instants import INSTANT
from simulator.beats import beats
from simulator.first_slots import FirstSlot
from simulator.journal import Row
from simulator.kept_stretches import KeptStretches
from simulator.signal import Signal, at_each
from simulator.world import World

Column = str | int | float
"""A value in one of the columns that identify a series."""

Schedule = Callable[[pl.Expr], pl.Expr]
"""Maps the starts of slots to lists of the instants at which each slot's value is stated."""

Truth = Callable[[str, NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]
"""Maps a value column, the series' numbers and instants of the same shape (seconds since 1970) to
the true values, which other providers may publish too."""

Sayings = Callable[[str, pl.DataFrame], NDArray[np.float64]]
"""Maps a value column and statements (`series`, `slot`, `revision`) to the stated values. It
is also called with revisions below 0; their values are ignored."""

Shown = Callable[[pl.DataFrame], pl.DataFrame]
"""Selects the statements that a client is shown."""

_HASH_RANGE: Final = 2.0**64
_FIRST_ERROR: Final = 0.01
"""The largest error of a value that is stated again later, as a share of the value."""
_NAP_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """How one value column behaves in one series.

    If the timeline has a `truth`, only `lowest` and `decimals` are used.

    Attributes:
        mean: Its level.
        daily: Half the height of its day shape.
        noise: Half the height of its irregular part.
        lowest: What it never falls below, e.g. 0 for a load.
        decimals: As many as the provider gives.
    """

    mean: float = 0.0
    daily: float = 0.0
    noise: float = 0.0
    lowest: float | None = None
    decimals: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """The share of values that are corrected, and how long after the last statement."""

    share: float = 0.02
    after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The statements of one market source.

    Attributes:
        world: Where it is.
        source: The market source's name.
        series: The columns that tell each series from the others; all with the same names.
        values: The value columns of a series, given its columns.
        resolution: The length of a slot; slots start at its multiples (UTC).
        schedule: When a slot's value is stated, and stated anew.
        reach: All statements about a slot are made within this time of its start, before or after,
            both ends included.
        corrections: Corrections in addition to the schedule.
        first_slot: The slot that the journal begins with, given when the world began: the earliest
            that the source's feed then asks for. What a client is shown of earlier ones is
            journalled when it is shown.
        rows: From statements to rows of the source's table, for the journal; see `stated`.
        truth: The true values; without it each series has its own signals.
        sayings: The stated values, for values that develop from one statement to the next, as
            those of trades do; then no statement is wrong, and `truth` is not used.

    Without `sayings` the last statement about a slot is true; the earlier ones are slightly wrong.
    """

    world: World
    source: str
    series: Sequence[Mapping[str, Column]]
    values: Callable[[Mapping[str, Column]], Mapping[str, Values]]
    resolution: timedelta
    schedule: Schedule
    reach: timedelta
    first_slot: FirstSlot
    rows: Callable[[pl.DataFrame], pl.DataFrame]
    corrections: Corrections | None = None
    truth: Truth | None = None
    sayings: Sayings | None = None

    async def run(self) -> None:
        """Journal every statement just before it becomes visible; after a break, catch up."""
        await run_together([self])

    @property
    def reached(self) -> datetime:
        """The instant up to which a client sees statements: that of the last one journalled."""
        return self._reached.last or self.world.clock.now()

    async def begun(self) -> None:
        """Wait until the first statements are journalled, and so there for clients to see."""
        while self._reached.last is None:
            await asyncio.sleep(_NAP_SECONDS)

    def visible(
        self,
        start: datetime,
        end: datetime,
        *,
        shown: Shown | None = None,
        **wanted: Column,
    ) -> pl.DataFrame:
        """Return what a client now sees of the slots that start in [start, end).

        Args:
            start: From this slot on.
            end: Before this slot.
            shown: What the client is shown of the latest statements; all, unless given.
            wanted: Only the series with these columns.

        The columns are as in `stated`; of each slot of a series only the latest statement. What the
        journal does not tell of is journalled first.
        """
        slot = pl.col("slot")
        asked = (slot >= start) & (slot < end) & (pl.col("stated_at") <= self.reached)
        latest = last_statements(self._kept_stretches.over(start, end, wanted).filter(asked))
        return self._told(latest if shown is None else shown(latest))

    def made_in(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return every statement that became visible from `start` to `end`, both included.

        The columns are as in `stated`. What the journal does not tell of is journalled first.
        """
        made = pl.col("stated_at").is_between(start, min(end, self.reached))
        return self._told(self.stated(start - self.reach, self._end_of_slots(end)).filter(made))

    def _told(self, seen: pl.DataFrame) -> pl.DataFrame:
        """Return statements that a client is about to see; journal those of before the first slot.

        A set of such statements is journalled once in each run.
        """
        began = self._reached.began
        if began is None:
            return seen
        past = seen.filter(pl.col("slot") < self.first_slot(began))
        if past.is_empty():
            return seen
        fingerprint = past.select("series", "slot", "revision").hash_rows().to_numpy().tobytes()
        if hash(fingerprint) not in self._pasts:
            self._pasts.add(hash(fingerprint))
            if rows := self.rows(past).to_dicts():
                self.world.journal.emit(self.source, self.reached, rows)
        return seen

    def stated(self, start: datetime, end: datetime, **wanted: Column) -> pl.DataFrame:
        """Return every statement ever made of the slots that start in [start, end).

        Columns: `slot` (start, UTC), `stated_at` (when it became visible), `revision` (from 0),
        `series` (its number) and its columns, and the value columns. Sorted by series, slot and
        revision. A correction that changes nothing is left out.
        """
        return self._with_values(self._statements(start, end, wanted))

    def _statements(
        self, start: datetime, end: datetime, wanted: Mapping[str, Column]
    ) -> pl.DataFrame:
        """Return all statements without their values."""
        numbers = [
            number
            for number, columns in enumerate(self.series)
            if all(columns[name] == value for name, value in wanted.items())
        ]
        scheduled = self._slots(start, end).join(
            pl.DataFrame({"series": numbers}, schema={"series": pl.Int64}), how="cross"
        )
        last_revision = pl.col("revision").max().over("series", "slot")
        return (
            self._corrected(scheduled)
            .with_columns(last_revision=last_revision)
            .sort("series", "slot", "revision")
        )

    def _with_values(self, statements: pl.DataFrame) -> pl.DataFrame:
        """Add the columns of series and values; leave out statements that repeat the one before."""
        values, before = self._values(statements)
        differs = [values[name] != before[name] for name in values.columns]
        says_more = reduce(or_, differs) | (statements["revision"] == 0)
        return (
            pl.concat([statements, values], how="horizontal")
            .filter(says_more)
            .drop("last_revision")
            .join(self._keys, on="series", how="left", maintain_order="left")
        )

    def _slots(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return `slot`, `revision` and `stated_at` as the schedule has them."""
        seconds = self.resolution.total_seconds()
        first, last = (int(-(-at.timestamp() // seconds)) for at in (start, end))
        micros = int(seconds * 1_000_000)
        slots = pl.DataFrame({"slot": pl.int_range(first, last, eager=True) * micros})
        slots = slots.select(pl.col("slot").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        return (
            slots.with_columns(stated_at=self.schedule(pl.col("slot")))
            .explode("stated_at")
            .drop_nulls("stated_at")
            .with_columns(pl.col("stated_at").cast(INSTANT))
            .sort("slot", "stated_at")
            .with_columns(revision=pl.int_range(pl.len()).over("slot"))
        )

    def _corrected(self, statements: pl.DataFrame) -> pl.DataFrame:
        """Add one more statement to the share of slots that are corrected."""
        if self.corrections is None:
            return statements
        last = last_statements(statements)
        corrected = last.filter(
            self._chance("series", "slot", of="correction") < self.corrections.share
        ).with_columns(
            revision=pl.col("revision") + 1, stated_at=pl.col("stated_at") + self.corrections.after
        )
        return pl.concat([statements, corrected])

    def _truths(self, statements: pl.DataFrame) -> Mapping[str, NDArray[np.float64]]:
        """Return the true values of the slots of statements."""
        seconds = statements["slot"].dt.epoch("s").to_numpy().astype(float)
        numbers = statements["series"].to_numpy()
        if self.truth is not None:
            return {name: self.truth(name, numbers, seconds) for name in self._shapes[0]}
        return {name: at_each(self._signals[name], numbers, seconds) for name in self._shapes[0]}

    def _values(self, statements: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the value columns of statements, and of the statements before them."""
        earlier = statements.with_columns(revision=pl.col("revision") - 1)
        if self.sayings is not None:
            return self._said(statements, self.sayings), self._said(earlier, self.sayings)
        truths = self._truths(statements)
        values, before = (
            pl.DataFrame({name: self._stated(name, each, truth) for name, truth in truths.items()})
            for each in (statements, earlier)
        )
        return values, before

    def _said(self, statements: pl.DataFrame, sayings: Sayings) -> pl.DataFrame:
        return pl.DataFrame(
            {
                name: np.round(sayings(name, statements), shape.decimals)
                for name, shape in self._shapes[0].items()
            }
        )

    def _stated(
        self, name: str, statements: pl.DataFrame, truth: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        shapes = [columns[name] for columns in self._shapes]
        numbers = statements["series"].to_numpy()
        lowest = np.array([-np.inf if s.lowest is None else s.lowest for s in shapes])[numbers]
        decimals = shapes[0].decimals
        chance = statements.select(self._chance("series", "slot", "revision", of=name)).to_series()
        # The error of a value near 0 is a few of its last digits.
        size = _FIRST_ERROR * np.abs(truth) + np.where(truth > lowest, 5 * 0.1**decimals, 0.0)
        is_last = (statements["revision"] == statements["last_revision"]).to_numpy()
        error = np.where(is_last, 0.0, size * (2 * chance.to_numpy() - 1))
        rounded: NDArray[np.float64] = np.round(np.maximum(truth + error, lowest), decimals) + 0.0
        return rounded  # no -0.0

    def _chance(self, *columns: str, of: str) -> pl.Expr:
        """Return a number in [0, 1) that is the same for the same columns in the same world."""
        salt = Signal(seed=self.world.seed, name=f"{self.source} {of}", mean=0.0).salt
        return pl.struct(*columns).hash(seed=salt) / _HASH_RANGE

    @cached_property
    def _keys(self) -> pl.DataFrame:
        return pl.DataFrame(list(self.series)).with_row_index("series").cast({"series": pl.Int64})

    @cached_property
    def _reached(self) -> "_Reached":
        began, last = self.world.journal.market_times(self.source) or (None, None)
        return _Reached(began, last)

    @cached_property
    def _pasts(self) -> set[int]:
        """The hashes of the sets that `_told` has journalled."""
        return set()

    @cached_property
    def _kept_stretches(self) -> KeptStretches:
        return KeptStretches(self.stated, self.resolution)

    @cached_property
    def _shapes(self) -> list[Mapping[str, Values]]:
        return [self.values(columns) for columns in self.series]

    @cached_property
    def _signals(self) -> dict[str, list[Signal]]:
        return {
            name: [
                self.world.signal(
                    f"{self.source} {name} {'/'.join(map(str, columns.values()))}",
                    mean=shapes[name].mean,
                    daily=shapes[name].daily,
                    noise=shapes[name].noise,
                )
                for columns, shapes in zip(self.series, self._shapes, strict=True)
            ]
            for name in self._shapes[0]
        }

    def news(self, until: datetime) -> Sequence[Row]:
        """Return the journal's rows for what became visible since it was written last."""
        reached = self._reached
        first = self.first_slot(reached.began or until)
        if reached.last is None:
            # Earlier statements as well: where a correction changes nothing, it is none, and a
            # client sees the first statement.
            is_news = pl.col("stated_at") <= until
        else:
            first = max(first, reached.last - self.reach)
            is_news = pl.col("stated_at").is_between(reached.last, until, closed="right")
        fresh = self._statements(first, self._end_of_slots(until), {}).filter(is_news)
        statements = self._with_values(fresh)
        if statements.is_empty():
            return []
        return self.rows(statements.sort("stated_at", maintain_order=True)).to_dicts()

    def journalled(self, until: datetime) -> None:
        """Let clients see what was stated by an instant: it is in the journal."""
        self._reached.began = self._reached.began or until
        self._reached.last = until

    def _end_of_slots(self, stated_at: datetime) -> datetime:
        """Return the end of the slots of which something may be stated by an instant.

        The slot that begins a whole reach later is among them.
        """
        return stated_at + self.reach + self.resolution


async def run_each(timelines: Iterable[Timeline]) -> None:
    """Journal the statements of several sources, each on its own."""
    async with asyncio.TaskGroup() as tasks:
        for timeline in timelines:
            tasks.create_task(timeline.run())


async def run_together(timelines: Sequence[Timeline], every: timedelta | None = None) -> None:
    """Journal the statements of a source that has several timelines, all of a beat as one.

    If a source's series differ in resolution or schedule, each kind is a timeline. One entry of the
    journal holds all statements of a beat, so that a restart loses none. Of overdue beats only the
    last is used. `every` is the length of a beat; it is the world's unless given.
    """
    world, source = timelines[0].world, timelines[0].source
    every = every or world.beat
    async for beat in beats(world.clock, every, world.journal.last_market_at(source)):
        if beat + every <= world.clock.now():
            continue  # the next beat is due as well, and includes the news of this one
        news = [row for timeline in timelines for row in timeline.news(beat)]
        if news:
            world.journal.emit(source, beat, news)
        for timeline in timelines:
            timeline.journalled(beat)


@dataclass(slots=True)
class _Reached:
    """The first and the last beat in the journal; None before there are any."""

    began: datetime | None
    last: datetime | None


def last_statements(statements: pl.DataFrame) -> pl.DataFrame:
    """Return the last of the statements about each slot of each series."""
    last = pl.col("revision").max().over("series", "slot")
    return statements.filter(pl.col("revision") == last)


def after_each(*delays: timedelta) -> Schedule:
    """State a value so long after its slot's start, and anew after each further delay."""
    return lambda slot: pl.concat_list(slot + delay for delay in delays)


def day_before(at: time, zone: str) -> Schedule:
    """State all of a local day's values at a local time of the day before."""
    return lambda slot: pl.concat_list(_local_moment(slot, at, zone, days=-1))


def day_after(at: time, zone: str, *, days: int = 1) -> Schedule:
    """State all of a local day's values at a local time so many days later."""
    return lambda slot: pl.concat_list(_local_moment(slot, at, zone, days=days))


def _local_moment(slot: pl.Expr, at: time, zone: str, *, days: int) -> pl.Expr:
    """Return the instant of a local time, some days from the local day that a slot is in."""
    day = slot.dt.convert_time_zone(zone).dt.date().dt.offset_by(f"{days}d")
    moment = day.cast(pl.Datetime("us")) + timedelta(hours=at.hour, minutes=at.minute)
    return moment.dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")
