"""Dagster's SQLite storages, with connections that stay open.

Dagster makes an engine, and a connection of it, anew for each of the hundreds of statements that a
run takes. To make them costs more than the statements: three quarters of the CPU of a run of
micro-batches. `storage` takes these classes where no Postgres is set.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, cast

from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DatabaseError

from energy_platform.storage.sqlite_file import identity, is_damage, replace_if_damaged
from resources.fewer_statements import FewerEventStatements, SnapshotsInOrderOfUse

_BUSY_SECONDS: Final = 60.0
"""How long a statement waits for another process's, as Dagster's event log does."""

_WAITING_BYTES: Final = 64 * 2**20
"""To this size the file of waiting pages is cut after each checkpoint."""
_LOOK_SECONDS: Final = 0.25
"""How often a reader of a run that is under way looks for new events."""

_Make = Callable[[Path], object]
"""Makes a new database of Dagster's in a folder."""


class _Opened(NamedTuple):
    """A database that is open, and which file that is."""

    engine: Engine
    file: tuple[int, int] | None


_opened: dict[tuple[int, str], _Opened] = {}
"""One per database, and per process: a connection must not be used on both sides of a fork."""


@contextmanager
def connected(address: str, make: _Make | None = None) -> Iterator[Connection]:
    """Lend an open connection to a database, for one transaction.

    A database that turns out to be damaged is set aside and begun anew, since Dagster's history is
    no truth: only this transaction fails. Other processes go over to the new one by themselves.

    Args:
        address: The database.
        make: Makes a new one; without it, a damaged one stays.
    """
    path = Path(str(make_url(address).database))
    try:
        with _engine(address, path).connect() as connection, connection.begin():
            yield connection
    except DatabaseError as error:
        if make is not None and _may_be_damaged(error.orig):
            replace_if_damaged(path, make)
        raise


def _engine(address: str, path: Path) -> Engine:
    """Return the engine of the database that is at a path now."""
    place, file = (os.getpid(), address), identity(path)
    known = _opened.get(place)
    if known is not None and known.file is None and file is not None:
        # Its first connection has just made it.
        known = _opened[place] = _Opened(known.engine, file)
    if known is not None and file not in (known.file, None):
        known.engine.dispose()
        known = None
    if known is None:
        engine = create_engine(address, connect_args={"timeout": _BUSY_SECONDS}, max_overflow=-1)
        event.listen(engine, "connect", _bound)
        known = _opened[place] = _Opened(engine, file)
    return known.engine


def _may_be_damaged(error: BaseException | None) -> bool:
    """Return whether an error may come from a damaged file; one that was emptied has no tables."""
    return isinstance(error, sqlite3.DatabaseError) and (
        is_damage(error) or "no such table" in str(error)
    )


def _bound(connection: sqlite3.Connection, _: object) -> None:
    """Bound the file of pages that wait to be written: SQLite removes it at the last closing."""
    connection.execute(f"PRAGMA journal_size_limit = {_WAITING_BYTES:d}")


class OpenEventLogStorage(FewerEventStatements, ConsolidatedSqliteEventLogStorage):
    """Dagster's one database for all runs' events."""

    _conn_string: str
    _obs: Any

    def _connect(self) -> Any:  # noqa: ANN401 (a context manager, which Dagster doesn't annotate)
        return connected(self._conn_string, _new_events)

    def watch(self, run_id: str, cursor: str | None, callback: Callable[..., Any]) -> None:
        """Tell of a run's new events.

        Dagster watches the file of the database, which changes only when its last connection
        closes.
        """
        self._watchers[run_id][callback] = cursor
        if self._obs is None:
            self._obs = _NewEvents(self)
            self._obs.start()


class _NewEvents(threading.Thread):
    """Looks whether anyone has committed events, as long as there is a reader who waits for some.

    Args:
        storage: The event log.
    """

    def __init__(self, storage: OpenEventLogStorage) -> None:
        super().__init__(name="new events", daemon=True)
        self._storage = storage
        self._is_stopped = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        path = Path(self._storage.get_db_path())  # type: ignore[no-untyped-call]
        while not self._is_stopped.is_set():
            with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.DatabaseError):
                self._look(connection, path)

    def _look(self, connection: sqlite3.Connection, path: Path) -> None:
        """Look until stopped, or until another file is in the database's place."""
        seen, file = None, identity(path)
        while not self._is_stopped.wait(_LOOK_SECONDS) and identity(path) == file:
            # The number that changes whenever another connection commits.
            [version] = connection.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen = version
                self._storage.on_modified()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Look no more."""
        self._is_stopped.set()


class OpenRunStorage(SnapshotsInOrderOfUse, SqliteRunStorage):
    """Dagster's database of runs, where Dagster has it if nothing is configured."""

    _conn_string: str

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the storage beside the events, whose folder is configured."""
        return cls.from_local(_beside(config_value, "history"), inst_data)

    def connect(self) -> Any:  # noqa: ANN401
        """Lend a connection."""
        return connected(self._conn_string, _new_runs)


class OpenScheduleStorage(SqliteScheduleStorage):
    """Dagster's database of sensors, schedules and ticks, where Dagster has it by default."""

    _conn_string: str

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the storage beside the events, whose folder is configured."""
        return cast("Self", cls.from_local(_beside(config_value, "schedules"), inst_data))

    def connect(self) -> Any:  # noqa: ANN401
        """Lend a connection."""
        return connected(self._conn_string, _new_ticks)


def _beside(config: Mapping[str, Any], name: str) -> str:
    return str(Path(config["base_dir"]).with_name(name))


def _new_events(folder: Path) -> None:
    ConsolidatedSqliteEventLogStorage(str(folder))


def _new_runs(folder: Path) -> None:
    SqliteRunStorage.from_local(str(folder))


def _new_ticks(folder: Path) -> None:
    SqliteScheduleStorage.from_local(str(folder))
