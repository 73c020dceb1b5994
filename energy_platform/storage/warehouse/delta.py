"""The embedded warehouse: one Delta Lake table per table, in folders that many processes share.

A micro-batch is one Delta commit that carries its `stop` as an application transaction. All writes
of rows belong to one application, and Delta refuses a commit if the same application has committed
since the version that the commit is based on. So when a write lands, the table still has the
`Position` that the write assumed. Two writers cannot both land one batch, on one machine or on
several, and no writer lands rows that it compared with rows which were replaced since.

Delta does not sync its files, so the warehouse does before a batch counts as done. A newest commit
that is torn in spite of that is set aside (`delta_log`), and its rows are made again from the
landing zone. `delta_damage` finds other damage, which a replay repairs.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Final

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError
from polars.exceptions import PanicException

from energy_platform.errors import (
    CommitConflictError,
    DamagedTableError,
    IncompatibleTableError,
    UsageError,
)
from energy_platform.history.question import Question
from energy_platform.history.revisions import answer
from energy_platform.history.runs import summaries
from energy_platform.market.table import Table
from energy_platform.storage.aside import set_aside
from energy_platform.storage.warehouse import delta_damage
from energy_platform.storage.warehouse.batches import check_batch, check_rows, is_stored
from energy_platform.storage.warehouse.delta_files import files, size, state, summary
from energy_platform.storage.warehouse.delta_log import (
    commit_file,
    log_folder,
    make_durable,
    mending,
    set_torn_commits_aside,
)
from energy_platform.storage.warehouse.local_table import LocalDeltaTable
from energy_platform.storage.warehouse.protocol import Damage, Position, ReadSize, TableSummary

CHECKPOINT_INTERVAL: Final = 25
"""Commits between two checkpoints; opening a table reads one checkpoint and at most these."""

COMPACTED_BYTES: Final = 32 * 2**20
"""The size to which files grow in the end."""

MEDIUM_BYTES: Final = 4 * 2**20
"""The size to which the files of batches grow at first.

