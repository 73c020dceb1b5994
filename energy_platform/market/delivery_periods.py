"""Conversion between local market days and UTC delivery periods.

Exchanges number the delivery periods of a local day from 1. A day is 23, 24 or 25 hours long, so an
index gives an instant only together with the time zone. A label such as `02:00-02:15` is ambiguous
on the day on which that hour comes twice. Pure polars expressions; each source knows its provider's
column names.
"""

import polars as pl

from energy_platform.market.calendar import calendar


def day_start(day: pl.Expr, zone: str) -> pl.Expr:
    """Return the UTC instant at which a local day (a date) starts.

    `Europe/Gas_Day` starts at six o'clock. If clocks go back at midnight, the first midnight
    counts. If they skip midnight, the day starts when they are put forward.
    """
    return calendar(zone).start_of(day)


def periods_of_day(day: pl.Expr, resolution: pl.Expr, zone: str) -> pl.Expr:
    """Return how many delivery periods of `resolution` (a duration) a local day has.

    92, 96 or 100 quarter-hours; 23, 24 or 25 hours.
    """
    length = day_start(day.dt.offset_by("1d"), zone) - day_start(day, zone)
    return length.dt.total_seconds() // resolution.dt.total_seconds()


def delivery_start(day: pl.Expr, index: pl.Expr, resolution: pl.Expr, zone: str) -> pl.Expr:
    """Return the UTC start of the `index`-th period (from 1) of a local day.

    An index that the day does not have gives null: the sender made a mistake, and no time is made
    up for it.

    >>> from datetime import date, timedelta
    >>> spring = pl.DataFrame({"day": [date(2025, 3, 30)] * 2, "index": [92, 93]})
    >>> quarter = pl.lit(timedelta(minutes=15))
    >>> start = delivery_start(pl.col("day"), pl.col("index"), quarter, "Europe/Prague")
    >>> [str(instant) for instant in spring.select(start=start)["start"]]
    ['2025-03-30 21:45:00+00:00', 'None']
    """
    exists = index.is_between(1, periods_of_day(day, resolution, zone))
    return pl.when(exists).then(day_start(day, zone) + (index - 1) * resolution)
