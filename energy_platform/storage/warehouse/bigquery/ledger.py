"""An append-only log of each table's position, which also decides who may write next.

Every table has its own stream of ledger records. A writer appends its record at the offset after
the last record that it has read, and the service takes each offset once. If two writers have read
the same record, one appends and the other must read again. A table's records are thus in one order,
and each writer knew all records before its own.

Rows are stored between two records. The first, the intent, names the offset of a table's stream, or
the job, by which the rows are stored. The second is the outcome: `done` or `void`. The last outcome
gives the table's position. An intent without an outcome belongs to a writer that is at work or has
died; `warehouse` finds out which.
"""

import logging
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery

from energy_platform.errors import CommitConflictError
from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery import loads
from energy_platform.storage.warehouse.bigquery.appends import Appends, StreamRefusedError
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.schema import (
    arrow_fields,
    bigquery_fields,
    ensure_table,
    table_id,
)
from energy_platform.storage.warehouse.bigquery.storage_read import batches
from energy_platform.storage.warehouse.protocol import Position

LEDGER: Final = table_id("platform/ledger")

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_OPENED: Final = -1
"""The number of the record that names a table's ledger stream, before the stream's first record."""

_CLOCKS_DIFFER: Final = timedelta(minutes=10)
"""The greatest difference of two writers' clocks at which each still sees the other's records at
once. A conflict reveals records missed for longer.
"""

_KEPT: Final = timedelta(days=2)
"""How long a superseded record is kept, for people who look into it."""

_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a record says."""

    OPENED = "opened"
    INTENT = "intent"
    DONE = "done"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the ledger: an intent has the table's next state, an outcome the state reached.

    Attributes:
        table_name: The table, by its name in the dataset.
        epoch: How often the table's ledger stream was lost before.
        number: The record's offset in the ledger stream.
        kind: What the record says.
        record_id: Identifies the record.
        writer: The process that wrote it.
        written_at: When it was written, by that process's clock.
        ledger_stream: The stream of the table's records; in `opened` only.
        start: First landing offset of the batch.
        landed: Landing offset before which every message has been processed.
        replacements: As in `Position`.
        stale_from: As in `Position`.
        stream: The table's stream to which rows are appended; None if there is none to continue
            with.
        stream_rows: How many rows that stream has then.
        job: Id of the job that stores the rows, if no stream takes them.
        batch_rows: How many rows the batch has.
        first_event_at: The first event time of the batch.
        last_event_at: The last event time of the batch.
        table_rows: How many rows the table has then.
        table_last_event_at: The last event time in the table.
        table_last_received_at: When the table's newest row was received.
    """

    table_name: str
    epoch: int = 0
    number: int = _OPENED
    kind: Kind = Kind.DONE
    record_id: str = ""
    writer: str = ""
    written_at: datetime = _NEVER
    ledger_stream: str | None = None
    start: int = 0
    landed: int = 0
    replacements: int = 0
    stale_from: int | None = None
    stream: str | None = None
    stream_rows: int = 0
    job: str | None = None
    batch_rows: int = 0
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    table_rows: int = 0
    table_last_event_at: datetime | None = None
    table_last_received_at: datetime | None = None

    @property
    def position(self) -> Position:
        """The table's position after this record."""
        return Position(self.landed, self.replacements, self.stale_from)


_DTYPE_OF: Final[dict[object, pl.DataType]] = {
    str: pl.String(),
    str | None: pl.String(),
    Kind: pl.String(),
    int: pl.Int64(),
    int | None: pl.Int64(),
    datetime: INSTANT,
    datetime | None: INSTANT,
}

_DTYPES: Final = {field.name: _DTYPE_OF[field.type] for field in fields(Record)}
_FIELDS: Final = bigquery_fields(_DTYPES, of=LEDGER)
_ARROW: Final = arrow_fields(_DTYPES, of=LEDGER)


