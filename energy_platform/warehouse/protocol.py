"""The warehouse's promises, whichever system keeps them.

Every revision of every row is kept; rows are appended in micro-batches, each atomic and
idempotent by the landing offset at which it stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a warehouse must know of a table before it can make it.

    Attributes:
        name: The table's name; may have a folder, e.g. `quarantine/ote_day_ahead_price`.
        dtypes: Columns and their polars types, `landing_offset` among them.
        event_time: The instant column by which reads are pruned.
    """

    name: str
    dtypes: dict[str, pl.DataType]
    event_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """What can be said of a table without reading its rows."""

    rows: int
    last_event_at: datetime | None
    last_received_at: datetime | None
    committed_offset: int


class Warehouse(Protocol):
    """A store of tables that micro-batches are committed to."""

    def committed_offset(self, table: Table) -> int:
        """Return the landing offset before which every message has been processed; 0 at first."""

    def commit(self, table: Table, rows: pl.DataFrame, *, start: int, stop: int) -> None:
        """Append the rows of landing offsets [start, stop), and move the table to `stop`.

        One atomic step, also when `rows` is empty. A batch whose `stop` is not beyond the
        committed offset is already there, and is left alone.

        Raises:
            CommitConflictError: The table stands at neither `start` nor beyond; read it again.
        """

    def replace(self, table: Table, rows: pl.DataFrame, *, start: int, stop: int) -> None:
        """Put `rows` in the place of all rows with a landing offset in [start, stop), atomically.

        The committed offset becomes `stop` where it was less.
        """

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""

    def summary(self, table: Table) -> TableSummary:
        """Return the table's size and reach, from metadata alone where possible."""

    def maintain(self, tables: Sequence[Table]) -> None:
        """Compact, checkpoint and clear what is no longer needed; safe beside writers."""
