"""Translates polars predicates to SQL, and writes values and names in SQL.

A conjunct is translated only if SQL gives the same answer for every row, nulls and NaN included.
Others are left out, so the translated filter may let too many rows through and never too few. The
caller applies the whole predicate again in polars.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
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


class _NotInSqlError(Exception):
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


def filters(predicate: pl.Expr, dtypes: Mapping[str, pl.DataType]) -> list[Filter]:
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
    return list(_translated(tree, _Translation(dtypes)))


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


def _translated(node: _Node, translation: "_Translation") -> Iterator[Filter]:
    match node:
        case {"BinaryExpr": {"op": "And" | "LogicalAnd", "left": left, "right": right}}:
            yield from _translated(left, translation)
            yield from _translated(right, translation)
        case _:
            try:
                yield Filter(translation.condition(node), frozenset(_columns(node)))
            except _NotInSqlError:
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


@dataclass(frozen=True, slots=True)
class _Translation:
    """Translates predicates on one table's rows, in the form in which polars serializes them."""

    dtypes: Mapping[str, pl.DataType]

    def condition(self, node: _Node) -> str:
        match node:
            case {"Column": str(name)} if self.dtypes[name] == pl.Boolean:
                return identifier(name)
            case {"BinaryExpr": {"op": op, "left": left, "right": right}} if op in _JUNCTIONS:
                return f"({self.condition(left)} {_JUNCTIONS[op]} {self.condition(right)})"
            case {"BinaryExpr": {"op": op, "left": left, "right": right}} if op in _COMPARISONS:
                return self.comparison(op, left, right)
            case {"Function": {"input": inputs, "function": {"Boolean": function}}}:
                return self.function(function, inputs)
            case _:
                raise _NotInSqlError

    def function(self, function: object, inputs: Sequence[_Node]) -> str:
        match function, inputs:
            case "Not", [negated]:
                return f"(NOT {self.condition(negated)})"
            case "IsNull", [{"Column": str(name)}]:
                return f"({identifier(name)} IS NULL)"
            case "IsNotNull", [{"Column": str(name)}]:
                return f"({identifier(name)} IS NOT NULL)"
            case {"IsBetween": {"closed": str(closed)}}, [{"Column": str(name)}, low, high]:
                above, below = _BOUNDS[closed]
                # For NaN the second answer is no.
                return (
                    f"({identifier(name)} {above} {self.value(low, name)}"
                    f" AND {identifier(name)} {below} {self.value(high, name)})"
                )
            case {"IsIn": {"nulls_equal": bool(nulls_equal)}}, [{"Column": str(name)}, listed]:
                return self.membership(name, listed, nulls_equal=nulls_equal)
            case _:
                raise _NotInSqlError

    def membership(self, name: str, listed: _Node, *, nulls_equal: bool) -> str:
        column, values = identifier(name), self.values(listed)
        said = [self._literal(value, name) for value in values if value is not None]
        among = f"{column} IN ({', '.join(said)})"
        if not nulls_equal:
            if len(said) < len(values):
                raise _NotInSqlError
            return f"({among})"
        # Unlike `IN`, this is never null: a row without a value is in the list, or it isn't.
        if len(said) == len(values):
            return f"({column} IS NOT NULL AND {among})"
        return f"({column} IS NULL OR {among})" if said else f"({column} IS NULL)"

    def comparison(self, op: str, left: _Node, right: _Node) -> str:
        sign = _COMPARISONS[op]
        match left, right:
            case {"Column": str(one)}, {"Column": str(other)} if (
                self.dtypes[one] == self.dtypes[other] and not self.dtypes[one].is_float()
            ):
                return f"({identifier(one)} {sign} {identifier(other)})"
            case {"Column": str(name)}, {"Literal": _}:
                said = f"({identifier(name)} {sign} {self.value(right, name)})"
                if self.dtypes[name].is_float() and op in {"Gt", "GtEq"}:
                    # polars takes NaN for greater than any number; in SQL every comparison with it
                    # is false.
                    return f"({said} OR IS_NAN({identifier(name)}))"
                return said
            case _:
                raise _NotInSqlError

    def value(self, node: _Node, column: str) -> str:
        return self._literal(_evaluated(node), column)

    def values(self, node: _Node) -> list[object]:
        listed = _evaluated(node)
        if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_VALUES:
            raise _NotInSqlError
        return listed

    def _literal(self, value: object, column: str) -> str:
        if type(value) is not _PYTHON_TYPES.get(self.dtypes[column]):
            raise _NotInSqlError
        try:
            return literal(value)
        except ValueError:
            raise _NotInSqlError from None


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
