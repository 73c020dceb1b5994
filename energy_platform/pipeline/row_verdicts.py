"""Which rows pass a source's checks, and why the others don't.

The source's pandera schema is the one definition of a good row. It is compiled once. If all rows
pass the compiled checks, they are good; if some fail, pandera says why, for these rows alone. The
verdict equals pandera's verdict on all rows, which `split_by_pandera` gives.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors
from polars import selectors
from polars.exceptions import PolarsError

from energy_platform.market.rows import MarketRows
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.compiled_checks import CompiledChecks

REASON_CHARACTERS: Final = 500

_INDEX: Final = "index"
_FAILURES: Final = {_INDEX: pl.UInt32, "check": pl.String, "reason": pl.String}


class Split(NamedTuple):
    """The passing and the failing rows of a batch.

    Attributes:
        passing: The rows that pass every check.
        failing: The others, with the reason in the columns `check` and `reason` after the row's
            own.
    """

    passing: pl.DataFrame
    failing: pl.DataFrame


def split(source: MarketSource, rows: pl.DataFrame) -> Split:
    """Return the rows that pass a source's checks, and those that fail."""
    if rows.is_empty():
        return Split(rows, _nothing_fails(rows))
    compiled = _compiled(source)
    if compiled is None or rows.schema != compiled.dtypes:
        return split_by_pandera(source, rows)
    try:
        if compiled.all_pass(rows) and _pass(compiled.rest, rows):
            return Split(rows, _nothing_fails(rows))
        return _split_by_both(source, rows, compiled)
    except PolarsError:
        # A check raised an error; pandera says which one.
        return split_by_pandera(source, rows)


def split_by_pandera(source: MarketSource, rows: pl.DataFrame) -> Split:
    """Return the same verdict, by pandera alone over all rows.

    pandera says which values fail as Python's own, and judges no row of a table in which there is
    an instant that Python has no date for. Rows with one are told apart first.
    """
    numbered = rows.with_row_index(_INDEX)
    have_dates = numbered.select(_have_dates()).to_series()
    judged, others = numbered.filter(have_dates), numbered.filter(~have_dates)
    failed = pl.concat([_failures(source, judged), _without_dates(others)])
    if failed.is_empty():
        return Split(rows, _nothing_fails(rows))
    return Split(
        numbered.join(failed, on=_INDEX, how="anti", maintain_order="left").drop(_INDEX),
        numbered.join(failed, on=_INDEX, maintain_order="left").drop(_INDEX),
    )


def _failures(source: MarketSource, numbered: pl.DataFrame) -> pl.DataFrame:
    """Return `index`, `check` and `reason` of the rows that pandera finds at fault."""
    index = numbered[_INDEX]
    try:
        if not numbered.is_empty():
            source.schema.validate(numbered.drop(_INDEX), lazy=True)
    except SchemaErrors as errors:
        failed = _failures_by_row(errors.failure_cases, numbered.height)
        return failed.with_columns(index.gather(failed[_INDEX]))
    return pl.DataFrame(schema=_FAILURES)


def _have_dates() -> pl.Expr:
    """Say whether Python has dates for a row's instants.

    polars' threads start when it is asked for such an instant, so nobody asks at import.
    """
    instants = selectors.datetime().is_between(
        datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    )
    return pl.all_horizontal(pl.lit(value=True), instants.fill_null(value=True))


def _without_dates(numbered: pl.DataFrame) -> pl.DataFrame:
    name = MarketRows.instants_are_of_our_time.__name__
    return numbered.select(_INDEX, check=pl.lit(name), reason=pl.lit(f"fails {name}"))


def _split_by_both(source: MarketSource, rows: pl.DataFrame, compiled: CompiledChecks) -> Split:
    """Let pandera judge the failing rows, if its verdict on them depends on no other row."""
    verdicts = compiled.verdicts(rows)
    passes = verdicts.select(pl.all_horizontal(pl.all())).to_series()
    suspects = rows.filter(~passes)
    depends_on_others = not compiled.verdicts(suspects).equals(verdicts.filter(~passes))
    if compiled.rest is not None or depends_on_others:
        return split_by_pandera(source, rows)
    found = split_by_pandera(source, suspects)
    if not found.passing.is_empty():
        return split_by_pandera(source, rows)
    return Split(rows.filter(passes), found.failing)


def _pass(schema: pa.DataFrameSchema | None, rows: pl.DataFrame) -> bool:
    if schema is None:
        return True
    try:
        schema.validate(rows, lazy=True)
    except SchemaErrors:
        return False
    return True


@cache
def _compiled(source: MarketSource) -> CompiledChecks | None:
    return CompiledChecks.of(source.schema)


def _nothing_fails(rows: pl.DataFrame) -> pl.DataFrame:
    return _no_failing_rows(tuple(rows.schema.items()))


@cache
def _no_failing_rows(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    """Return an empty table of failing rows; to make one costs as much as to check a row."""
    return pl.DataFrame(schema={**dict(columns), "check": pl.String(), "reason": pl.String()})


def _failures_by_row(cases: pl.DataFrame, height: int) -> pl.DataFrame:
    """Gather pandera's failure cases to one line per row: `index`, `check`, `reason`."""
    per_row = cases.filter(pl.col(_INDEX).is_not_null()).with_columns(
        pl.col(_INDEX).cast(pl.UInt32)
    )
    # A check that raised has judged no row, so every row counts as failed.
    for_all = cases.filter(pl.col(_INDEX).is_null()).drop(_INDEX)
    everyone = for_all.join(pl.select(index=pl.int_range(height, dtype=pl.UInt32)), how="cross")
    by_column = pl.col("schema_context") == "Column"
    reason = (
        pl.when(by_column)
        .then(
            pl.format(
                "{} = {} fails {}", "column", pl.col("failure_case").fill_null("null"), "check"
            )
        )
        .otherwise(pl.format("fails {}", "check"))
    )
    return (
        pl.concat([per_row, everyone.select(per_row.columns)])
        .with_columns(reason=reason.str.slice(0, REASON_CHARACTERS))
        .group_by(_INDEX, maintain_order=True)
        .agg(
            check=pl.col("check").unique(maintain_order=True).str.join(", "),
            reason=pl.col("reason").unique(maintain_order=True).str.join("; "),
        )
    )
