"""Translates polars predicates to SQL, and writes values and names in SQL.

A conjunct is translated only if SQL gives the same answer for every row, nulls and NaN included.
Others are left out, so the translated filter may let too many rows through and never too few. The
caller applies the whole predicate again in polars.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

_COMPARISONS: Final = {
    "Eq": "=",
    "NotEq": "!=",
    "Lt": "<",
    "LtEq": "<=",
    "Gt": ">",
    "GtEq": ">=",
    "EqValidity": "IS NOT DISTINCT FROM",
    "NotEqValidity": "IS DISTINCT FROM",
}
_JUNCTIONS: Final = {"And": "AND", "LogicalAnd": "AND", "Or": "OR", "LogicalOr": "OR"}
_BOUNDS: Final = {
    "Both": (">=", "<="),
    "Left": (">=", "<"),
    "Right": (">", "<="),
    "None": (">", "<"),
}
_PYTHON_TYPES: Final[dict[pl.DataType, type]] = {
    pl.Datetime("us", "UTC"): datetime,
    pl.Int64(): int,
    pl.Float64(): float,
    pl.String(): str,
    pl.Boolean(): bool,
}
_MOST_VALUES: Final = 1_000
"""polars compares longer lists of values, since a filter's text has a size limit."""

_Node = dict[str, Any]
_Types = Mapping[str, pl.DataType]


class _NotInSqlError(ValueError):
    """SQL would give another answer, or the answer isn't known to be the same."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition in SQL.

    Attributes:
        sql: The condition, ready to be joined by AND.
        columns: The columns that it reads.
    """

    sql: str
    columns: frozenset[str]


def filters(predicate: pl.Expr, dtypes: _Types) -> list[Filter]:
    """Return the conjuncts of a predicate that can be translated.

    Args:
        predicate: A condition on the rows of a table.
        dtypes: The table's columns and their types.

    >>> from polars import col
    >>> price, zone = col("price_eur_per_mwh"), col("bidding_zone")
    >>> cheap = (price < 0) & zone.str.starts_with("C")
    >>> types = {"price_eur_per_mwh": pl.Float64(), "bidding_zone": pl.String()}
    >>> [each.sql for each in filters(cheap, types)]
    []
    >>> cheap = (price < 0.0) & zone.str.starts_with("C")
    >>> [each.sql for each in filters(cheap, types)]
    ['(`price_eur_per_mwh` < 0.0)']
    """
    tree = json.loads(predicate.meta.serialize(format="json"))
    return list(_translated(tree, dtypes))


def identifier(name: str) -> str:
    """Return a column's name as SQL quotes it.

    Raises:
        ValueError: No column has such a name.
    """
    if not name.isidentifier():
        raise ValueError(f"{name!r} can't name a column")
    return f"`{name}`"


def literal(value: object) -> str:
    """Return a value as SQL writes it: an instant, a number, a text, true or false.

    Raises:
        ValueError: The value is none of these, or NaN or infinity.
    """
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() if -(2**63) <= value < 2**63:
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case str():
            # BigQuery's escapes include JSON's.
            return json.dumps(value, ensure_ascii=False)
        case datetime() if value.tzinfo is not None:
            instant = value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
            return f"TIMESTAMP '{instant}'"
        case _:
            raise ValueError(f"{value!r} can't be written in SQL")


def _translated(node: _Node, dtypes: _Types) -> Iterator[Filter]:
    match node:
        case {"BinaryExpr": {"op": "And" | "LogicalAnd", "left": left, "right": right}}:
            yield from _translated(left, dtypes)
            yield from _translated(right, dtypes)
        case _:
            try:
                yield Filter(_condition(node, dtypes), frozenset(_columns(node)))
            except ValueError:
                return


def _columns(node: object) -> Iterator[str]:
    match node:
        case {"Column": str(name)}:
            yield name
        case dict():
            for part in node.values():
                yield from _columns(part)
        case list():
            for part in node:
                yield from _columns(part)


def _condition(node: _Node, dtypes: _Types) -> str:
    """Translate a condition, in the form in which polars serializes it."""
    match node:
        case {"Column": str(name)} if dtypes[name] == pl.Boolean:
            return identifier(name)
        case {"BinaryExpr": {"op": op, "left": left, "right": right}} if op in _JUNCTIONS:
            return f"({_condition(left, dtypes)} {_JUNCTIONS[op]} {_condition(right, dtypes)})"
        case {"BinaryExpr": {"op": op, "left": {"Column": str(name)}, "right": value}} if (
            op in _COMPARISONS
        ):
            column, dtype = identifier(name), dtypes[name]
            said = f"({column} {_COMPARISONS[op]} {_literal(_evaluated(value), dtype)})"
            # polars takes NaN for greater than any number; in SQL every comparison with it is
            # false.
            is_nan_greater = dtype.is_float() and op in {"Gt", "GtEq"}
            return f"({said} OR IS_NAN({column}))" if is_nan_greater else said
        case {"Function": {"input": [negated], "function": {"Boolean": "Not"}}}:
            return f"(NOT {_condition(negated, dtypes)})"
        case {
            "Function": {
                "input": [{"Column": str(name)}, *values],
                "function": {"Boolean": function},
            }
        }:
            return _said(function, identifier(name), dtypes[name], [*map(_evaluated, values)])
        case _:
            raise _NotInSqlError


def _said(function: object, column: str, dtype: pl.DataType, values: list[object]) -> str:
    """Translate what a function says of a column."""
    match function, values:
        case "IsNull", []:
            return f"({column} IS NULL)"
        case "IsNotNull", []:
            return f"({column} IS NOT NULL)"
        case {"IsBetween": {"closed": str(closed)}}, [low, high]:
            above, below = _BOUNDS[closed]
            # For NaN the second answer is no.
            return (
                f"({column} {above} {_literal(low, dtype)}"
                f" AND {column} {below} {_literal(high, dtype)})"
            )
        case {"IsIn": {"nulls_equal": bool(nulls_equal)}}, [[_, *_] as listed] if (
            len(listed) <= _MOST_VALUES
        ):
            said = [_literal(value, dtype) for value in listed if value is not None]
            has_null, among = len(said) < len(listed), f"{column} IN ({', '.join(said)})"
            if not nulls_equal and not has_null:
                return f"({among})"
            # Unlike `IN`, this is never null: a row without a value is in the list, or it isn't.
            if nulls_equal and has_null:
                return f"({column} IS NULL OR {among})" if said else f"({column} IS NULL)"
            if nulls_equal:
                return f"({column} IS NOT NULL AND {among})"
    raise _NotInSqlError


def _literal(value: object, dtype: pl.DataType) -> str:
    if type(value) is not _PYTHON_TYPES.get(dtype):
        raise _NotInSqlError
    return literal(value)


def _evaluated(node: _Node) -> object:
    """Return the Python value of a literal."""
    if "Literal" not in node:
        raise _NotInSqlError
    try:
        expression = pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")
        value = pl.select(expression).item()
    except PolarsError:
        raise _NotInSqlError from None
    return value.to_list() if isinstance(value, pl.Series) else value
