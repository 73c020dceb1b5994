"""Where each table stands: an append-only log, of which a table's newest record counts.

A table's history is a row of epochs. Within an epoch, rows are appended to one stream, and each
batch is recorded after its rows. An epoch begins by a job that changes rows and ledger in one
transaction; `warehouse` runs both. A record of an earlier epoch, or of fewer rows of the stream,
is never the newest, whenever it arrives, so records need no order of their own.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
from google.api_core import exceptions
from google.cloud import bigquery

from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery import appends, jobs
from energy_platform.storage.warehouse.bigquery.client import Clients, storage_path
from energy_platform.storage.warehouse.bigquery.filters import literal
from energy_platform.storage.warehouse.bigquery.queries import table_rows
from energy_platform.storage.warehouse.bigquery.schema import (
    arrow_batch,
    ensure,
    reference,
    table_id,
)
from energy_platform.storage.warehouse.protocol import Position

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CLOCKS_DIFFER: Final = timedelta(minutes=10)
"""The greatest difference of two writers' clocks at which each still sees the other's records at
once. A conflict reveals records missed for longer.
"""

_KEPT: Final = timedelta(days=2)
"""How long a superseded record is kept, for people who look into it."""

_NEWEST_FIRST: Final = ("epoch", "stream_rows", "landed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a table stands; one line of the ledger.

    Attributes:
        table_name: The table, by its name in the dataset.
        epoch: How many epochs have begun.
        stream: The stream that takes this epoch's rows; None before the first epoch.
        stream_rows: How many of the stream's rows are recorded.
        landed: Landing offset before which every message has been processed.
        replacements: As in `Position`.
        stale_from: As in `Position`.
        table_rows: How many rows the table has.
        last_event_at: The last event time in the table.
        last_received_at: When the table's newest row was received.
        record_id: Identifies the record; empty if there is none.
        written_at: When it was written, by the writer's clock.
    """

    table_name: str
    epoch: int = 0
    stream: str | None = None
    stream_rows: int = 0
    landed: int = 0
    replacements: int = 0
    stale_from: int | None = None
    table_rows: int = 0
    last_event_at: datetime | None = None
    last_received_at: datetime | None = None
    record_id: str = ""
    written_at: datetime = _NEVER

    @property
    def position(self) -> Position:
        """The table's position."""
        return Position(self.landed, self.replacements, self.stale_from)

    def grown(self, table: Table, rows: pl.DataFrame, to: Position) -> "Standing":
        """Return the standing at another position, with more rows of the stream."""
        event, received = rows.select(e=pl.max(table.event_time), r=pl.max("received_at")).row(0)
        return replace(
            self,
            landed=to.offset,
            replacements=to.replacements,
            stale_from=to.stale_from,
            stream_rows=self.stream_rows + rows.height,
            table_rows=self.table_rows + rows.height,
            last_event_at=max(filter(None, (self.last_event_at, event)), default=None),
            last_received_at=max(filter(None, (self.last_received_at, received)), default=None),
        )

    @property
    def age(self) -> tuple[int, int, int]:
        """What is greater of a newer record of the same table."""
        return self.epoch, self.stream_rows, self.landed


_DTYPE_OF: Final[dict[object, pl.DataType]] = {
    str: pl.String(),
    str | None: pl.String(),
    int: pl.Int64(),
    int | None: pl.Int64(),
    datetime: INSTANT,
    datetime | None: INSTANT,
}

LEDGER: Final = Table(
    name="platform/standings",
    description="Where each table stands, and how it came there; written by machines.",
    dtypes={field.name: _DTYPE_OF[field.type] for field in fields(Standing)},
    event_time="written_at",
    key=("table_name",),
)


