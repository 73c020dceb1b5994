"""The BigQuery warehouse, which combines the modules beside it.

A batch is stored between two ledger records: the intent, then the rows, then the outcome. The rows
of each landing offset are therefore stored once, whichever process dies in between. Rows are
appended to a stream of the table at the offset that the intent names. Rows that no stream takes are
loaded by a job whose id the intent names; replacements use such a job too.

A writer may find an intent without an outcome whose writer seems dead. It first makes sure that the
intent can't be carried out later: it closes the stream for every writer, or uses up the job's id.
The service's answer tells whether the rows were stored.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import cast

import polars as pl

from energy_platform.errors import CommitConflictError
from energy_platform.history.question import Question
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.batches import check_batch, check_rows, is_stored
from energy_platform.storage.warehouse.bigquery import loads, reads
from energy_platform.storage.warehouse.bigquery.appends import (
    Appends,
    StreamRefusedError,
    is_streamed,
)
from energy_platform.storage.warehouse.bigquery.client import (
    CALL_SECONDS,
    Clients,
    again,
    patiently,
)
from energy_platform.storage.warehouse.bigquery.history_sql import bounds
from energy_platform.storage.warehouse.bigquery.ledger import Kind, Ledger, Record, Standing
from energy_platform.storage.warehouse.bigquery.queries import DEFAULT_BUDGET, ReadBudget
from energy_platform.storage.warehouse.bigquery.schema import (
    PLACE,
    arrow_schema,
    ensure,
    fields,
    reference,
    stored_table,
)
from energy_platform.storage.warehouse.bigquery.storage_read import batches
from energy_platform.storage.warehouse.protocol import Damage, Position, ReadSize, TableSummary

_log = logging.getLogger(__name__)


class BigQueryWarehouse:
    """A `Warehouse` of BigQuery tables in one dataset. Threads may share it.

    Args:
        clients: BigQuery's clients.
        budget: How much an answer may scan.
        ledger_age_seconds: How old a returned position may be. Writes that assume an outdated
            position are refused in any case.
        patience_seconds: How long to wait for another writer's intent before settling it.
    """

    def __init__(
        self,
        clients: Clients,
        budget: ReadBudget = DEFAULT_BUDGET,
        *,
        ledger_age_seconds: float = 1.0,
        patience_seconds: float = 5.0,
    ) -> None:
        self._clients = clients
        self._budget = budget
        self._patience = timedelta(seconds=patience_seconds)
        self._appends = Appends(clients)
        self._ledger = Ledger(clients, self._appends, age_seconds=ledger_age_seconds)
        self._ensured: dict[str, dict[str, pl.DataType]] = {}
        self._found: set[str] = set()
        self._lock = RLock()

    def close(self) -> None:
        """Close every connection."""
        self._appends.close()
        self._clients.close()

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored."""
        if table.name not in self._found and stored_table(self._clients, table) is not None:
            self._found.add(table.name)
        return table.name in self._found

    def committed_offset(self, table: Table) -> int:
        """Return the landing offset before which every message has been processed; 0 at first."""
        return self.position(table).offset

    def position(self, table: Table) -> Position:
        """Return a table's position; the very first one if there is no table."""
        with self._lock:
            return self._ledger.standing(table).settled.position

    def commit(
        self, table: Table, rows: pl.DataFrame, *, start: int, stop: int, replacements: int = 0
    ) -> bool:
        """Append the rows of landing offsets [start, stop), and move the table to `stop`.

        If the batch is stored already, by this process or another, nothing happens and the answer
        is False. Columns that the table lacks are added to it.

        Raises:
            CommitConflictError: The table's offset is neither `start` nor at or beyond `stop`, its
                rows have been replaced since, or another writer is at work on it.
            IncompatibleTableError: A column's type differs from the table's.
            JobFailedError: BigQuery refuses the rows.
            ValueError: The rows have other columns or offsets.
        """
        check_batch(table, rows, start, stop)
        with self._lock:
            self._ensure(table)
            standing = self._settled(table)
            found = standing.settled.position
            if is_stored(table, found, start=start, stop=stop, replacements=replacements):
                return False
            done = replace(_with(standing.settled, table, rows, start), landed=stop)
            if rows.is_empty():
                self._ledger.append(standing, done)
            else:
                self._store(table, standing, done, rows)
            return True

    def replace(
        self,
        table: Table,
        rows: pl.DataFrame,
        offsets: range,
        *,
        before: Position,
        after: Position,
    ) -> None:
        """Replace all rows with these landing offsets by `rows`, atomically.

        Raises:
            CommitConflictError: The table's position is not `before`, or the table was written to
                meanwhile; nothing was replaced.
            IncompatibleTableError: A column's type differs from the table's.
            JobFailedError: BigQuery refuses the rows; nothing was replaced.
            ValueError: The rows have other columns or offsets.
        """
        check_rows(table, rows, offsets.start, offsets.stop)
        with self._lock:
            self._ensure(table)
            standing = self._settled(table)
            if standing.settled.position != before:
                raise CommitConflictError(f"another writer has committed to {table.name}")
            done = replace(
                standing.settled,
                start=offsets.start,
                landed=after.offset,
                replacements=after.replacements,
                stale_from=after.stale_from,
                kind=Kind.DONE,
                job=None,
                batch_rows=0,
            )
            if not offsets:
                self._ledger.append(standing, done)
            else:
                self._replace(table, standing, done, rows, offsets)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""
        return reads.scan(self._clients, table)

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return, lazily, the rows of a position from an event time on.

        Rows of a writer that died before its outcome are stored, but not part of the position yet.
        """
        in_time = pl.col(table.event_time) >= since
        return self.scan(table).filter(in_time, pl.col("landing_offset") < position.offset)

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily, by a query.

        Collecting it raises `ReadTooLargeError` if it would scan more than the budget allows.
        """
        return reads.answer(self._clients, question, self._budget)

    def run_summaries(self, question: Question) -> pl.LazyFrame:
        """Return one row per run of a forecast, lazily, by a query."""
        return reads.run_summaries(self._clients, question, self._budget)

    def summary(self, table: Table) -> TableSummary:
        """Return the table's row count and newest times from the ledger; no row is read."""
        with self._lock:
            settled = self._ledger.standing(table).settled
        return TableSummary(
            rows=settled.table_rows,
            last_event_at=settled.table_last_event_at,
            last_received_at=settled.table_last_received_at,
            committed_offset=settled.landed,
        )

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return the table's rows, and the bytes that the answer would scan, by a dry run.

        A mart is read as it is stored, all of it at most.
        """
        table = question.table
        if not _is_landed(table):
            about = stored_table(self._clients, table)
            if about is None:
                return ReadSize(rows=0, read_bytes=0)
            return ReadSize(rows=about.num_rows or 0, read_bytes=about.num_bytes or 0)
        scanned = reads.scanned_bytes(self._clients, question, columns)
        return ReadSize(rows=self.summary(table).rows, read_bytes=scanned)

    def state(self, table: Table) -> str | None:
        """Return the last record of the table's ledger, read anew.

        None if there is none (a mart has no ledger), or rows may come while it is read.
        """
        if not _is_landed(table):
            return None
        with self._lock:
            standing = self._ledger.anew(reference(self._clients, table).table_id)
        if standing.pending is not None or not standing.settled.record_id:
            return None
        return f"{reference(self._clients, table)} {standing.settled.record_id}"

    def damage(self, table: Table, *, wholly: bool = True) -> Sequence[Damage]:
        """Return nothing: the service keeps its tables sound itself."""
        del table, wholly
        return ()

    def drop_damage(self, table: Table) -> None:
        """Do nothing: there is no damage."""

    def maintain(self, tables: Sequence[Table]) -> None:
        """Delete superseded ledger records; the service maintains the tables itself."""
        del tables
        with self._lock:
            self._ledger.trim()

    def _ensure(self, table: Table) -> None:
        if self._ensured.get(table.name) != table.dtypes:
            ensure(self._clients, table)
            self._ensured[table.name] = table.dtypes

    def _store(self, table: Table, standing: Standing, done: Record, rows: pl.DataFrame) -> None:
        """Append rows to the table's stream, or load them if no stream takes them."""
        placed = _placed(table, rows)
        [batch] = placed.to_arrow().cast(arrow_schema(table)).combine_chunks().to_batches()
        fits = batch.nbytes <= self._clients.append_bytes
        if fits and is_streamed(rows.get_column(table.event_time)):
            stream, reached = done.stream, done.stream_rows
            if stream is None:
                stream, reached = self._appends.new_stream(reference(self._clients, table)), 0
            done = replace(done, stream=stream, stream_rows=reached + rows.height)
            standing = self._ledger.append(standing, replace(done, kind=Kind.INTENT))
            try:
                self._appends.append(stream, reached, batch)
            except StreamRefusedError as error:
                _log.warning("%s: its stream takes no rows, a job does: %s", table.name, error)
                standing = self._settle(table, standing)
                if standing.settled.landed == done.landed:
                    return
            else:
                self._conclude(standing, done)
                return
        done = replace(done, job=self._new_job(table), stream=None, stream_rows=0)
        standing = self._ledger.append(standing, replace(done, kind=Kind.INTENT))
        loads.load(
            self._clients,
            placed,
            reference(self._clients, table),
            fields(table),
            job_id=cast("str", done.job),
        )
        self._conclude(standing, done)

    def _replace(
        self,
        table: Table,
        standing: Standing,
        done: Record,
        rows: pl.DataFrame,
        offsets: range,
    ) -> None:
        job = self._new_job(table)
        stored = reference(self._clients, table)
        staging = self._clients.dataset.table(f"staging__{uuid.uuid4().hex}")
        if not rows.is_empty():
            loads.stage(
                self._clients, _placed(table, rows), staging, fields(table), job_id=f"{job}-stage"
            )
        done = replace(done, job=job)
        standing = self._ledger.append(standing, replace(done, kind=Kind.INTENT))
        columns = ", ".join(f"`{name}`" for name in (*table.dtypes, PLACE))
        insert = f"INSERT INTO `{stored}` ({columns}) SELECT {columns} FROM `{staging}`;"  # noqa: S608 (the platform defines these)
        script = f"""
            BEGIN TRANSACTION;
            DELETE FROM `{stored}`
            WHERE landing_offset >= {offsets.start} AND landing_offset < {offsets.stop}
            AND {bounds(table)};
            {"" if rows.is_empty() else insert}
            COMMIT TRANSACTION;
        """  # noqa: S608 (the platform defines these)
        loads.run(self._clients, script, job_id=job)
        self._conclude(standing, self._counted(table, done))
        patiently(self._clients.rest.delete_table, staging, not_found_ok=True)

    def _conclude(self, standing: Standing, done: Record) -> None:
        """Record that the rows are stored, unless another writer has settled the intent."""
        try:
            self._ledger.append(standing, done)
        except CommitConflictError:
            settled = self._ledger.anew(done.table_name).settled
            if settled.position != done.position:
                raise

    def _settled(self, table: Table) -> Standing:
        """Return a table's standing once every intent has its outcome.

        Raises:
            CommitConflictError: A writer that may be alive is at work on the table.
        """
        standing = self._ledger.standing(table)
        if (intent := standing.pending) is None:
            return standing
        age = datetime.now(UTC) - intent.written_at
        if intent.writer != self._ledger.writer and age < self._patience:
            raise CommitConflictError(f"{intent.writer} is at work on {table.name}")
        return self._settle(table, standing)

    def _settle(self, table: Table, standing: Standing) -> Standing:
        """Find out what became of an intent, after making sure that nothing more can."""
        intent = cast("Record", standing.pending)
        if intent.job is not None:
            is_done = loads.settle(self._clients, intent.job) is not None
        else:
            is_done = self._is_appended(table, intent)
        _log.warning(
            "%s: rows of landing offsets [%d, %d) that %s left without an outcome are %s",
            table.name,
            intent.start,
            intent.landed,
            intent.writer,
            "there" if is_done else "not there, and are made again",
        )
        if not is_done:
            outcome = replace(standing.settled, kind=Kind.VOID)
        elif intent.job is not None and intent.replacements != standing.settled.replacements:
            outcome = self._counted(table, replace(intent, kind=Kind.DONE))
        else:
            outcome = replace(intent, kind=Kind.DONE)
        return self._ledger.append(standing, replace(outcome, stream=None, stream_rows=0))

    def _is_appended(self, table: Table, intent: Record) -> bool:
        """Return whether a stream has taken an intent's rows, and close the stream."""
        stream = cast("str", intent.stream)
        taken = self._appends.finalize(stream)
        if taken is not None:
            return taken >= intent.stream_rows
        _log.warning("%s: BigQuery knows its stream no more, its rows are asked", table.name)
        found = batches(
            self._clients,
            reference(self._clients, table),
            columns=["landing_offset"],
            restriction=f"landing_offset >= {intent.start} AND landing_offset < {intent.landed} "
            f"AND {table.event_time} >= TIMESTAMP '{intent.first_event_at}' "
            f"AND {table.event_time} <= TIMESTAMP '{intent.last_event_at}'",
        )
        return any(batch.num_rows for batch in found)

    def _counted(self, table: Table, done: Record) -> Record:
        """Return a record with the table's present row count and newest times."""
        event_time = f"`{table.event_time}`"
        [(rows, last_event_at, last_received_at)] = again(
            self._clients.rest.query_and_wait,
            f"SELECT COUNT(*), MAX({event_time}), MAX(received_at) "  # noqa: S608 (the platform defines these)
            f"FROM `{reference(self._clients, table)}` WHERE {bounds(table)}",
            location=self._clients.location,
            api_timeout=CALL_SECONDS,
        )
        return replace(
            done,
            table_rows=rows,
            table_last_event_at=last_event_at,
            table_last_received_at=last_received_at,
        )

    def _new_job(self, table: Table) -> str:
        name = reference(self._clients, table).table_id
        return f"{self._clients.dataset.dataset_id}-{name}-{uuid.uuid4().hex}"


def _is_landed(table: Table) -> bool:
    """Return whether a table's rows come from messages; a mart's come from other tables."""
    return "landing_offset" in table.dtypes


def _with(settled: Record, table: Table, rows: pl.DataFrame, start: int) -> Record:
    """Return the record of a table to which rows were added."""
    times = rows.get_column(table.event_time)
    first, last = cast("tuple[datetime | None, datetime | None]", (times.min(), times.max()))
    received = cast("datetime | None", rows.get_column("received_at").max())
    return replace(
        settled,
        kind=Kind.DONE,
        start=start,
        job=None,
        batch_rows=rows.height,
        first_event_at=first,
        last_event_at=last,
        table_rows=settled.table_rows + rows.height,
        table_last_event_at=_later(settled.table_last_event_at, last),
        table_last_received_at=_later(settled.table_last_received_at, received),
    )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _placed(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a table's columns, and each row's place within its message."""
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("landing_offset")
    return rows.select(*table.dtypes, place.alias(PLACE))
