"""What every warehouse promises, whichever system implements it.

A warehouse keeps every revision of every row. Rows are appended in micro-batches; each is atomic,
and idempotent by the landing offset at which it stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from energy_platform.market.table import Table

if TYPE_CHECKING:
    from energy_platform.history.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """What is known of a table without reading its rows."""

    rows: int
    last_event_at: datetime | None
    last_received_at: datetime | None
    committed_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSize:
    """How large the answer to a question is, as far as it is known without reading a row.

    Attributes:
        rows: How many rows it has at most.
        read_bytes: How many bytes are read for it at most: of files, or those that are billed.
    """

    rows: int
    read_bytes: int


@dataclass(frozen=True, slots=True)
class Position:
    """The state of a table. A write names the position that it assumes, and is refused at another.

    Attributes:
        offset: The landing offset before which every message has been processed.
        replacements: How often rows were replaced. Rows that were compared with the table before a
            replacement may not be committed after it.
        stale_from: From this landing offset on, rows precede a replay that is running or was
            interrupted; None if there is no such replay.
    """

    offset: int = 0
    replacements: int = 0
    stale_from: int | None = None

    def replaced(self, *, offset: int | None = None, stale_from: int | None = None) -> "Position":
        """Return the position after one more replacement, at this offset unless one is given."""
        return Position(
            offset=self.offset if offset is None else offset,
            replacements=self.replacements + 1,
            stale_from=stale_from,
        )


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a table that can't be read.

    Attributes:
        place: The file.
        why: How it is damaged.
        first_offset: Before this landing offset, no row is in it.
    """

    place: Path
    why: str
    first_offset: int


class ReadableWarehouse(Protocol):
    """A store of tables, as readers need it."""

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored."""

    def position(self, table: Table) -> Position:
        """Return a table's position; the very first one if there is no table."""

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""

    def answer(self, question: "Question") -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily and in no order."""

    def run_summaries(self, question: "Question") -> pl.LazyFrame:
        """Return one row per run of a forecast, with the columns of `history.runs.SUMMARY`."""

    def summary(self, table: Table) -> TableSummary:
        """Return the table's row count and newest times, from metadata alone where possible."""

    def size(self, question: "Question", columns: Sequence[str]) -> ReadSize:
        """Return how large the answer to a question is at most, if these columns are wanted."""

    def state(self, table: Table) -> str | None:
        """Return what tells a table's rows, as they are now, from all others of any table.

        None if nothing does without reading them, or a writer is at work.
        """


class Warehouse(ReadableWarehouse, Protocol):
    """A store of tables that micro-batches are committed to."""

    def committed_offset(self, table: Table) -> int:
        """Return the landing offset before which every message has been processed; 0 at first."""

    def commit(
        self, table: Table, rows: pl.DataFrame, *, start: int, stop: int, replacements: int = 0
    ) -> bool:
        """Append the rows of landing offsets [start, stop), and move the table to `stop`.

        One atomic step, also if `rows` is empty. If the committed offset is at or beyond `stop`,
        the batch is stored already: nothing happens, and the answer is False.

        Args:
            table: The table to append to.
            rows: The rows, in landing order.
            start: The table's offset when the rows were made.
            stop: Its offset afterwards.
            replacements: The table's replacements when the rows were made.

        Raises:
            CommitConflictError: The table has another position; read it again.
        """

    def replace(
        self,
        table: Table,
        rows: pl.DataFrame,
        offsets: range,
        *,
        before: Position,
        after: Position,
    ) -> None:
        """Replace all rows with these landing offsets by `rows`.

        One atomic step, also if the range is empty and only the position changes.

        Raises:
            CommitConflictError: The table's position is not `before`; nothing was replaced.
        """

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return, lazily, a table's rows at a position, from an event time on.

        Rows of an earlier event time may be among them. Rows of messages after the position are
        not, even if they are stored already.
        """

    def damage(self, table: Table, *, wholly: bool = True) -> Sequence[Damage]:
        """Return what is damaged of a table; nothing in a remote warehouse.

        Args:
            table: The table.
            wholly: Whether to read each file; otherwise its name and size must do.
        """

    def drop_damage(self, table: Table) -> None:
        """Make a damaged table readable, without the rows in files that can't be read."""

    def maintain(self, tables: Sequence[Table]) -> None:
        """Compact, checkpoint and delete what is no longer needed; safe beside writers."""
