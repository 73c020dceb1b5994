"""The runs of a forecast: what is there of each, whether it is all, and which one is wanted when.

A run arrives in pieces, for minutes or hours. What a complete run has is declared by its source, or
taken from other runs of the table; `expected_from` says which. Pure functions over frames; the
warehouses make the summaries; `storage.warehouse.bigquery.history_sql` has SQL for them too.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import multimode
from typing import Final, NamedTuple

import polars as pl

from energy_platform.history.provider_clock import KNOWN_AT, with_knowledge
from energy_platform.history.question import Question, RunSpan
from energy_platform.history.revisions import RUN, known_by
from energy_platform.market.instants import INSTANT

SUMMARY: Final[dict[str, pl.DataType]] = {
    RUN: INSTANT,
    "first_known_at": INSTANT,
    "last_new_at": INSTANT,
    "last_known_at": INSTANT,
    "first_valid_at": INSTANT,
    "last_valid_at": INSTANT,
    "value_count": pl.Int64(),
    "row_count": pl.Int64(),
}
"""The columns of a summary. A value is a series at a valid time; its revisions are more rows."""

_COMPARED: Final = timedelta(days=14)
"""How old the runs are at most whose sizes a run is compared with."""

_MOST_LATER: Final = 56
_SIZE: Final = "value_count"


def summaries(rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Return one row per run: what was known of it, and when.

    Args:
        rows: Every revision of the question's table.
        question: Which rows are counted, in every revision that was known by then.
    """
    event = pl.col(question.event_time)
    timed = with_knowledge(
        rows.filter(event.is_between(*question.reach)),
        question.published,
        key=question.key,
        event_time=question.event_time,
    )
    if question.known is not None:
        timed = known_by(timed, question, question.known)
    of_key = timed.group_by(question.key).agg(
        first_known_at=pl.col(KNOWN_AT).min(),
        last_known_at=pl.col(KNOWN_AT).max(),
        row_count=pl.len().cast(pl.Int64),
    )
    return (
        of_key.group_by(RUN)
        .agg(
            first_known_at=pl.col("first_known_at").min(),
            last_new_at=pl.col("first_known_at").max(),
            last_known_at=pl.col("last_known_at").max(),
            first_valid_at=event.min(),
            last_valid_at=event.max(),
            value_count=pl.len().cast(pl.Int64),
            row_count=pl.col("row_count").sum(),
        )
        .select(*SUMMARY)
    )


def judged(runs: pl.DataFrame, declared: int | None) -> pl.DataFrame:
    """Return the runs in order, each with what was expected of it and whether that is there.

    `expected_values` is what the source declares. Otherwise it is how many values most of the
    earlier runs of the same hour have, or of all earlier runs, or of later runs if there is no
    earlier one. A single run has nothing to be compared with: `is_complete` is null.

    Args:
        runs: Summaries.
        declared: How many values a complete run has, if its source declares it.
    """
    runs = runs.sort(RUN)
    if declared is not None:
        expected = runs.with_columns(
            expected_values=pl.lit(declared, dtype=pl.Int64), expected_from=pl.lit("declared")
        )
    else:
        expected = runs.with_columns(_compared(runs))
    is_complete = pl.col(_SIZE) >= pl.col("expected_values")
    return expected.with_columns(
        is_complete=is_complete, complete_at=pl.when(is_complete).then("last_new_at")
    )


def _compared(runs: pl.DataFrame) -> list[pl.Series]:
    """Return what other runs let expect of each, and which ones these are."""
    sizes = [_Size(*row) for row in runs.select(RUN, _SIZE).iter_rows()]
    found = [_expected(sizes, number) for number in range(runs.height)]
    return [
        pl.Series("expected_values", [size for size, _ in found], dtype=pl.Int64),
        pl.Series("expected_from", [whence for _, whence in found], dtype=pl.String),
    ]


class _Size(NamedTuple):
    run_at: datetime
    value_count: int


def _expected(runs: Sequence[_Size], number: int) -> tuple[int | None, str | None]:
    run_at = runs[number].run_at
    first = bisect_left(runs, run_at - _COMPARED, key=lambda run: run.run_at)
    earlier, later = runs[first:number], runs[number + 1 :][:_MOST_LATER]
    same_hour = [run for run in earlier if run.run_at.time() == run_at.time()]
    for others, whence in (
        (same_hour, "earlier runs of this hour"),
        (earlier, "earlier runs"),
        (later, "later runs"),
    ):
        if others:
            return max(multimode(run.value_count for run in others)), whence
    return None, None


def wanted_spans(runs: pl.DataFrame, since: str) -> tuple[RunSpan, ...]:
    """Return which run is the newest one at each moment of knowledge.

    Args:
        runs: Runs, as `judged` returns them.
        since: The column that says from when on a run may be wanted: `first_known_at`, or
            `complete_at`.
    """
    ready = runs.filter(pl.col(since).is_not_null()).sort(since, RUN)
    # A run that comes after a newer one is never wanted.
    newest = ready.filter(pl.col(RUN) == pl.col(RUN).cum_max()).unique(
        since, keep="last", maintain_order=True
    )
    return tuple(
        RunSpan(*row)
        for row in newest.select(RUN, since, until=pl.col(since).shift(-1)).iter_rows()
    )
