"""Points before they are stored: the order of their columns and the kinds of their fields.

Each store decides how it stores a kind.
"""

from enum import StrEnum

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.storage.hot_store.protocol import Measurement


class FieldKind(StrEnum):
    """The kind of value that a field holds."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    TEXT = "text"


def field_kind(dtype: pl.DataType) -> FieldKind:
    """Return the kind of a column.

    Raises:
        ValueError: No hot store can hold such a column.
    """
    if dtype.is_float():
        return FieldKind.FLOAT
    if dtype.is_integer():
        return FieldKind.INTEGER
    if dtype == pl.Boolean:
        return FieldKind.BOOLEAN
    if isinstance(dtype, pl.Datetime):
        return FieldKind.INSTANT
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return FieldKind.TEXT
    raise ValueError(f"a hot field can't be {dtype}")


def tidy(measurement: Measurement, points: pl.DataFrame) -> pl.DataFrame:
    """Return the points as every store takes them: the last one per series and time.

    Tags are strings without nulls. Numbers that are not finite become null, since no chart can draw
    them and no hot store holds them. Columns beside those of the measurement are kept.

    Raises:
        ValueError: A point has no time.
    """
    tidied = points.with_columns(
        pl.col(measurement.tags).cast(pl.String).fill_null(""),
        pl.col(measurement.time).cast(INSTANT),
        *(_finite(name, dtype) for name, dtype in measurement.fields.items()),
    ).unique([*measurement.tags, measurement.time], keep="last", maintain_order=True)
    if tidied[measurement.time].has_nulls():
        raise ValueError(f"{measurement.name}: a point has no {measurement.time}")
    return tidied


def physical(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a field as it is stored: instants as integers of microseconds."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.epoch("us")
    return pl.col(name).cast(physical_type(dtype))


def physical_type(dtype: pl.DataType) -> pl.DataType:
    """Return the stored type of a field's kind."""
    match field_kind(dtype):
        case FieldKind.FLOAT:
            return pl.Float64()
        case FieldKind.INTEGER | FieldKind.INSTANT:
            return pl.Int64()
        case FieldKind.BOOLEAN:
            return pl.Boolean()
        case FieldKind.TEXT:
            return pl.String()


def logical(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a field in its own type again, from the result of `physical`."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).cast(pl.Datetime("us", dtype.time_zone)).cast(dtype)
    return pl.col(name).cast(dtype)


def _finite(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name).cast(dtype)
    return pl.when(value.is_finite()).then(value).alias(name) if dtype.is_float() else value
