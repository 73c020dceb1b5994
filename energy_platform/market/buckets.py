"""Periods of equal kind that follow each other: quarter-hours, hours, local days, months.

Parts of a day begin with the day: of four-hour blocks the first begins at midnight, whatever the
clocks do. Days and longer periods are those of a calendar, 23 or 25 hours long when the clocks
change.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.calendar import Calendar
from energy_platform.market.instants import INSTANT

_EVERY: Final = re.compile(r"(\d+)\s*(min|mo|[smhdwqy])")
_SHORT: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_SPANS: Final = {**_SHORT, "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONG: Final = {"d": "1d", "w": "1w", "mo": "1mo", "q": "1q", "y": "1y"}
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=36_525)
"""A hundred years: no market is older, and no instant of the calendar is left behind."""
_EXAMPLES: Final = "write 15m, 1h, 4h, 1d, 1w, 1mo, 1q or 1y"


@dataclass(frozen=True, slots=True)
class Every:
    """How long buckets are: a part of a day, or one day, week, month, quarter or year.

    Attributes:
        text: What a calendar calls the period, if it is not shorter than a day.
        length: How long a shorter one is.
    """

    text: str | None = None
    length: timedelta = timedelta()


def every(said: str | timedelta) -> Every:
    """Return how long buckets are.

    Raises:
        UsageError: It is no such length, or no whole number of them makes an hour or a day.

    >>> every("15m").length
    datetime.timedelta(seconds=900)
    """
    if isinstance(said, timedelta):
        length = said
    elif found := _written(said):
        count, unit = int(found[1]), "m" if found[2] == "min" else found[2]
        if unit in _LONG:
            if count != 1:
                raise UsageError(f"every takes one day, week, month or year, not {said!r}")
            return Every(text=_LONG[unit])
        length = _times(count, _SHORT[unit])
    else:
        raise UsageError(f"every is no length of time: {said!r}; {_EXAMPLES}")
    if length == _DAY:
        raise UsageError("a day is not always 24 hours long; write every='1d'")
    whole = _HOUR if length <= _HOUR else _DAY
    if length <= timedelta() or whole % length:
        raise UsageError(f"every={said!r} does not divide an hour or a day; {_EXAMPLES}")
    return Every(length=length)


def span(said: str | timedelta, name: str) -> timedelta:
    """Return a length of time that no calendar stretches: a day has 24 hours.

    Args:
        said: The length, as a `timedelta` or as text.
        name: What it is for, in messages.

    Raises:
        UsageError: It is no such length, or longer than a hundred years.

    >>> span("36h", "max_gap") == span(timedelta(days=1, hours=12), "max_gap")
    True
    """
    found = _written(said)
    length = said if isinstance(said, timedelta) else None
    if found is not None and (unit := "m" if found[2] == "min" else found[2]) in _SPANS:
        length = _times(int(found[1]), _SPANS[unit])
    if length is None or abs(length) > _LONGEST:
        raise UsageError(f"{name} is a length of time such as '15m', '36h' or '2d', not {said!r}")
    return length


def _times(count: int, unit: timedelta) -> timedelta:
    """Return so many units; more than a hundred years if a `timedelta` can't hold them."""
    return min(count, _LONGEST // unit + 1) * unit


def _written(said: object) -> re.Match[str] | None:
    return _EVERY.fullmatch(said.strip()) if isinstance(said, str) else None


def buckets(start: datetime, end: datetime, lasting: Every, days: Calendar) -> pl.DataFrame:
    """Return the buckets that begin in a window: `bucket_start` and `bucket_end`, in order.

    Args:
        start: The window's beginning.
        end: Its end, not included.
        lasting: How long buckets are.
        days: Whose days and clocks are meant.
    """
    # Buckets touch, so one more than a window needs tells where its last one ends.
    until = end + 370 * _DAY if lasting.text is not None else end + 2 * _DAY
    day = pl.select(
        day=pl.date_range(
            days.date_of(pl.lit(start - 2 * _DAY, dtype=INSTANT)),
            days.date_of(pl.lit(until, dtype=INSTANT)),
        )
    )
    if lasting.text is not None:
        first = pl.col("day").dt.truncate(lasting.text)
        starts = day.select(bucket_start=days.start_of(first))
    elif lasting.length <= _HOUR:
        begins, ends = days.start_of(pl.col("day")), days.start_of(pl.col("day") + _DAY)
        ranges = pl.datetime_ranges(begins, ends, lasting.length, closed="left")
        starts = day.select(bucket_start=ranges).explode("bucket_start")
    else:
        offsets = [n * lasting.length for n in range(_DAY // lasting.length)]
        clocks = [Calendar(days.zone, begins=days.begins + offset) for offset in offsets]
        starts = pl.concat(
            [day.select(bucket_start=each.start_of(pl.col("day"))) for each in clocks]
        )
    return (
        starts.select(pl.col("bucket_start").cast(INSTANT))
        .unique()
        .sort("bucket_start")
        .with_columns(bucket_end=pl.col("bucket_start").shift(-1))
        .filter(pl.col("bucket_start") >= start, pl.col("bucket_start") < end)
    )