@dataclass(frozen=True, slots=True)
class Standing:
    """The result of a table's records.

    Attributes:
        settled: The last outcome.
        pending: An intent after that outcome, if its own outcome isn't known.
        epoch: Number of the table's ledger stream; negative if none was opened yet.
        ledger_stream: The stream.
        number: How many records that stream has.
    """

    settled: Record
    pending: Record | None = None
    epoch: int = -1
    ledger_stream: str = ""
    number: int = 0

    def after(self, record: Record) -> "Standing":
        """Return the standing after one more record; a record that it has seen changes nothing."""
        if (record.epoch, record.number) < (self.epoch, self.number):
            return self
        match record.kind:
            case Kind.OPENED if record.epoch > self.epoch:
                stream = record.ledger_stream or ""
                return replace(self, epoch=record.epoch, ledger_stream=stream, number=0)
            case Kind.OPENED:
                return self
            case Kind.INTENT:
                return replace(self, pending=record, number=record.number + 1)
            case _:
                return replace(self, settled=record, pending=None, number=record.number + 1)


class Ledger:
    """The ledger as one process reads and writes it.

    Args:
        clients: BigQuery's clients.
        appends: This process's streams.
        age_seconds: How old the last reading may be. A write based on an outdated reading is
            refused, so age costs tries and never rows.
    """

    def __init__(self, clients: Clients, appends: Appends, *, age_seconds: float) -> None:
        self.writer: Final = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._clients = clients
        self._appends = appends
        self._age_seconds = age_seconds
        self._table = clients.dataset.table(LEDGER)
        self._standings: dict[str, Standing] = {}
        self._read_at: float | None = None
        self._newest = _NEVER

    def standing(self, table: Table) -> Standing:
        """Return a table's standing."""
        if self._read_at is None or time.monotonic() - self._read_at > self._age_seconds:
            self._read_news()
        return self._of(table_id(table.name))

    def anew(self, name: str) -> Standing:
        """Read all records of a table, by its name in the dataset."""
        standing = Standing(Record(table_name=name))
        for record in _records(self._read(f"table_name = '{name}'")):
            standing = standing.after(record)
        self._standings[name] = standing
        return standing

    def append(self, upon: Standing, record: Record) -> Standing:
        """Append a record to those of its table, if they still are as in `upon`.

        Raises:
            CommitConflictError: The table has further records.
        """
        if upon.epoch < 0:
            upon = self._open_stream(upon, record.table_name)
        try:
            return self._append(upon, record)
        except StreamRefusedError as error:
            _log.warning(
                "%s: its ledger stream is lost, another is opened and goes on after record %d: %s",
                record.table_name,
                upon.number,
                error,
            )
            # A writer that still uses the stream must write before this, or not at all.
            self._appends.finalize(upon.ledger_stream)
            return self._append(self._open_stream(upon, record.table_name), record)

    def trim(self) -> None:
        """Delete old records that later records supersede."""
        self._read_news()
        before = (datetime.now(UTC) - _KEPT).isoformat()
        history = [
            f"table_name = '{name}' AND (epoch < {standing.settled.epoch} OR epoch = "
            f"{standing.settled.epoch} AND number BETWEEN 0 AND {standing.settled.number - 1})"
            for name, standing in self._standings.items()
            if standing.settled.record_id
        ]
        if history:
            conditions = " OR ".join(f"({one})" for one in history)
            sql = (
                f"DELETE FROM `{self._table}` WHERE written_at < TIMESTAMP '{before}' "  # noqa: S608 (the platform defines these names)
                f"AND ({conditions})"
            )
            loads.run(
                self._clients, sql, job_id=f"{self._table.dataset_id}-trim-{uuid.uuid4().hex}"
            )

    def _append(self, upon: Standing, record: Record) -> Standing:
        record = self._signed(record, epoch=upon.epoch, number=upon.number)
        is_new = self._appends.append(upon.ledger_stream, record.number, _batch(record))
        # Another record has the offset, or this one has, and the first answer was lost.
        if not is_new and not self._has(record):
            self._standings.pop(record.table_name, None)
            raise CommitConflictError(f"another writer has committed to {record.table_name}")
        standing = self._standings[record.table_name] = upon.after(record)
        return standing

    def _signed(self, record: Record, *, epoch: int, number: int) -> Record:
        return replace(
            record,
            epoch=epoch,
            number=number,
            record_id=uuid.uuid4().hex,
            writer=self.writer,
            written_at=datetime.now(UTC),
        )

    def _open_stream(self, upon: Standing, name: str) -> Standing:
        """Open the next ledger stream of a table, or find the one that another has opened."""
        created = self._ensure()
        stream = self._appends.new_stream(self._table)
        opened = self._signed(
            Record(table_name=name, kind=Kind.OPENED, ledger_stream=stream),
            epoch=upon.epoch + 1,
            number=_OPENED,
        )
        # The job's id can be used once, so the table gets one stream; the others stay empty.
        loads.load(
            self._clients,
            _frame(opened),
            self._table,
            _FIELDS,
            job_id=f"{self._table.dataset_id}-{name}-ledger-{created}-{opened.epoch}",
        )
        found = self.anew(name)
        if found.ledger_stream != stream:
            self._appends.finalize(stream)
        if (found.settled, found.pending) != (upon.settled, upon.pending):
            raise CommitConflictError(f"another writer has committed to {name}")
        return found

    def _of(self, name: str) -> Standing:
        return self._standings.get(name, Standing(Record(table_name=name)))

    def _has(self, record: Record) -> bool:
        found = self._read(
            f"table_name = '{record.table_name}' AND record_id = '{record.record_id}'"
        )
        return not found.is_empty()

    def _read_news(self) -> None:
        """Read the records since the last reading, or all of them."""
        since = "TRUE"
        if self._read_at is not None:
            since = f"written_at >= TIMESTAMP '{(self._newest - _CLOCKS_DIFFER).isoformat()}'"
        for record in _records(self._read(since)):
            self._standings[record.table_name] = self._of(record.table_name).after(record)
            self._newest = max(self._newest, record.written_at)
        # The age counts from the end of a reading; otherwise a slow one would be outdated at once,
        # and each question would read again.
        self._read_at = time.monotonic()

    def _read(self, restriction: str) -> pl.DataFrame:
        read = batches(self._clients, self._table, columns=list(_DTYPES), restriction=restriction)
        try:
            frames = [pl.DataFrame(pl.from_arrow(batch)) for batch in read]
        except exceptions.NotFound:
            frames = []  # there is no ledger yet
        nothing = pl.DataFrame(schema=_DTYPES)
        return pl.concat([nothing, *(f.select(*_DTYPES).cast(pl.Schema(_DTYPES)) for f in frames)])

    def _ensure(self) -> int:
        """Create the ledger if there is none; return when it was created, in milliseconds."""
        wanted = bigquery.Table(self._table, schema=_FIELDS)
        wanted.description = "Where each table stands, and how it came there; written by machines."
        wanted.time_partitioning = bigquery.TimePartitioning(
            type_=bigquery.TimePartitioningType.HOUR, field="written_at"
        )
        wanted.clustering_fields = ["table_name"]
        stored = ensure_table(self._clients, wanted)
        return int(stored.created.timestamp() * 1000)


def _records(rows: pl.DataFrame) -> list[Record]:
    """Return the last record of each kind that counts, for each table, in order."""
    settles = pl.col("kind").is_in([Kind.DONE, Kind.VOID])
    last = (
        rows.sort("table_name", "epoch", "number")
        .with_columns(role=pl.when(settles).then(pl.lit("outcome")).otherwise("kind"))
        .unique(["table_name", "role"], keep="last", maintain_order=True)
        .drop("role")
    )
    return [Record(**{**row, "kind": Kind(row["kind"])}) for row in last.iter_rows(named=True)]


def _frame(record: Record) -> pl.DataFrame:
    return pl.DataFrame([{**asdict(record), "kind": record.kind.value}], schema=_DTYPES)


def _batch(record: Record) -> pa.RecordBatch:
    return _frame(record).to_arrow().cast(_ARROW).to_batches()[0]
