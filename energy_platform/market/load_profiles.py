"""Base, peak and off-peak: the delivery hours that traders quote together, by market.

Peak is a stretch of the working days' clock. Whether a public holiday is a working day differs from
market to market: the futures of EEX and of GB deliver peak on every Monday to Friday, those of
Poland's TGE leave public holidays out. `PEAK_HOURS` says it for each market, and a market that is
not listed is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cache
from typing import Final, NamedTuple, TypeVar

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.calendar import calendar
from energy_platform.market.numbered_periods import event_time_of

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)

_END: Final = "delivery_end"
_FRIDAY: Final = 5
_YEARS: Final = (1990, 2100)
"""Liberalised power markets are not older, and nobody trades later deliveries."""
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PeakHours:
    """Which hours of a market are peak: from Monday to Friday, between two times of the clock.

    Attributes:
        zone: Whose clocks are meant.
        country: Whose public holidays are meant, by its code.
        holidays_are_peak: Whether a public holiday from Monday to Friday is a day like any other.
        begins: When peak begins.
        ends: When peak ends.
    """

    zone: str
    country: str
    holidays_are_peak: bool = True
    begins: time = time(8)
    ends: time = time(20)


_GERMANY: Final = PeakHours("Europe/Berlin", "DE")

PEAK_HOURS: Final[Mapping[str, PeakHours]] = {
    "DE-LU": _GERMANY,
    "DE": _GERMANY,
    "AT": PeakHours("Europe/Vienna", "AT"),
    "BE": PeakHours("Europe/Brussels", "BE"),
    "CH": PeakHours("Europe/Zurich", "CH"),
    "CZ": PeakHours("Europe/Prague", "CZ"),
    "ES": PeakHours("Europe/Madrid", "ES"),
    "FR": PeakHours("Europe/Paris", "FR"),
    "GB": PeakHours("Europe/London", "GB", begins=time(7), ends=time(19)),
    "HU": PeakHours("Europe/Budapest", "HU"),
    "IT": PeakHours("Europe/Rome", "IT"),
    "NL": PeakHours("Europe/Amsterdam", "NL"),
    "PL": PeakHours("Europe/Warsaw", "PL", holidays_are_peak=False, begins=time(7), ends=time(22)),
}
"""The peak hours of a market's futures, by bidding zone."""


def base(frame: FrameT, market: str, *, at: str | None = None) -> FrameT:
    """Return the rows of base load: every hour of every day.

    Args:
        frame: Rows with instants, such as `load` returns.
        market: The market by its bidding zone, such as "DE-LU".
        at: The column that says when a row holds; `delivery_start`, `valid_at` or `observed_at`,
            unless given.

    Returns:
        The same rows. It stands beside `peak` and `off_peak`, and checks market and column alike.

    Raises:
        UsageError: The market's hours aren't known, or there is no such column.

    >>> import energy_platform as ep
    >>> ep.base(ep.load("energy_charts_price"), "DE-LU").columns[0]
    'received_at'
    """
    _hours(market)
    event_time_of(frame.collect_schema(), at)
    return frame


def peak(
    frame: FrameT, market: str, *, holidays_are_peak: bool | None = None, at: str | None = None
) -> FrameT:
    """Return the rows that are wholly delivered in a market's peak hours.

    Peak is from Monday to Friday, 08:00 to 20:00 local in most markets (GB 07:00 to 19:00, PL 07:00
    to 22:00). Public holidays count as working days, but not in PL.

    Args:
        frame: Rows with instants, such as `load` returns.
        market: The market by its bidding zone, such as "DE-LU".
        holidays_are_peak: Whether public holidays count as working days; as the market has it,
            unless given.
        at: The column that says when a row holds; `delivery_start`, `valid_at` or `observed_at`,
            unless given.

    Returns:
        These rows, columns unchanged. A row whose period is partly peak, such as a whole day's, is
        in neither `peak` nor `off_peak`.

    Raises:
        UsageError: The market's hours aren't known, or there is no such column.

    >>> import energy_platform as ep
    >>> from datetime import UTC, datetime
    >>> noon = [datetime(2026, 5, day, 10, tzinfo=UTC) for day in (1, 2, 4)]  # holiday, Saturday
    >>> rows = pl.DataFrame({"observed_at": noon})
    >>> ep.peak(rows, "DE-LU").height, ep.peak(rows, "DE-LU", holidays_are_peak=False).height
    (2, 1)
    """
    return frame.filter(_in_peak(frame, market, at, holidays=holidays_are_peak).wholly)


