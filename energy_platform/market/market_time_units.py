"""How long a table's delivery periods are, as one expression.

A period of another length is an error of the sender or the parser, so a check refuses its row.
`delivery_periods` places periods in a market day.
"""

import re
from datetime import timedelta
from typing import Final

import polars as pl

USUAL: Final = "PT5M PT15M PT30M PT60M P1D"
"""The market time units of a table that does not name its own."""
ANY: Final = "any"
"""For tables whose periods may have any length, such as outages."""

_LENGTH: Final = pl.col("delivery_end") - pl.col("delivery_start")
_UNIT: Final = re.compile(r"PT(?P<minutes>\d+)M|PT(?P<hours>\d+)H|P(?P<days>\d+)D")
_CLOCK_CHANGE: Final = timedelta(hours=1)
_FIXED: Final = timedelta(hours=1)
"""Longer periods follow the local clock, so a clock change makes them shorter or longer."""
_WORDS: Final = {"hour": "PT60M", "day": "P1D"}


def lasting(units: str) -> pl.Expr:
    """Return whether a period lasts one of these units, e.g. `PT15M PT60M`, `PT4H` or `P1D`.

    >>> from datetime import datetime
    >>> start, end = datetime(2026, 1, 1), datetime(2026, 1, 1, 1, 15)
    >>> rows = pl.DataFrame({"delivery_start": [start], "delivery_end": [end]})
    >>> rows.select(fits=lasting("PT15M PT60M")).item()
    False

    Raises:
        ValueError: A word is no market time unit.
    """
    if units == ANY:
        return pl.lit(value=True)
    return _LENGTH.is_in([length for unit in units.split() for length in _lengths(unit)])


def lasting_as_in(column: str) -> pl.Expr:
    """Return whether a period lasts what a column says: `PT15M`, `hour`, `P1D`, `day` or more."""
    unit = pl.col(column).replace(_WORDS)
    minutes = pl.duration(minutes=unit.str.extract(r"^PT(\d+)M$").cast(pl.Int64, strict=False))
    day = _LENGTH.is_in(_lengths("P1D"))
    # For a week, a month or a year this checks only that the period is longer than a day; ENTSO-E's
    # parser places it on the calendar.
    longer = unit.str.contains(r"^P\d+[DWMY]$") & _LENGTH.gt(max(_lengths("P1D")))
    fits = pl.when(unit == "P1D").then(day).otherwise((minutes == _LENGTH).fill_null(longer))
    return pl.when(_LENGTH.is_not_null()).then(fits)


def _lengths(unit: str) -> list[timedelta]:
    found = _UNIT.fullmatch(unit)
    if found is None:
        raise ValueError(f"{unit} is no market time unit; write PT15M, PT4H or P1D")
    length = timedelta(**{name: int(count) for name, count in found.groupdict("0").items()})
    return (
        [length] if length <= _FIXED else [length - _CLOCK_CHANGE, length, length + _CLOCK_CHANGE]
    )
