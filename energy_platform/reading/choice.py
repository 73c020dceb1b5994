"""Which columns and rows of a table a reader wants, and what is wrong with a wish."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.reading.dataset import Dataset
from energy_platform.reading.where import Where, matching, values_of

_SHOWN: Final = 8


def chosen_columns(
    about: Dataset, columns: Sequence[str] | None, added: Sequence[str] = ()
) -> list[pl.Expr]:
    """Return the columns that are wanted; all, unless some are named.

    Args:
        about: The table.
        columns: The columns that are named.
        added: Columns that the answer has besides the table's.

    Raises:
        UsageError: The table has no such column; the message lists near ones.
    """
    if columns is None:
        return [pl.all()]
    for name in columns:
        if name not in added:
            _require_column(about, name)
    return [pl.col(name) for name in columns]


def condition_on(about: Dataset, where: Where) -> pl.Expr:
    """Return the condition that a table's rows must meet; all columns' conditions hold at once.

    Raises:
        UsageError: The table has no such column, or a value is not of its type.
    """
    for column in where:
        _require_column(about, column)
    return matching(about, where)


def require_found(about: Dataset, where: Where, rows: pl.LazyFrame) -> None:
    """Refuse a value that no row has, if there are rows.

    Args:
        about: The table.
        where: The condition, which no row has met.
        rows: The rows of the same time, whatever their values.

    Raises:
        UsageError: A column has other values; the message lists near ones.
    """
    for column, wanted in where.items():
        there = rows.select(pl.col(column).unique()).collect().to_series().drop_nulls()
        known = there.to_list()
        values = values_of(wanted)
        absent = [value for value in values if value is not None and value not in known]
        if known and len(absent) == len(values):
            hint = near(str(absent[0]), sorted(map(str, known)))
            raise UsageError(f"{about.name} has no {column}={absent[0]!r}; {hint}")


def _require_column(about: Dataset, name: str) -> None:
    if name not in about.dtypes:
        raise UsageError(f"{about.name} has no column {name!r}; {near(name, list(about.dtypes))}")


def near(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about a name that is none of those known: similar ones."""
    containing = [one for one in known if name and name.casefold() in one.casefold()]
    if similar := containing[:3] or get_close_matches(name, known, n=3, cutoff=0.5):
        return f"did you mean {' or '.join(similar)}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"there are {', '.join(known[:_SHOWN])}{more}"
