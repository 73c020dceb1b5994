"""Reads tables as lazy frames; rows are read when a frame is collected.

A collected frame is one snapshot of the table at that moment: it holds everything committed by then
and nothing later. It is never older than the `scan` that made it, and a second `collect` may see a
newer table. (A Delta frame is the table at the moment of `scan`. BigQuery's clock and the
platform's differ, so a read as of the platform's "now" could miss a commit made just before.)

Filters and column choices are pushed down to BigQuery where it can apply them; polars applies the
whole predicate again to the rows that come back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from energy_platform.history import revisions
from energy_platform.history.question import Question
from energy_platform.history.runs import SUMMARY, summaries
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery import queries
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.filters import Filter, filters
from energy_platform.storage.warehouse.bigquery.history_sql import (
    between,
    candidates_sql,
    has_sql,
    on_key,
    runs_sql,
)
from energy_platform.storage.warehouse.bigquery.queries import ReadBudget
from energy_platform.storage.warehouse.bigquery.schema import (
    PLACE,
    is_landed,
    stored_dtypes,
    stored_table,
)

_LANDING_ORDER: Final = ("landing_offset", PLACE)

Ask = Callable[[Sequence[str], Sequence[Filter]], Iterator[pl.DataFrame]]
"""Brings rows with some of these columns, of which none is left out that fulfils the filters."""


def scan(
    clients: Clients,
    table: Table,
    *,
    budget: ReadBudget | None = None,
    only: Sequence[Filter] = (),
) -> pl.LazyFrame:
    """Return every revision in landing order, lazily, by the Storage Read API.

    Filters on event time prune partitions. If a table requires such a filter, an unfiltered scan
    uses the bounds of all instants that the checks let pass, and so reads the whole table.

    Args:
        clients: BigQuery's clients.
        table: The table.
        budget: How much a collection may read; as much as it takes, if None.
        only: Conditions on the rows.
    """

    def ask(columns: Sequence[str], told: Sequence[Filter]) -> Iterator[pl.DataFrame]:
        return _stored_rows(clients, table, columns, [*only, *told], budget)

    frame = _lazily(stored_dtypes(table), ask)
    # A mart's rows come from no message, and have no order.
    return frame.sort(_LANDING_ORDER).select(*table.dtypes) if is_landed(table) else frame


def answer(clients: Clients, question: Question, budget: ReadBudget) -> pl.LazyFrame:
    """Return the rows that a question asks for, lazily, by a query where there is one for it.

    Collecting it raises `ReadTooLargeError` if it would read more than the budget allows.
    """

    def ask(columns: Sequence[str], told: Sequence[Filter]) -> Iterator[pl.DataFrame]:
        early = on_key(question, told)
        rows = scan(clients, question.table, budget=budget, only=early)
        if has_sql(question):

            def chosen(wanted: Sequence[str], _: Sequence[Filter]) -> Iterator[pl.DataFrame]:
                write = partial(candidates_sql, question, wanted, early)
                return _queried(clients, question, budget, write)

            rows = _lazily(question.table.dtypes, chosen)
        yield revisions.answer(rows, question).select(columns).collect()

    return _lazily(question.dtypes, ask)


def run_summaries(clients: Clients, question: Question, budget: ReadBudget) -> pl.LazyFrame:
    """Return one row per run of a forecast, lazily, by a query where there is one for it."""
    if not has_sql(question):
        return summaries(scan(clients, question.table, budget=budget), question)

    def ask(_: Sequence[str], __: Sequence[Filter]) -> Iterator[pl.DataFrame]:
        return _queried(clients, question, budget, partial(runs_sql, question))

    return _lazily(SUMMARY, ask)


def scanned_bytes(clients: Clients, question: Question, columns: Sequence[str]) -> int:
    """Return how many bytes of the table the answer to a question takes; asking is free."""
    plain = replace(question, published=None, vintages=(), every_revision=False)
    wanted = [name for name in columns if name in question.table.dtypes] or [question.event_time]
    sql = _sql(clients, question, partial(candidates_sql, plain, wanted))
    return 0 if sql is None else queries.dry_run_bytes(clients, sql)


def _lazily(dtypes: Mapping[str, pl.DataType], ask: Ask) -> pl.LazyFrame:
    """Return a frame with these columns that asks BigQuery for them when it is collected."""

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # BigQuery chooses the size of its batches, some thousand rows
        wanted = {name: dtypes[name] for name in with_columns or dtypes}
        # As polars defines it, the number of rows is taken before the predicate applies.
        told = [] if predicate is None or n_rows is not None else filters(predicate, dtypes)
        left = n_rows
        yield pl.DataFrame(schema=wanted)
        for rows in ask([*wanted], told):
            frame = _typed(rows, wanted).head(rows.height if left is None else left)
            yield frame if predicate is None else frame.filter(predicate)
            if left is not None and (left := left - frame.height) == 0:
                return

    return register_io_source(read, schema=dtypes)


def _queried(
    clients: Clients, question: Question, budget: ReadBudget, write: Callable[..., str]
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a query over a question's table; none if there is no table yet."""
    sql = _sql(clients, question, write)
    if sql is not None:
        yield from queries.run(clients, sql, what=question.table.name, budget=budget)


def _sql(clients: Clients, question: Question, write: Callable[..., str]) -> str | None:
    """Write a query over a question's table; None if there is no table yet."""
    stored = stored_table(clients, question.table)
    if stored is None:
        return None
    columns = frozenset(field.name for field in stored.schema)
    return write(table_id=str(stored.reference), stored=columns)


def _stored_rows(
    clients: Clients,
    table: Table,
    columns: Sequence[str],
    conditions: Sequence[Filter],
    budget: ReadBudget | None,
) -> Iterator[pl.DataFrame]:
    stored = stored_table(clients, table)
    if stored is None:
        return
    names = frozenset(field.name for field in stored.schema)
    sql = [each.sql for each in conditions if each.columns <= names]
    yield from queries.table_rows(
        clients,
        stored.reference,
        columns=[name for name in columns if name in names] or [table.event_time],
        restriction=" AND ".join([*sql, *([between(table)] if table.is_large else [])]),
        budget=budget,
    )


def _typed(frame: pl.DataFrame, wanted: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return rows with these columns; null if the table has no such column yet."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in wanted.items()
    )
