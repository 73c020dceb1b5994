"""How long delivery periods are: what a table says of its market time units, as one expression.

A row whose period has another length is an error of its sender or its parser, so a check refuses
it. How a period is placed in a market day is in `delivery_periods`.
"""

import re
from datetime import timedelta
from typing import Final

import polars as pl

USUAL: Final = "PT5M PT15M PT30M PT60M P1D"
"""The market time units of a table that says nothing of its own."""
ANY: Final = "any"
"""Of a table whose periods begin and end whenever they do, such as outages."""

_LENGTH: Final = pl.col("delivery_end") - pl.col("delivery_start")
_UNIT: Final = re.compile(r"PT(?P<minutes>\d+)M|PT(?P<hours>\d+)H|P(?P<days>\d+)D")
_CLOCK_CHANGE: Final = timedelta(hours=1)
_FIXED: Final = timedelta(hours=1)
"""Periods longer than this follow the local clock: they are shorter or longer where it changes."""
_WORDS: Final = {"hour": "PT60M", "day": "P1D"}


def lasting(units: str) -> pl.Expr:
    """Say that a period lasts one of these market time units, e.g. `PT15M PT60M`, `PT4H` or `P1D`.

    >>> from datetime import datetime
    >>> start, end = datetime(2026, 1, 1), datetime(2026, 1, 1, 1, 15)
    >>> rows = pl.DataFrame({"delivery_start": [start], "delivery_end": [end]})
    >>> rows.select(fits=lasting("PT15M PT60M")).item()
    False

    Raises:
        ValueError: One is no market time unit.
    """
    if units == ANY:
        return pl.lit(value=True)
    return _LENGTH.is_in([length for unit in units.split() for length in _lengths(unit)])


def lasting_as_in(column: str) -> pl.Expr:
    """Say that a period lasts what a column says: `PT15M`, `hour`, `P1D`, `day`, a week or more."""
    unit = pl.col(column).replace(_WORDS)
    minutes = pl.duration(minutes=unit.str.extract(r"^PT(\d+)M$").cast(pl.Int64, strict=False))
    day = _LENGTH.is_in(_lengths("P1D"))
    # A week, a month or a year is told from a day; ENTSO-E's parser places it on the calendar.
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