So a batch's rows are written again a few times for a file of this size, and once or twice for a
large one, whatever the table has become.
"""

FILES_WORTH_COMPACTING: Final = 32
"""With fewer small files than this, compacting would write more than it saves."""

_CONFIGURATION: Final = {
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    # Each commit lists the folder of the log, and is slower by half at 1,000 entries.
    "delta.logRetentionDuration": "interval 10 minutes",
    # How long a query may run: the files that it reads are kept this long.
    "delta.deletedFileRetentionDuration": "interval 6 hours",
}

# The parts of a position are versions of application transactions; they can't be unset.
_REPLACEMENTS: Final = "/replacements"
_STALE_FROM: Final = "/stale_from"
_NOTHING_STALE: Final = -1

_RECEIVED_AT: Final = "received_at"

_WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=2**17)

_log = logging.getLogger(__name__)


class DeltaWarehouse:
    """A `Warehouse` of Delta Lake tables below one folder. Threads may share it.

    Args:
        root: The folder; a table's own folder below it has the table's name.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._handles: dict[str, _Handle] = {}
        # A handle advances with each commit, so a lock holds a check and the write after it
        # together.
        self._lock = RLock()

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored."""
        return DeltaTable.is_deltatable(str(self._path(table)))

    def committed_offset(self, table: Table) -> int:
        """Return the landing offset before which every message has been processed; 0 at first."""
        return self.position(table).offset

    def position(self, table: Table) -> Position:
        """Return a table's position; the very first one if there is no table."""
        with self._lock:
            handle = self._current(table)
            return handle.position if handle else Position()

    def commit(
        self, table: Table, rows: pl.DataFrame, *, start: int, stop: int, replacements: int = 0
    ) -> bool:
        """Append the rows of landing offsets [start, stop), and move the table to `stop`.

        If the batch is stored already, by this process or another, nothing happens and the answer
        is False. Columns that the table lacks are added to it.

        Raises:
            CommitConflictError: The table's offset is neither `start` nor at or beyond `stop`, or
                its rows have been replaced since.
            IncompatibleTableError: A column's type differs from the table's.
            ValueError: The rows have other columns or offsets.
        """
        check_batch(table, rows, start, stop)
        with self._lock:
            handle = self._current(table) or self._create(table)
            found = handle.position
            if is_stored(table, found, start=start, stop=stop, replacements=replacements):
                return False
            try:
                _write(handle.delta, table, rows, [Transaction(table.name, stop)])
            except CommitFailedError as error:
                if self.committed_offset(table) < stop:
                    raise _conflict(table) from error
                return False
            make_durable(self._path(table), handle.delta.version())
            # Delta would have refused the commit if another write had changed the position.
            handle.note(replace(found, offset=stop))
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
            ValueError: The rows have other columns or offsets.
        """
        check_rows(table, rows, offsets.start, offsets.stop)
        with self._lock:
            handle = self._current(table) or self._create(table)
            if handle.position != before:
                raise _conflict(table)
            replaced = f"landing_offset >= {offsets.start} AND landing_offset < {offsets.stop}"
            try:
                _write(
                    handle.delta,
                    table,
                    rows,
                    _transactions(table, after),
                    replacing=replaced if offsets else None,
                )
            except CommitFailedError as error:
                raise _conflict(table) from error
            make_durable(self._path(table), handle.delta.version())
            handle.note(after)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; files whose statistics rule them out aren't opened.

        The frame is the table of this moment, even if it is collected up to six hours later.

        Raises:
            DamagedTableError: The table's log can't be read.
        """
        if not self.has(table):
            return pl.LazyFrame(schema=table.dtypes)
        return table.of_stored(pl.scan_delta(self._open(table)))

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return, lazily, the rows of a position from an event time on."""
        in_time = pl.col(table.event_time) >= since
        return self.scan(table).filter(in_time, pl.col("landing_offset") < position.offset)

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily, as of this moment."""
        return answer(self.scan(question.table), question)

    def run_summaries(self, question: Question) -> pl.LazyFrame:
        """Return one row per run of a forecast, lazily, as of this moment."""
        return summaries(self.scan(question.table), question)

    def summary(self, table: Table) -> TableSummary:
        """Return the row count and newest times from the log; times are cut to milliseconds."""
        with self._lock:
            handle = self._current(table)
            if handle is None:
                return summary(None, table, committed_offset=0)
            return summary(handle.delta, table, committed_offset=handle.position.offset)

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return how many rows and bytes the files have that can hold an answer's rows.

        Files say nothing of the size of a column, so that all are counted.
        """
        del columns
        with self._lock:
            handle = self._current(question.table)
            return size(None if handle is None else handle.delta, question)

    def state(self, table: Table) -> str | None:
        """Return what tells a table's newest version from all others; None if there is no table."""
        with self._lock:
            handle = self._current(table)
            return state(None if handle is None else handle.delta)

    def damage(self, table: Table, *, wholly: bool = True) -> list[Damage]:
        """Return what is damaged of a table; nothing if it is sound.

        Args:
            table: The table.
            wholly: Whether to read each file; otherwise its name and size must do.
        """
        if not self.has(table):
            return []
        try:
            delta = self._open(table)
        except DamagedTableError as error:
            return [Damage(error.place, error.why, first_offset=0)]
        return delta_damage.of_files(self._path(table), files(delta), wholly=wholly)

    def drop_damage(self, table: Table) -> None:
        """Make a damaged table readable: set aside the files that can't be read, and their rows.

        A table whose log can't be read is set aside as a whole and begun anew, at the very first
        offset. One process at a time does this, and the next one finds that it is done.
        """
        with self._lock:
            if not self.has(table):
                return
            try:
                self._open(table)
            except DamagedTableError:
                self._begin_anew(table)
            else:
                self._drop_files(table)

    def forget(self, table: Table) -> None:
        """Delete a table that is only a copy, as if it had never been stored."""
        with self._lock, mending(self._root, table):
            self._handles.pop(table.name, None)
            shutil.rmtree(self._path(table), ignore_errors=True)

    def _begin_anew(self, table: Table) -> None:
        """Set aside a table whose log can't be read, unless another process has just done so."""
        with mending(self._root, table):
            try:
                self._open(table)
            except DamagedTableError as error:
                _log.error("%s. It is kept as %s", error, set_aside(self._path(table)))
                self._handles.pop(table.name, None)
                before = self._create(table).position
                # Nobody goes on with what he remembers of the table that was set aside.
                fresh = replace(Position(), replacements=int(time.time()))
                nothing = pl.DataFrame(schema=table.dtypes)
                self.replace(table, nothing, range(0), before=before, after=fresh)

    def _drop_files(self, table: Table) -> None:
        """Set aside the data files that can't be read, and note in the log that they are gone."""
        with mending(self._root, table):
            path, delta = self._path(table), self._open(table)
            found = delta_damage.of_files(path, files(delta), wholly=True)
            for one in found:
                kept = set_aside(one.place) if one.place.exists() else "nothing"
                _log.error("%s: %s: %s. It is kept as %s", table.name, one.place, one.why, kept)
            if found:
                try:
                    delta.repair()
                except CommitFailedError as error:
                    raise _conflict(table) from error
                make_durable(path, delta.version())

    def maintain(self, tables: Sequence[Table]) -> None:
        """Merge small files, checkpoint, and delete files and log entries that no reader needs.

        Safe beside writers: appends continue meanwhile, and a table that a replacement changed at
        the same time is left until the next run. A table that can't be read is logged, and the
        others are maintained.
        """
        for table in tables:
            try:
                self._maintain(table)
            except CommitFailedError as error:
                _log.info("%s was being rewritten, left for the next time: %s", table.name, error)
            except (Exception, PanicException):  # noqa: BLE001 (the other tables are maintained)
                _log.exception("%s can't be maintained", table.name)

    def stored_bytes(self, tables: Sequence[Table]) -> int:
        """Return the size of the tables' present files, without replaced ones.

        A table that can't be read is logged, and left out.
        """
        return sum(map(self._stored_bytes, tables))

    def _stored_bytes(self, table: Table) -> int:
        with self._lock:
            try:
                handle = self._current(table)
            except DamagedTableError as error:
                _log.error("%s", error)
                return 0
            return 0 if handle is None else int(files(handle.delta)["size_bytes"].sum())

    def expire(self, tables: Sequence[Table], *, before: datetime) -> int:
        """Delete rows that were received before an instant and whose event time is before it.

        Safe beside writers, as `maintain` is. In a table without `received_at` the event time alone
        counts. Returns how many rows were deleted; their files stay for as long as a query may run.
        """
        removed = 0
        for table in tables:
            try:
                removed += self._expire(table, before)
            except CommitFailedError as error:
                _log.info("%s was being rewritten, expires the next time: %s", table.name, error)
            except (Exception, PanicException):  # noqa: BLE001 (the others expire)
                _log.exception("rows of %s can't be removed", table.name)
        return removed

    def _expire(self, table: Table, before: datetime) -> int:
        if not DeltaTable.is_deltatable(str(self._path(table))):
            return 0
        delta = DeltaTable(self._path(table))
        times = sorted({table.event_time, *({_RECEIVED_AT} & table.dtypes.keys())})
        found = files(delta)
        if not set(_minima(times)) <= set(found.columns):
            return 0
        if found.filter(pl.all_horizontal(pl.col(_minima(times)) < before)).is_empty():
            return 0
        old = " AND ".join(f"{name} < '{before.isoformat()}'" for name in times)
        return int(delta.delete(old, writer_properties=_WRITER)["num_deleted_rows"])

    def _maintain(self, table: Table) -> None:
        if not DeltaTable.is_deltatable(str(self._path(table))):
            return
        delta = DeltaTable(self._path(table))
        small = _smaller_than(delta, MEDIUM_BYTES // 2)
        if small.height >= FILES_WORTH_COMPACTING:
            delta.optimize.compact(target_size=MEDIUM_BYTES, writer_properties=_WRITER)
        medium = _smaller_than(delta, COMPACTED_BYTES // 2)
        if medium.get_column("size_bytes").sum() >= COMPACTED_BYTES:
            delta.optimize.compact(target_size=COMPACTED_BYTES, writer_properties=_WRITER)
        # A full vacuum also finds files that a killed writer left without a commit.
        delta.vacuum(dry_run=False, full=True)
        if not _has_checkpoint(self._path(table), delta.version()):
            delta.create_checkpoint()
        delta.cleanup_metadata()

    def _path(self, table: Table) -> Path:
        path = self._root / table.name
        if not path.resolve().is_relative_to(self._root.resolve()) or path == self._root:
            raise UsageError(f"{table.name!r} can't name a table")
        return path

    def _current(self, table: Table) -> "_Handle | None":
        """Return a handle at the table's newest version; None if there is no table yet."""
        path, handle = self._path(table), self._handles.get(table.name)
        # A handle keeps every log entry that it has read, and slows down; a new one starts from
        # the last checkpoint.
        if (
            handle is not None
            and self._is_brought_up(table, handle)
            and handle.delta.version() < handle.opened_at + CHECKPOINT_INTERVAL
        ):
            handle.look(table)
            return handle
        self._handles.pop(table.name, None)
        if not DeltaTable.is_deltatable(str(path)):
            return None
        return self._opened(table, self._open(table))

    def _is_brought_up(self, table: Table, handle: "_Handle") -> bool:
        """Bring a handle to the newest version; return whether that is possible.

        It is not if the log entry of its version is gone or another one: later entries or a
        checkpoint have replaced it, or it was damaged.
        """
        version = handle.delta.version()
        if _identity(commit_file(self._path(table), version)) != handle.identity:
            return False
        if commit_file(self._path(table), version + 1).exists():
            set_torn_commits_aside(self._root, table)
            try:
                handle.delta.update_incremental()
            except DeltaError:
                return False
        return True

    def _open(self, table: Table) -> LocalDeltaTable:
        """Open a table at its newest whole version.

        Raises:
            DamagedTableError: Its log can't be read.
        """
        set_torn_commits_aside(self._root, table)
        try:
            return LocalDeltaTable(self._path(table))
        except DeltaError as error:
            why = str(error).partition("\n")[0].rstrip(".")
            raise DamagedTableError(table.name, log_folder(self._path(table)), why) from error

    def _opened(self, table: Table, delta: DeltaTable) -> "_Handle":
        handle = _Handle(
            delta,
            self._path(table),
            delta.version(),
            position_of(delta, table),
            delta.version(),
            _identity(commit_file(self._path(table), delta.version())),
        )
        self._handles[table.name] = handle
        return handle

    def _create(self, table: Table) -> "_Handle":
        schema, path = _delta_schema(table), self._path(table)
        try:
            created = DeltaTable.create(path, schema=schema, configuration=_configuration(table))
            make_durable(path, created.version())
            return self._opened(table, created)
        except DeltaError:
            # Another process may have been faster; then the table exists now.
            handle = self._current(table)
            if handle is None:
                raise
            return handle


@dataclass(slots=True)
class _Handle:
    """An open table.

    Attributes:
        delta: The table, at some version.
        folder: Its folder.
        opened_at: The version at which it was opened.
        position: The table's position at version `looked_at`.
        looked_at: The version whose position is known; reading it from Delta takes a millisecond.
        identity: Which file is the log entry of that version.
    """

    delta: DeltaTable
    folder: Path
    opened_at: int
    position: Position
    looked_at: int
    identity: tuple[int, int, int] | None

    def look(self, table: Table) -> None:
        """Read the position of this version."""
        if self.looked_at != self.delta.version():
            self.note(position_of(self.delta, table))

    def note(self, position: Position) -> None:
        """Take a position as that of this version."""
        self.position, self.looked_at = position, self.delta.version()
        self.identity = _identity(commit_file(self.folder, self.looked_at))


def _identity(entry: Path) -> tuple[int, int, int] | None:
    """Return what tells a log entry, which never changes, from a damaged one or another."""
    try:
        found = entry.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _write(
    delta: DeltaTable,
    table: Table,
    rows: pl.DataFrame,
    transactions: list[Transaction],
    *,
    replacing: str | None = None,
) -> None:
    """Commit rows and the position in one step, based on the version of `delta`."""
    stored = pl.Schema(delta.schema().to_arrow())
    _check_types(table, stored)
    write = partial(
        write_deltalake,
        delta,
        rows if rows.columns == [*table.dtypes] else rows.select(*table.dtypes),
        schema_mode=None if stored.names() == list(table.dtypes) else "merge",
        writer_properties=_WRITER,
        commit_properties=CommitProperties(app_transactions=transactions),
    )
    if replacing is None:
        write(mode="append")
    else:
        write(mode="overwrite", predicate=replacing)


def position_of(delta: DeltaTable, table: Table) -> Position:
    """Return the position that a version of a table carries."""
    stale_from = delta.transaction_version(table.name + _STALE_FROM)
    return Position(
        offset=delta.transaction_version(table.name) or 0,
        replacements=delta.transaction_version(table.name + _REPLACEMENTS) or 0,
        stale_from=None if stale_from == _NOTHING_STALE else stale_from,
    )


def _transactions(table: Table, position: Position) -> list[Transaction]:
    stale_from = _NOTHING_STALE if position.stale_from is None else position.stale_from
    return [
        Transaction(table.name, position.offset),
        Transaction(table.name + _REPLACEMENTS, position.replacements),
        Transaction(table.name + _STALE_FROM, stale_from),
    ]


def _conflict(table: Table) -> CommitConflictError:
    return CommitConflictError(f"another writer has committed to {table.name}")


def _configuration(table: Table) -> dict[str, str]:
    """Return a table's settings.

    The log has statistics of the columns by which files are pruned and rows expire, and of no
    others: each commit reads those of all files, and is a third slower with all columns.
    """
    pruned = [
        name
        for name, dtype in table.dtypes.items()
        if dtype.is_temporal() or name == "landing_offset"
    ]
    return {**_CONFIGURATION, "delta.dataSkippingStatsColumns": ",".join(pruned)}


def _delta_schema(table: Table) -> Schema:
    try:
        schema = Schema.from_arrow(pl.Schema(table.dtypes))
    except Exception as error:  # delta-rs raises a bare Exception for a type it doesn't know
        first_line = str(error).partition("\n")[0]  # a trace of delta-rs itself follows
        raise IncompatibleTableError(
            f"{table.name} has a type that Delta lacks: {first_line}"
        ) from error
    _check_types(table, pl.Schema(schema.to_arrow()))
    return schema


def _check_types(table: Table, stored: pl.Schema) -> None:
    """Refuse a changed type, which Delta would cast silently where it can."""
    for name, dtype in table.dtypes.items():
        if name in stored and stored[name] != dtype:
            raise IncompatibleTableError(
                f"column {name} of {table.name} is {dtype}, its table has {stored[name]}"
            )


def _smaller_than(delta: DeltaTable, size_bytes: int) -> pl.DataFrame:
    return files(delta).filter(pl.col("size_bytes") < size_bytes)


def _has_checkpoint(path: Path, version: int) -> bool:
    """Return whether nothing has been committed since the last checkpoint."""
    return (path / "_delta_log" / f"{version:020}.checkpoint.parquet").exists()


def _minima(columns: Sequence[str]) -> list[str]:
    """Return the names of the columns' minima in Delta's file statistics."""
    return [f"min.{name}" for name in columns]
