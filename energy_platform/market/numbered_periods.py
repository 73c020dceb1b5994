"""The local date and the number of each row's delivery period, as traders name it.

Pure: a frame in, a frame out. `delivery_periods` places numbered periods in time, for parsers.
"""

from datetime import timedelta
from typing import Final, TypeVar

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.buckets import span
from energy_platform.market.wall_clock import Zone, calendar_of

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)

EVENT_TIMES: Final = ("delivery_start", "valid_at", "observed_at")
"""The columns that say when a row holds, in the order in which they are looked for."""

_END: Final = "delivery_end"
_HOUR: Final = timedelta(hours=1)
_NAIVE: Final = pl.Datetime("us")


def periods(
    frame: FrameT, zone: Zone, *, at: str | None = None, every: str | timedelta | None = None
) -> FrameT:
    """Return a frame with the local date and the number of each row's delivery period.

    The market time unit is the length of each row's own period, so quarter-hours and hours may
    share a frame. A day has 92, 96 or 100 quarter-hours and 23, 24 or 25 hours. Units longer than
    an hour follow the clocks: the second block of four hours begins at 04:00 on every day.

    Args:
        frame: Rows with instants, such as `load` returns.
        zone: Whose days are meant; "Europe/Gas_Day" has days from six to six.
        at: The column that says when a row holds; `delivery_start`, `valid_at` or `observed_at`,
            unless given.
        every: The market time unit, "15m" or a `timedelta`, for rows that don't say when their
            period ends.

    Returns:
        The frame with two more columns, or with these columns replaced: `local_date`, and `period`
        from 1 on.

    Raises:
        UsageError: There is no such zone or column, a column has no time zone, or the market time
            unit isn't known.

    >>> import energy_platform as ep
    >>> from datetime import UTC, datetime
    >>> quarter = timedelta(minutes=15)
    >>> first = datetime(2026, 10, 24, 22, tzinfo=UTC)
    >>> day = pl.DataFrame({"observed_at": [first, first + 99 * quarter, first + 100 * quarter]})
    >>> ep.periods(day, "Europe/Berlin", every=quarter)["period"].to_list()
    [1, 100, 1]
    """
    schema = frame.collect_schema()
    name = event_time_of(schema, at)
    event, days = pl.col(name).dt.convert_time_zone("UTC"), calendar_of(zone)
    day = days.date_of(event)
    begun, shown = event - days.start_of(day), days.local(event) - days.begins - day.cast(_NAIVE)
    if every is not None:
        unit = span(every, "every")
        if unit <= timedelta():
            raise UsageError(f"a market time unit is longer than {every}")
        period = _whole(begun if unit <= _HOUR else shown, pl.lit(unit))
    elif _END in schema and name == "delivery_start":
        _require_zone(schema, _END)
        end = pl.col(_END).dt.convert_time_zone("UTC")
        lasting, by_clock = end - event, days.local(end) - days.local(event)
        is_short = lasting <= _HOUR
        period = pl.when(is_short).then(_whole(begun, lasting)).otherwise(_whole(shown, by_clock))
    else:
        raise UsageError(
            f"no column says how long the periods are: every=timedelta(minutes=15) does, of {name}"
        )
    return frame.with_columns(local_date=day, period=(period + 1).cast(pl.Int64))


def _whole(span: pl.Expr, unit: pl.Expr) -> pl.Expr:
    """Return how often a unit fits into a span."""
    return span.dt.total_microseconds() // unit.dt.total_microseconds()


def event_time_of(schema: pl.Schema, at: str | None = None) -> str:
    """Return the column that says when a row holds.

    Raises:
        UsageError: There is none, or it holds no instants.
    """
    found = [name for name in ((at,) if at is not None else EVENT_TIMES) if name in schema]
    if not found:
        wanted = at if at is not None else " or ".join(EVENT_TIMES)
        raise UsageError(f"there is no column {wanted}; there are {', '.join(schema)}")
    _require_zone(schema, found[0])
    return found[0]


def _require_zone(schema: pl.Schema, name: str) -> None:
    dtype = schema[name]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise UsageError(f"{name} is {dtype}, and no instant with a time zone")
