"""Conditions on a source's key columns, as a reader states them: columns and the values wanted."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.errors import UsageError

if TYPE_CHECKING:
    from energy_platform.market.source import MarketSource
    from energy_platform.reading.dataset import Dataset

Value = str | float | bool | datetime | None
"""One value of a key column; None is where a row has none."""
Where = Mapping[str, Value | Collection[Value]]
"""For each column the value, or the values of which one must be there."""


def condition(source: "MarketSource | Dataset", where: Where) -> pl.Expr:
    """Return the condition that a source's rows must meet; all columns' conditions hold at once.

    Raises:
        UsageError: A column is not in the source's key, or a value is not of its column's type.
    """
    for column in where:
        if column not in source.key:
            raise UsageError(
                f"{source.name} has no key column {column!r}; it has {', '.join(source.key)}"
            )
    return matching(source, where)


def matching(table: "MarketSource | Dataset", where: Where) -> pl.Expr:
    """Return whether a row has the values of `where`, whose columns the table has.

    Raises:
        UsageError: A value is not of its column's type.
    """
    met = pl.lit(value=True)
    for column, wanted in where.items():
        # As one list: a series of the column's own type is ambiguous, as polars warns.
        listed = _values(table, column, wanted).implode()
        met &= pl.col(column).is_in(listed, nulls_equal=True)
    return met


def values_of(wanted: Value | Collection[Value]) -> list[Value]:
    """Return the values of which one must be there."""
    if isinstance(wanted, str) or not isinstance(wanted, Collection):
        return [wanted]
    return list(wanted)


def _values(
    source: "MarketSource | Dataset", column: str, wanted: Value | Collection[Value]
) -> "pl.Series":
    dtype = source.dtypes[column]
    try:
        values = [_in_utc(column, value) for value in values_of(wanted)]
        return pl.Series(column, values, dtype=dtype)
    except (PolarsError, TypeError, ValueError, OverflowError):
        raise UsageError(f"{column} is {dtype} in {source.name}, and not {wanted!r}") from None


def _in_utc(column: str, value: object) -> object:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise UsageError(f"{column} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
    return value.astimezone(UTC)
