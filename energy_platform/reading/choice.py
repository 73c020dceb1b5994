"""Which columns and rows of a table a reader wants, and what is wrong with a wish."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.reading.dataset import Dataset
from energy_platform.reading.where import Where, condition, matching, values_of

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
        UsageError: The table has no such column (the message lists near ones), none is named, or
            one is named twice.
    """
    if columns is None:
        return [pl.all()]
    if not is_list(columns):
        raise UsageError(f"columns is a list of at least one column, not {columns!r}")
    for name in columns:
        require_column(about, name, added)
    if len(set(columns)) < len(columns):
        raise UsageError(f"columns names a column twice: {', '.join(columns)}")
    return [pl.col(name) for name in columns]


def condition_on(about: Dataset, where: Where) -> pl.Expr:
    """Return the condition that a table's rows must meet; all columns' conditions hold at once.

    Raises:
        UsageError: The table has no such column, or a value is not of its type; or no value of a
            column is wanted.
    """
    _require_values(where)
    for column in where:
        require_column(about, column)
    return matching(about, where)


def condition_on_key(about: Dataset, where: Where) -> pl.Expr:
    """Return the condition that a table's rows must meet in columns of the key.

    Raises:
        UsageError: A column is not in the key, or a value is not of its type; or no value of a
            column is wanted.
    """
    _require_values(where)
    return condition(about, where)


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


def require_column(about: Dataset, name: object, added: Sequence[str] = ()) -> None:
    """Refuse a name that is no column of an answer.

    Args:
        about: The table.
        name: The name.
        added: Columns that the answer has besides the table's.

    Raises:
        UsageError: The table has no such column; the message lists near ones.
    """
    if not isinstance(name, str) or name not in (*about.dtypes, *added):
        hint = near(str(name), list(about.dtypes))
        raise UsageError(f"{about.name} has no column {name!r}; {hint}")


def require_count(number: object, name: str, least: int = 1) -> None:
    """Refuse what is no number of things, or too few.

    Args:
        number: The number.
        name: The argument's name.
        least: How many there are at least.

    Raises:
        UsageError: It is no whole number, or less than that.
    """
    if not isinstance(number, int) or number < least:
        raise UsageError(f"{name} is a number, {least} or more, not {number!r}")


def _require_values(where: object) -> None:
    """Refuse what is no condition, or one that no row could meet."""
    if not isinstance(where, Mapping):
        raise UsageError(f'where is a mapping such as {{"bidding_zone": "FR"}}, not {where!r}')
    for column, wanted in where.items():
        if isinstance(wanted, Collection) and not isinstance(wanted, str) and len(wanted) == 0:
            raise UsageError(f"where names no value of {column}")


def is_list(said: object) -> bool:
    """Return whether it is some values, and no text."""
    return isinstance(said, Collection) and not isinstance(said, str) and len(said) > 0


def near(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about a name that is none of those known: similar ones."""
    containing = [one for one in known if name and name.casefold() in one.casefold()]
    if similar := containing[:3] or get_close_matches(name, known, n=3, cutoff=0.5):
        return f"did you mean {' or '.join(similar)}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"there are {', '.join(known[:_SHOWN])}{more}"