def off_peak(
    frame: FrameT, market: str, *, holidays_are_peak: bool | None = None, at: str | None = None
) -> FrameT:
    """Return the rows that are wholly delivered outside a market's peak hours.

    Args:
        frame: Rows with instants, such as `load` returns.
        market: The market by its bidding zone, such as "DE-LU".
        holidays_are_peak: Whether public holidays count as working days; as the market has it,
            unless given.
        at: The column that says when a row holds; `delivery_start`, `valid_at` or `observed_at`,
            unless given.

    Returns:
        These rows, columns unchanged; see `peak`.

    Raises:
        UsageError: The market's hours aren't known, or there is no such column.

    >>> import energy_platform as ep
    >>> from datetime import UTC, datetime
    >>> saturday = pl.DataFrame({"observed_at": [datetime(2026, 5, 2, 10, tzinfo=UTC)]})
    >>> ep.off_peak(saturday, "DE-LU").height
    1
    """
    return frame.filter(~_in_peak(frame, market, at, holidays=holidays_are_peak).partly)


def _in_peak(
    frame: pl.DataFrame | pl.LazyFrame, market: str, at: str | None, *, holidays: bool | None
) -> "_Touch":
    """Return how much of each row's period is in the peak hours."""
    hours, schema = _hours(market), frame.collect_schema()
    name, days = event_time_of(schema, at), calendar(hours.zone)
    start = days.local(pl.col(name))
    has_end = name == "delivery_start" and _END in schema
    # The last moment of a period: its end belongs to the next one.
    last = days.local(pl.col(_END)) - _MICROSECOND if has_end else start
    counts = hours.holidays_are_peak if holidays is None else holidays
    free = None if counts else _public_holidays(hours.country)
    at_both_ends = [_is_peak(moment, hours, free) for moment in (start, last)]
    is_one_day = start.dt.date() == last.dt.date()
    begins, ends = hours.begins, hours.ends
    around = (start.dt.time() < begins) & (last.dt.time() >= ends)
    # A period of more than a day may have a whole working day's peak hours in it.
    is_long = last.dt.date() - start.dt.date() > _DAY
    encloses = is_long | (is_one_day & around & _is_working_day(start, free))
    encloses |= ~is_one_day & (start.dt.time() < begins) & _is_working_day(start, free)
    encloses |= ~is_one_day & (last.dt.time() >= ends) & _is_working_day(last, free)
    return _Touch(
        wholly=is_one_day & at_both_ends[0] & at_both_ends[1],
        partly=at_both_ends[0] | at_both_ends[1] | encloses,
    )


class _Touch(NamedTuple):
    wholly: pl.Expr
    partly: pl.Expr


def _is_peak(moment: pl.Expr, hours: PeakHours, free: pl.Series | None) -> pl.Expr:
    at = moment.dt.time()
    return (at >= hours.begins) & (at < hours.ends) & _is_working_day(moment, free)


def _is_working_day(local: pl.Expr, free: pl.Series | None) -> pl.Expr:
    working = local.dt.weekday() <= _FRIDAY
    return working if free is None else working & ~local.dt.date().is_in(free.implode())


@cache
def _public_holidays(country: str) -> pl.Series:
    """Return a country's public holidays, those of its regions left out."""
    from holidays import country_holidays  # noqa: PLC0415 (only markets that leave them out wait)

    years = range(_YEARS[0], _YEARS[1] + 1)
    return pl.Series(sorted(country_holidays(country, years=years)), dtype=pl.Date)


def _hours(market: str) -> PeakHours:
    if market not in PEAK_HOURS:
        known = ", ".join(PEAK_HOURS)
        raise UsageError(f"the peak hours of {market!r} aren't known; those of {known} are")
    return PEAK_HOURS[market]
