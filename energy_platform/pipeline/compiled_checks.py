"""A pandera schema compiled to polars expressions: whether each row of a batch passes each check.

pandera evaluates each check by a plan of its own, which costs more than the check. This module
calls the functions that pandera calls, once, for the expressions that they select, and evaluates
all of these together. Checks that can't be compiled are listed, so that pandera runs them. pandera
also says why a row fails; this module does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import pandera.polars as pa
import polars as pl
from pandera.api.checks import Check
from polars.exceptions import PolarsError

_PASSED: Final = pl.lit(value=True)


class _NotCompilableError(Exception):
    """A check does something other than select expressions."""


class _Selected:
    """The result of a check: the expressions that it selected."""

    def __init__(self, expressions: Sequence[pl.Expr]) -> None:
        self.expressions = expressions


class _Frame:
    """Stands in for the frame that a check gets; it can only select."""

    def select(self, *expressions: pl.Expr, **named: pl.Expr) -> _Selected:
        return _Selected([*expressions, *(one.alias(name) for name, one in named.items())])


@dataclass(frozen=True, slots=True)
class CompiledChecks:
    """The checks of one schema.

    Attributes:
        dtypes: The columns and types that rows must have for the compiled checks to apply.
        masks: One expression per compiled check: true for a row that passes, never null.
        rest: The schema of the checks that are not compiled; None if all are.
    """

    dtypes: pl.Schema
    masks: tuple[pl.Expr, ...]
    rest: pa.DataFrameSchema | None

    @classmethod
    def of(cls, schema: pa.DataFrameSchema) -> Self | None:
        """Compile a schema; None if it does more than check the values of known columns."""
        columns = schema.columns
        if _changes_rows(schema) or any(map(_changes_rows, columns.values())):
            return None
        dtypes = pl.Schema({name: column.dtype.type for name, column in columns.items()})
        # pandera's own checks know polars only after it has validated a polars frame.
        pa.DataFrameSchema().validate(pl.DataFrame())
        masks = [_not_null(name, dtypes[name]) for name, one in columns.items() if not one.nullable]
        left: dict[str | None, list[Check]] = {}
        for key, check in _checks(schema):
            try:
                masks.append(_mask(check, key, dtypes))
            except (_NotCompilableError, PolarsError):
                left.setdefault(key, []).append(check)
        return cls(dtypes, tuple(masks), _schema_of(schema, left))

    def verdicts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return one column per compiled check: whether each row passes it."""
        return rows.select(
            pl.int_range(pl.len()).alias("index"),
            *(mask.alias(str(number)) for number, mask in enumerate(self.masks)),
        ).drop("index")

    def all_pass(self, rows: pl.DataFrame) -> bool:
        """Return whether all rows pass all compiled checks."""
        passed: bool = rows.select(pl.all_horizontal(_PASSED, *self._totals())).item()
        return passed

    def _totals(self) -> Iterator[pl.Expr]:
        # Each mask is reduced by itself, so that the masks of all rows are never in memory
        # together.
        return (mask.all() for mask in self.masks)


def _checks(schema: pa.DataFrameSchema) -> Iterator[tuple[str | None, Check]]:
    """Yield each check and its column; None for a check of the table."""
    for name, column in schema.columns.items():
        for check in column.checks:
            yield name, check
    for check in schema.checks:
        yield None, check


def _changes_rows(schema: pa.DataFrameSchema | pa.Column) -> bool:
    """Return whether a schema or column does something other than check values."""
    return bool(
        schema.coerce
        or schema.parsers
        or schema.drop_invalid_rows
        or (isinstance(schema, pa.Column) and (schema.regex or not schema.required))
        or getattr(schema, "default", None) is not None
        or (isinstance(schema, pa.DataFrameSchema) and schema.dtype is not None)
    )


def _not_null(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return whether a value is present; pandera does not count NaN as present."""
    value = pl.col(name)
    return value.is_not_null() & value.is_not_nan() if dtype.is_float() else value.is_not_null()


def _mask(check: Check, key: str | None, dtypes: pl.Schema) -> pl.Expr:
    """Return whether a row passes a check, reduced to one boolean as pandera does.

    Raises:
        PolarsError: The check's expressions do not fit the columns.
        _NotCompilableError: The check does not consist of expressions alone.
    """
    if check.element_wise or check.raise_warning or check.n_failure_cases is not None:
        raise _NotCompilableError
    selected = _selected(check, key)
    made = pl.LazyFrame(schema=dtypes).select(selected).collect_schema()
    if not made or set(made.dtypes()) != {pl.Boolean()}:
        raise _NotCompilableError
    return pl.all_horizontal(selected).fill_null(check.ignore_na)


def _selected(check: Check, key: str | None) -> list[pl.Expr]:
    given = pa.PolarsData(_Frame(), key or "*")  # type: ignore[arg-type]
    function = check._check_fn  # noqa: SLF001 (pandera calls this too)
    if check.is_builtin_check(name := getattr(function, "__name__", "")):
        # As pandera does: an earlier copy may not know polars yet.
        function = check.get_builtin_check_fn(name)
    try:
        found = function(given, **check._check_kwargs)  # noqa: SLF001
    except Exception as error:  # a check uses the frame for something other than `select`
        raise _NotCompilableError from error
    if not isinstance(found, _Selected):
        raise _NotCompilableError
    return list(found.expressions)


def _schema_of(
    schema: pa.DataFrameSchema, left: dict[str | None, list[Check]]
) -> pa.DataFrameSchema | None:
    """Return a schema of these checks, and of all else in the old one that is not compiled."""
    unique = [name for name, column in schema.columns.items() if column.unique]
    if not left and not unique and not schema.unique:
        return None
    return pa.DataFrameSchema(
        {
            name: pa.Column(
                column.dtype, checks=left.get(name, []), nullable=True, unique=name in unique
            )
            for name, column in schema.columns.items()
            if name in left or name in unique
        },
        checks=left.get(None, []),
        unique=schema.unique,
    )