class Ledger:
    """The ledger as one process reads and writes it.

    Args:
        clients: BigQuery's clients.
        age_seconds: How old the last reading may be. A write based on an outdated reading is
            refused, so age costs tries and never rows.
    """

    def __init__(self, clients: Clients, *, age_seconds: float) -> None:
        self._clients = clients
        self._age_seconds = age_seconds
        self._table = reference(clients, LEDGER)
        self._standings: dict[str, Standing] = {}
        self._read_at: float | None = None
        self._newest = _NEVER

    def last_seen(self, table: Table) -> Standing:
        """Return where a table stood when this process last read or wrote its records."""
        name = table_id(table.name)
        return self._standings.get(name, Standing(table_name=name))

    def standing(self, table: Table) -> Standing:
        """Return where a table stood within the last `age_seconds`."""
        if self._read_at is None or time.monotonic() - self._read_at > self._age_seconds:
            since = f"written_at >= {literal(self._newest - _CLOCKS_DIFFER)}"
            news = self._read("TRUE" if self._read_at is None else since)
            self._newest = max([self._newest, *(each.written_at for each in news)])
            # The age counts from the end of a reading; otherwise a slow one would be outdated at
            # once, and each question would read again.
            self._read_at = time.monotonic()
        return self.last_seen(table)

    def anew(self, table: Table) -> Standing:
        """Read all records of a table; return the newest."""
        name = table_id(table.name)
        self._standings.pop(name, None)
        self._read(f"table_name = {literal(name)}")
        return self.last_seen(table)

    def append(self, standing: Standing) -> None:
        """Record where a table stands within its epoch."""
        signed = _signed(standing)
        record = arrow_batch(LEDGER, pl.DataFrame([signed], schema=LEDGER.dtypes))
        stream = f"{storage_path(self._table)}/streams/_default"
        if not appends.append(self._clients, stream, None, record):
            # A stream may not know a new ledger for minutes.
            self.ensure()
            jobs.run(self._clients, self.insert(signed), job_id=f"record-{signed.record_id}")
        self._take(signed)

    def insert(
        self, standing: Standing, counted: Mapping[str, str] | None = None, relation: str = ""
    ) -> str:
        """Return the statement that records where a table stands.

        Args:
            standing: The record.
            counted: Columns whose values are expressions over a relation, instead.
            relation: `FROM` and what follows it.
        """
        known = asdict(_signed(standing)).items()
        said = {name: "NULL" if value is None else literal(value) for name, value in known}
        said |= counted or {}
        columns, values = ", ".join(said), ", ".join(said.values())
        return f"INSERT INTO `{self._table}` ({columns}) SELECT {values} {relation}"

    def ensure(self) -> str:
        """Create the ledger if there is none; return what tells it from any other."""
        made = ensure(self._clients, LEDGER, bigquery.TimePartitioningType.HOUR)
        return f"{made.dataset_id}-{int(made.created.timestamp() * 1000)}"

    def trim(self) -> None:
        """Delete old records that later records supersede."""
        newest_first = ", ".join(f"{name} DESC" for name in _NEWEST_FIRST)
        sql = f"""
            DELETE FROM `{self._table}`
            WHERE written_at < {literal(datetime.now(UTC) - _KEPT)} AND record_id NOT IN (
                SELECT record_id FROM `{self._table}` WHERE TRUE
                QUALIFY ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY {newest_first}) = 1
            )
        """  # noqa: S608 (the platform defines these)
        self.ensure()
        jobs.run(self._clients, sql, job_id=f"trim-{uuid.uuid4().hex}")

    def _take(self, standing: Standing) -> None:
        known = self._standings.get(standing.table_name)
        if known is None or known.age <= standing.age:
            self._standings[standing.table_name] = standing

    def _read(self, restriction: str) -> list[Standing]:
        """Take each table's newest record that fulfils a condition, and return them."""
        read = table_rows(
            self._clients, self._table, columns=[*LEDGER.dtypes], restriction=restriction
        )
        try:
            frames = [*read]
        except exceptions.NotFound:
            return []  # there is no ledger yet
        records = [Standing(**row) for frame in frames for row in frame.iter_rows(named=True)]
        newest = {each.table_name: each for each in sorted(records, key=lambda each: each.age)}
        for standing in newest.values():
            self._take(standing)
        return [*newest.values()]


def _signed(standing: Standing) -> Standing:
    return replace(standing, record_id=uuid.uuid4().hex, written_at=datetime.now(UTC))
