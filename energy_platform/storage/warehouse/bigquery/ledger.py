"""An append-only log of where each table stands, which also decides who may write next.

Every table has its own stream of ledger records. A writer appends its record at the offset after
the last record that it has read, and the service takes each offset once. If two writers have read
the same record, one appends and the other must read again. A table's records are thus in one order,
and each writer knew all records before its own.

Rows are stored between two records. The first, the intent, names the offset of a table's stream, or
the job, by which the rows are stored. The second is the outcome: `done` or `void`. The last outcome
says where the table stands. An intent without an outcome belongs to a writer that is at work or has
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
from energy_platform.market.rows import INSTANT
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
"""The number of the record that names a table's ledger stream, before the first in it."""

_CLOCKS_DIFFER: Final = timedelta(minutes=10)
"""How far writers' clocks may differ at most for one to see at once what another has written; what
it missed for longer, a conflict tells it."""

_KEPT: Final = timedelta(days=2)
"""How long a record is kept that later ones have made history; for people who look into it."""

_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a record says."""

    OPENED = "opened"
    INTENT = "intent"
    DONE = "done"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the ledger. An intent says how the table will stand, an outcome how it does.

    Attributes:
        table_name: The table, by its name in the dataset.
        epoch: How often the table's ledger stream was lost before.
        number: The record's offset in the ledger stream.
        kind: What it says.
        record_id: Tells it from any other.
        writer: Which process wrote it.
        written_at: When, by that process's clock.
        ledger_stream: The stream that a table's records go to; in `opened` only.
        start: First landing offset of the batch.
        landed: Landing offset before which every message has been processed.
        replacements: As in `Position`.
        stale_from: As in `Position`.
        stream: The table's stream that rows are appended to; None where there is none to go on
            with.
        stream_rows: How many rows that stream has then.
        job: Id of the job that stores the rows, if no stream takes them.
        batch_rows: How many rows the batch has.
        first_event_at: Their first event time.
        last_event_at: Their last.
        table_rows: How many rows the table has then.
        table_last_event_at: The last event time in it.
        table_last_received_at: When the newest of its rows was received.
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
        """Where the table stands after this record."""
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
    """What a table's records come to.

    Attributes:
        settled: Its last outcome.
        pending: An intent after that, whose outcome isn't known.
        epoch: Number of its ledger stream; none was opened yet, if negative.
        ledger_stream: The stream.
        number: How many records that stream has.
    """

    settled: Record
    pending: Record | None = None
    epoch: int = -1
    ledger_stream: str = ""
    number: int = 0

    def after(self, record: Record) -> "Standing":
        """Return the standing after one more record; one that it has seen changes nothing."""
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
        clients: The way to BigQuery.
        appends: This process's streams.
        age_seconds: How old what it has read may be. Whoever writes upon what is no longer so is
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
        """Return where a table stands."""
        if self._read_at is None or time.monotonic() - self._read_at > self._age_seconds:
            self._read_news()
        return self._of(table_id(table.name))

    def anew(self, name: str) -> Standing:
        """Read all that is written of a table, by its name in the dataset."""
        standing = Standing(Record(table_name=name))
        for record in _records(self._read(f"table_name = '{name}'")):
            standing = standing.after(record)
        self._standings[name] = standing
        return standing

    def append(self, upon: Standing, record: Record) -> Standing:
        """Append a record to those of its table, if they still are what `upon` says.

        Raises:
            CommitConflictError: They aren't.
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
            # Whoever still writes to it must be heard before, or not at all.
            self._appends.finalize(upon.ledger_stream)
            return self._append(self._open_stream(upon, record.table_name), record)

    def trim(self) -> None:
        """Delete old records of which later ones say all that counts."""
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
                f"DELETE FROM `{self._table}` WHERE written_at < TIMESTAMP '{before}' "  # noqa: S608 (names of ours)
                f"AND ({conditions})"
            )
            loads.run(
                self._clients, sql, job_id=f"{self._table.dataset_id}-trim-{uuid.uuid4().hex}"
            )

    def _append(self, upon: Standing, record: Record) -> Standing:
        record = self._signed(record, epoch=upon.epoch, number=upon.number)
        is_new = self._appends.append(upon.ledger_stream, record.number, _batch(record))
        # Taken by another, or by this very record before its first answer was lost.
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
        # The job's id can be had once, so one stream is the table's; the others stay empty.
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
        """Read what was written since the last time, or all there is."""
        since = "TRUE"
        if self._read_at is not None:
            since = f"written_at >= TIMESTAMP '{(self._newest - _CLOCKS_DIFFER).isoformat()}'"
        for record in _records(self._read(since)):
            self._standings[record.table_name] = self._of(record.table_name).after(record)
            self._newest = max(self._newest, record.written_at)
        # From its end on: were a slow read old as soon as it is there, each question would read.
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
        """Make the ledger if there is none; return when it was made, in milliseconds."""
        wanted = bigquery.Table(self._table, schema=_FIELDS)
        wanted.description = "Where each table stands, and how it came there; written by machines."
        wanted.time_partitioning = bigquery.TimePartitioning(
            type_=bigquery.TimePartitioningType.HOUR, field="written_at"
        )
        wanted.clustering_fields = ["table_name"]
        stored = ensure_table(self._clients, wanted)
        return int(stored.created.timestamp() * 1000)


def _records(rows: pl.DataFrame) -> list[Record]:
    """Return the last record of each kind that counts, for each table, in their order."""
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
