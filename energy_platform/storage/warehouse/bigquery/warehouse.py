"""The BigQuery warehouse, which combines the modules beside it.

A batch is two appends: its rows, at the offset of the table's stream that the last record of the
ledger names, and the record of where the table stands then. The service takes each offset of a
stream once, so of two writers that have read the same record one stores its rows, and the other
must read again.

Everything else begins a new epoch of the table: the first batch, rows that no stream takes, a
replacement, a stream that is lost. The stream is closed for every writer; then one job, whose id is
the number of the epoch and can be used once, changes the rows and names the next stream.

A writer that dies between its two appends leaves rows that no record tells of. Who finds the offset
taken, and no newer record, begins a new epoch, which counts these rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import RLock

import polars as pl
import pyarrow as pa

from energy_platform.errors import CommitConflictError
from energy_platform.history.question import Question
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.batches import check_batch, check_rows, is_stored
from energy_platform.storage.warehouse.bigquery import appends, jobs, reads
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.history_sql import between
from energy_platform.storage.warehouse.bigquery.ledger import Ledger, Standing
from energy_platform.storage.warehouse.bigquery.queries import DEFAULT_BUDGET, ReadBudget
from energy_platform.storage.warehouse.bigquery.schema import (
    arrow_batch,
    ensure,
    fields,
    is_landed,
    placed,
    reference,
    stored_dtypes,
    stored_table,
)
from energy_platform.storage.warehouse.protocol import Damage, Position, ReadSize, TableSummary


class BigQueryWarehouse:
    """A `Warehouse` of BigQuery tables in one dataset. Threads may share it.

    Args:
        clients: BigQuery's clients.
        budget: How much an answer may scan.
        ledger_age_seconds: How old a returned position may be. Writes that assume an outdated
            position are refused in any case.
    """

    def __init__(
        self,
        clients: Clients,
        budget: ReadBudget = DEFAULT_BUDGET,
        *,
        ledger_age_seconds: float = 1.0,
    ) -> None:
        self._clients = clients
        self._budget = budget
        self._ledger = Ledger(clients, age_seconds=ledger_age_seconds)
        self._ensured: dict[str, dict[str, pl.DataType]] = {}
        self._found: set[str] = set()
        self._lock = RLock()

    def close(self) -> None:
        """Close every connection."""
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
            return self._ledger.standing(table).position

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
            batch, times = arrow_batch(table, rows), rows.get_column(table.event_time)
            fits = batch.nbytes <= self._clients.append_bytes and appends.is_streamed(times)
            tries = 2 if fits and batch.num_rows else 0
            # What this process has seen last is mostly right, and a stream refuses rows otherwise.
            standing = (self._ledger.last_seen if tries else self._ledger.standing)(table)
            if (standing.landed, standing.replacements) != (start, replacements):
                standing = self._ledger.anew(table)
            while not is_stored(
                table, standing.position, start=start, stop=stop, replacements=replacements
            ):
                after = Position(stop, replacements, standing.stale_from)
                if not batch.num_rows or (tries and self._append(standing, batch)):
                    self._ledger.append(standing.grown(table, rows, after))
                    return True
                if not tries:
                    self._rewrite(table, rows, range(0), before=standing.position, after=after)
                    return True
                tries -= 1
                standing = self._overtaken(table, standing)
            return False

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
            self._rewrite(table, rows, offsets, before=before, after=after)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""
        return reads.scan(self._clients, table)

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return, lazily, the rows of a position from an event time on.

        Rows of a writer that died before it recorded them are stored, but not part of it yet.
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
            standing = self._ledger.standing(table)
        return TableSummary(
            rows=standing.table_rows,
            last_event_at=standing.last_event_at,
            last_received_at=standing.last_received_at,
            committed_offset=standing.landed,
        )

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return the table's rows, and the bytes that the answer would scan, by a dry run.

        A mart is read as it is stored, all of it at most.
        """
        table = question.table
        if not is_landed(table):
            about = stored_table(self._clients, table)
            if about is None:
                return ReadSize(rows=0, read_bytes=0)
            return ReadSize(rows=about.num_rows or 0, read_bytes=about.num_bytes or 0)
        scanned = reads.scanned_bytes(self._clients, question, columns)
        return ReadSize(rows=self.summary(table).rows, read_bytes=scanned)

    def state(self, table: Table) -> str | None:
        """Return the newest record of the table, read anew; None if there is none, as of a mart."""
        if not is_landed(table):
            return None
        with self._lock:
            record = self._ledger.anew(table).record_id
        return f"{reference(self._clients, table)} {record}" if record else None

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

    def _append(self, standing: Standing, batch: pa.RecordBatch) -> bool:
        """Append rows to a table's stream, at the offset that its record names."""
        stream, offset = standing.stream, standing.stream_rows
        return stream is not None and appends.append(self._clients, stream, offset, batch)

    def _overtaken(self, table: Table, standing: Standing) -> Standing:
        """Return where a table stands whose stream takes no rows at the offset of this record."""
        found = self._ledger.anew(table)
        if found.record_id == standing.record_id:
            self._close(found)
            found = self._recount(table, found)
        return found

    def _close(self, standing: Standing) -> bool:
        """Close a table's stream; return whether the ledger tells of all its rows."""
        if standing.stream is None:
            return False
        return appends.finalize(self._clients, standing.stream) == standing.stream_rows

    def _recount(self, table: Table, standing: Standing) -> Standing:
        """Begin an epoch with the rows that there are, and move the table beyond all of them."""
        beyond = f"GREATEST({standing.landed}, IFNULL(MAX(landing_offset) + 1, 0))"
        return self._begin(table, standing, counted={**_counts(table), "landed": beyond})

    def _rewrite(
        self, table: Table, rows: pl.DataFrame, deleted: range, *, before: Position, after: Position
    ) -> None:
        """Delete the rows of landing offsets and add others, in a new epoch."""
        stored = reference(self._clients, table)
        columns = ", ".join(f"`{name}`" for name in stored_dtypes(table))
        # Rows are staged before the stream is closed: who finds it closed begins the next epoch.
        with jobs.staged(self._clients, placed(table, rows), fields(table)) as staging:
            standing = self._ledger.anew(table)
            while standing.position == before and not self._close(standing):
                standing = self._recount(table, standing)
            if standing.position != before:
                raise CommitConflictError(f"{table.name} stands at {standing.position}")
            gone = f"landing_offset >= {deleted.start} AND landing_offset < {deleted.stop}"
            delete = f"DELETE FROM `{stored}` WHERE {gone} AND {between(table)}"  # noqa: S608 (the platform defines these)
            insert = f"INSERT INTO `{stored}` ({columns}) SELECT {columns} FROM `{staging}`"  # noqa: S608 (the platform defines these)
            changes = [*([delete] if deleted else []), *([insert] if staging else [])]
            done, counted = standing.grown(table, rows, after), _counts(table) if deleted else None
            self._begin(table, done, changes, counted)

    def _begin(
        self,
        table: Table,
        standing: Standing,
        changes: Sequence[str] = (),
        counted: Mapping[str, str] | None = None,
    ) -> Standing:
        """Begin the next epoch of a table whose stream is closed, by one transaction.

        Args:
            table: The table.
            standing: Where it stands, after the changes.
            changes: Statements that change the table's rows.
            counted: What to record instead, by expressions over the table's rows.

        Raises:
            CommitConflictError: Another writer has begun this epoch.
        """
        stored, ledger = reference(self._clients, table), self._ledger.ensure()
        epoch, stream = standing.epoch + 1, appends.new_stream(self._clients, stored)
        begun = replace(standing, epoch=epoch, stream=stream, stream_rows=0)
        relation = f"FROM `{stored}` WHERE {between(table)}" if counted else ""
        steps = "; ".join([*changes, self._ledger.insert(begun, counted, relation)])
        script = f"BEGIN TRANSACTION; {steps}; COMMIT TRANSACTION;"
        jobs.run(self._clients, script, job_id=f"{ledger}-{stored.table_id}-{epoch}")
        return self._ledger.anew(table)


def _counts(table: Table) -> dict[str, str]:
    """Return what the ledger says of a table's rows, as expressions over them."""
    return {
        "table_rows": "COUNT(*)",
        "last_event_at": f"MAX(`{table.event_time}`)",
        "last_received_at": "MAX(received_at)",
    }
