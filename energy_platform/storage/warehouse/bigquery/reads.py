"""Reads tables as lazy frames; rows are read when a frame is collected.

A collected frame is one snapshot of the table at that moment: it holds everything committed by then
and nothing later. It is never older than the `scan` that made it, and a second `collect` may see a
newer table. (A Delta frame is the table at the moment of `scan`. BigQuery's clock and the
platform's differ, so a read as of the platform's "now" could miss a commit made just before.)

Filters and column choices are pushed down to BigQuery where it can apply them; polars applies the
whole predicate again to the rows that come back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from polars.io.plugins import register_io_source

from energy_platform.history.question import Question
from energy_platform.history.runs import SUMMARY
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery import queries, storage_read
from energy_platform.storage.warehouse.bigquery.client import Clients, patiently
from energy_platform.storage.warehouse.bigquery.filters import Filter, filters
from energy_platform.storage.warehouse.bigquery.history_sql import (
    Asked,
    Write,
    bounds,
    question_sql,
    runs_sql,
)
from energy_platform.storage.warehouse.bigquery.queries import ReadBudget
from energy_platform.storage.warehouse.bigquery.schema import PLACE, reference

_LANDING_ORDER: Final = ("landing_offset", PLACE)


def scan(clients: Clients, table: Table) -> pl.LazyFrame:
    """Return every revision in landing order, lazily, by the Storage Read API.

    Filters on event time prune partitions. If a table requires such a filter, an unfiltered scan
    uses the bounds of all instants that the checks let pass, and so reads the whole table.
    """
    # A mart's rows come from no message, and have no order.
    is_landed = "landing_offset" in table.dtypes
    dtypes = {**table.dtypes, **({PLACE: pl.Int64()} if is_landed else {})}

    frame = _lazily(dtypes, partial(_stored_rows, clients, table))
    return frame.sort(_LANDING_ORDER).select(*table.dtypes) if is_landed else frame


def answer(clients: Clients, question: Question, budget: ReadBudget) -> pl.LazyFrame:
    """Return the one row per key that a question asks for, lazily, by a query.

    Collecting it raises `ReadTooLargeError` if it would scan more than the budget allows.
    """
    return _lazily(question.dtypes, partial(_answers, clients, question, budget, question_sql))


def run_summaries(clients: Clients, question: Question, budget: ReadBudget) -> pl.LazyFrame:
    """Return one row per run of a forecast, lazily, by a query."""
    return _lazily(SUMMARY, partial(_answers, clients, question, budget, runs_sql))


def scanned_bytes(clients: Clients, question: Question, columns: Sequence[str]) -> int:
    """Return how many bytes the answer to a question would scan; asking is free."""
    stored = _stored_columns(clients, question.table)
    if stored is None:
        return 0
    where = str(reference(clients, question.table))
    sql = question_sql(question, Asked(columns=columns), table_id=where, stored=stored)
    return queries.dry_run_bytes(clients, sql)


def _lazily(
    dtypes: Mapping[str, pl.DataType], ask: Callable[[Asked], Iterator[pa.RecordBatch]]
) -> pl.LazyFrame:
    """Return a frame with these columns that asks BigQuery for them when it is collected."""

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # BigQuery chooses the size of its batches, some thousand rows
        columns = with_columns or list(dtypes)
        asked = Asked(columns=columns, filters=_told(predicate, n_rows, dtypes), limit=n_rows)
        yield from _frames(ask(asked), columns, dtypes, predicate, n_rows)

    return register_io_source(read, schema=dtypes)


def _told(
    predicate: pl.Expr | None, n_rows: int | None, dtypes: Mapping[str, pl.DataType]
) -> Sequence[Filter]:
    """Return the filters for BigQuery; none if a number of rows is taken before the predicate."""
    return [] if predicate is None or n_rows is not None else filters(predicate, dtypes)


def _answers(
    clients: Clients, question: Question, budget: ReadBudget, write: Write, asked: Asked
) -> Iterator[pa.RecordBatch]:
    where = reference(clients, question.table)
    stored = _stored_columns(clients, question.table)
    if stored is None:
        return
    sql = write(question, asked, table_id=str(where), stored=stored)
    yield from queries.run(clients, sql, what=question.table.name, budget=budget)


def _stored_rows(clients: Clients, table: Table, asked: Asked) -> Iterator[pa.RecordBatch]:
    where = reference(clients, table)
    try:
        yield from storage_read.batches(
            clients, where, columns=asked.columns, restriction=_restriction(table, asked.filters)
        )
    except (exceptions.NotFound, exceptions.InvalidArgument):
        # Both errors come before the first row: there is no table yet, or it lacks a column.
        stored = _stored_columns(clients, table)
        if stored is None:
            return
        yield from storage_read.batches(
            clients,
            where,
            columns=[name for name in asked.columns if name in stored] or [PLACE],
            restriction=_restriction(
                table, [each for each in asked.filters if each.columns <= stored]
            ),
        )


def _restriction(table: Table, told: Sequence[Filter]) -> str:
    conditions = [each.sql for each in told]
    return " AND ".join([*conditions, *([bounds(table)] if table.is_large else [])])


def _stored_columns(clients: Clients, table: Table) -> frozenset[str] | None:
    """Return the columns that a table has; None if there is no table yet."""
    try:
        stored = patiently(clients.rest.get_table, reference(clients, table))
    except exceptions.NotFound:
        return None
    return frozenset(field.name for field in stored.schema)


def _frames(
    batches: Iterator[pa.RecordBatch],
    columns: Sequence[str],
    dtypes: Mapping[str, pl.DataType],
    predicate: pl.Expr | None,
    n_rows: int | None,
) -> Iterator[pl.DataFrame]:
    """Yield batches as the frames that polars asks for, at least one.

    As polars defines it, the number of rows is taken before the predicate applies.
    """
    wanted = {name: dtypes[name] for name in columns}
    left = n_rows
    yield pl.DataFrame(schema=wanted)
    for batch in batches:
        frame = _typed(batch, wanted)
        if left is not None:
            frame = frame.head(left)
            left -= frame.height
        yield frame if predicate is None else frame.filter(predicate)
        if left == 0:
            return


def _typed(batch: pa.RecordBatch, wanted: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return a batch with these columns; null if the table has no such column yet."""
    frame = pl.DataFrame(pl.from_arrow(batch))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in wanted.items()
    )
