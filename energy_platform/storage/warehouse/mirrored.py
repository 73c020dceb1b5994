"""A remote warehouse with a local copy of the rows of the last days.

Each micro-batch is compared with the stored rows of the same series and times. A remote service
takes most of a second for that and bills it by the byte, every few seconds; the local copy takes
milliseconds. The copy serves this comparison only. It is used while its position equals the
warehouse's, and is made again from the warehouse otherwise. It may be deleted at any time.
"""

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from energy_platform.errors import CommitConflictError, DamagedTableError
from energy_platform.history.question import Question
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import (
    Damage,
    Position,
    ReadSize,
    TableSummary,
    Warehouse,
)

_log = logging.getLogger(__name__)


class MirroredWarehouse:
    """A `Warehouse` and a copy of its recent rows. Threads and processes may share both.

    Args:
        warehouse: The remote warehouse, which has every row.
        folder: The folder of the copies: one folder per day, with the rows whose event time is at
            most `days` whole days earlier. So each day begins with a new copy.
        days: How many days back the copy goes.
    """

    def __init__(self, warehouse: Warehouse, folder: Path, *, days: int) -> None:
        self._warehouse = warehouse
        self._folder = folder
        self._kept = timedelta(days=days)
        self._copy_of = (date.min, DeltaWarehouse(folder))

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored in the warehouse."""
        return self._warehouse.has(table)

    def committed_offset(self, table: Table) -> int:
        """Return the landing offset before which every message has been processed; 0 at first."""
        return self._warehouse.committed_offset(table)

    def position(self, table: Table) -> Position:
        """Return a table's position; the very first one if there is no table."""
        return self._warehouse.position(table)

    def commit(
        self, table: Table, rows: pl.DataFrame, *, start: int, stop: int, replacements: int = 0
    ) -> bool:
        """Append rows to the warehouse, and to the copy if its offset is `start` too.

        If the rows are stored already they aren't copied, since another writer's may differ.

        Raises:
            CommitConflictError: The table has another position; read it again.
        """
        stored = self._warehouse.commit(
            table, rows, start=start, stop=stop, replacements=replacements
        )
        if stored:
            _, copy = self._copy()
            # A copy with another position is made again when it is next read.
            with suppress(CommitConflictError, DamagedTableError):
                copy.commit(table, rows, start=start, stop=stop, replacements=replacements)
        return stored

    def replace(
        self,
        table: Table,
        rows: pl.DataFrame,
        offsets: range,
        *,
        before: Position,
        after: Position,
    ) -> None:
        """Replace all rows with these landing offsets by `rows`, in the warehouse.

        Raises:
            CommitConflictError: The table's position is not `before`; nothing was replaced.
        """
        self._warehouse.replace(table, rows, offsets, before=before, after=after)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily, from the warehouse."""
        return self._warehouse.scan(table)

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return the rows of a position, of event times from `since` on, from the copy if possible.

        A copy with another position is made again first.
        """
        first, copy = self._copy()
        self._drop_damaged_copy(table, wholly=False)
        if since >= first and (
            copy.position(table) == position or self._made_again(table, position, first, copy)
        ):
            return copy.rows_at(table, position, since=since)
        return self._warehouse.rows_at(table, position, since=since)

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily, from the warehouse."""
        return self._warehouse.answer(question)

    def run_summaries(self, question: Question) -> pl.LazyFrame:
        """Return one row per run of a forecast, lazily, from the warehouse."""
        return self._warehouse.run_summaries(question)

    def summary(self, table: Table) -> TableSummary:
        """Return the table's row count and newest times in the warehouse."""
        return self._warehouse.summary(table)

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return how large the answer to a question in the warehouse is at most."""
        return self._warehouse.size(question, columns)

    def state(self, table: Table) -> str | None:
        """Return what tells a table's rows in the warehouse, as they are now, from all others."""
        return self._warehouse.state(table)

    def damage(self, table: Table, *, wholly: bool = True) -> Sequence[Damage]:
        """Return what is damaged of the table in the warehouse; a damaged copy goes at once."""
        self._drop_damaged_copy(table, wholly=wholly)
        return self._warehouse.damage(table, wholly=wholly)

    def drop_damage(self, table: Table) -> None:
        """Make the table readable in the warehouse."""
        self._warehouse.drop_damage(table)

    def maintain(self, tables: Sequence[Table]) -> None:
        """Maintain the warehouse and the copy, and delete the copies of earlier days."""
        self._warehouse.maintain(tables)
        first, copy = self._copy()
        copy.maintain(tables)
        # A batch that began before midnight may still read yesterday's copy.
        needed = first.date() - timedelta(days=1)
        for folder in self._folder.iterdir() if self._folder.exists() else ():
            if date.fromisoformat(folder.name) < needed:
                shutil.rmtree(folder, ignore_errors=True)

    def _copy(self) -> tuple[datetime, DeltaWarehouse]:
        """Return today's copy, and the event time from which it has all rows."""
        day = (datetime.now(UTC) - self._kept).date()
        if self._copy_of[0] != day:
            self._copy_of = (day, DeltaWarehouse(self._folder / day.isoformat()))
        return datetime(day.year, day.month, day.day, tzinfo=UTC), self._copy_of[1]

    def _drop_damaged_copy(self, table: Table, *, wholly: bool) -> None:
        """Delete the copy of a table that can't be read: it is made again when it is next read."""
        _, copy = self._copy()
        if found := copy.damage(table, wholly=wholly):
            _log.error(
                "%s: its copy of recent rows is damaged (%s: %s): it is made again",
                table.name, found[0].place, found[0].why,
            )  # fmt: skip
            copy.forget(table)

    def _made_again(
        self, table: Table, position: Position, first: datetime, copy: DeltaWarehouse
    ) -> bool:
        """Make the copy again as of a position; return whether that was possible.

        It is not if the table has changed meanwhile, since the rows read may be of either position.
        The caller finds the same when it commits.
        """
        before = copy.position(table)
        rows = self._warehouse.rows_at(table, position, since=first).collect()
        if self._warehouse.position(table) != position:
            return False
        offsets = range(max(position.offset, before.offset))
        try:
            copy.replace(table, rows, offsets, before=before, after=position)
        except CommitConflictError:
            return copy.position(table) == position
        _log.info(
            "%s: %d recent rows copied at offset %d", table.name, rows.height, position.offset
        )
        return True
