"""What a dataset of ENTSO-E is made of: its timelines, and how they become rows and series.

A series of whole hours and one of quarter-hours are different timelines of one dataset. Where a
value is stated twice between two beats, the last statement counts: nobody has seen the first one.
"""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from simulator.first_slots import FirstSlot, whole_days
from simulator.market_days import day_start
from simulator.providers.entsoe.documents import Form, Series
from simulator.timeline import (
    Column,
    Corrections,
    Schedule,
    Timeline,
    Truth,
    Values,
    day_before,
    last_statements,
)
from simulator.world import World

MARKET_TIME: Final = "Europe/Brussels"

_ZONE: Final = ZoneInfo(MARKET_TIME)
_DAY: Final = timedelta(days=1)
_POSITIVE: Final = Values(lowest=0)

Params = Mapping[str, str]

Published = Callable[[pl.DataFrame, timedelta], pl.DataFrame]
"""Selects the published ones of statements, given their resolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When values of a dataset are stated; as in `Timeline`."""

    schedule: Schedule
    reach: timedelta
    first_slot: FirstSlot
    corrections: Corrections | None = None


def on_the_eve(at: time, corrections: Corrections | None = None) -> When:
    """State a market day's values at a local time of the day before."""
    return When(
        schedule=day_before(at, MARKET_TIME),
        reach=timedelta(hours=40),
        first_slot=whole_days(2 * _DAY, _ZONE),
        corrections=corrections,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Which columns of its market source a dataset's statements become.

    Attributes:
        source: The market source.
        columns: Its columns beside those of the delivery period; `value` is what is stated.
        published: Which statements are published.
    """

    source: str
    columns: Mapping[str, str | pl.Expr]
    published: Published = lambda stated, _: stated

    def timeline(  # noqa: PLR0913 (what a timeline is made of)
        self,
        world: World,
        series: Sequence[Mapping[str, Column]],
        step: timedelta,
        *,
        truth: Truth,
        when: When,
        values: Values = _POSITIVE,
    ) -> Timeline:
        """Return the timeline of those series that have one resolution."""
        return Timeline(
            world=world,
            source=self.source,
            series=series,
            values=lambda _: {"value": values},
            truth=truth,
            resolution=step,
            schedule=when.schedule,
            reach=when.reach,
            first_slot=when.first_slot,
            corrections=when.corrections,
            rows=lambda stated: self._rows(stated, step),
        )

    def _rows(self, stated: pl.DataFrame, step: timedelta) -> pl.DataFrame:
        return self.published(last_statements(stated), step).select(
            delivery_start="slot",
            delivery_end=pl.col("slot") + step,
            resolution=pl.lit(f"PT{step // timedelta(minutes=1)}M"),
            **self.columns,
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One kind of document and the series that it holds.

    Attributes:
        table: The table of the market source that reads it.
        form: How it looks.
        type: Its type.
        processes: The processes that there are of it; None is that of questions without one.
        timelines: Its series, by resolution and schedule.
        wanted: The columns of the series that a question asks for.
        head: The elements of a series before its curve type; from its columns.
        tail: Those after it.
        whole_days: Whether an answer holds whole market days, one series each.
    """

    table: Table
    form: Form
    type: str
    timelines: Sequence[Timeline]
    wanted: Callable[[Params], Mapping[str, Column]]
    head: Callable[[Mapping[str, Column]], str]
    tail: Callable[[Mapping[str, Column]], str] = lambda _: ""
    processes: Collection[str | None] = (None,)
    whole_days: bool = False

    def window(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """Return what an answer for a window tells of: itself, or the market days it touches."""
        if not self.whole_days:
            return start, end
        first, last = (at.astimezone(_ZONE).date() for at in (start, end - timedelta(seconds=1)))
        return day_start(first, _ZONE), day_start(last + _DAY, _ZONE)

    def series(self, timeline: Timeline, visible: pl.DataFrame) -> list[Series]:
        """Return what a client sees of a timeline as the series of a document."""
        day = pl.col("slot").dt.convert_time_zone(MARKET_TIME).dt.date()
        parts = self.table.published(visible, timeline.resolution).with_columns(
            part=day if self.whole_days else None
        )
        found = []
        for each in parts.partition_by("series", "part", maintain_order=True):
            columns = timeline.series[each.item(0, "series")]
            found.append(
                Series(
                    head=self.head(columns),
                    tail=self.tail(columns),
                    curve=_curve_of(columns),
                    start=each.item(0, "slot"),
                    resolution=timeline.resolution,
                    values=each["value"],
                )
            )
        return found


def _curve_of(columns: Mapping[str, Column]) -> str:
    """Return the curve type of a series: a third of the zones repeat equal values, most don't."""
    zone = str(columns.get("zone") or columns["from"])
    return "A01" if zlib.crc32(zone.encode()) % 3 == 0 else "A03"
