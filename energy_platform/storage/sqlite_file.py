"""One SQLite file that several processes and threads share: opened late, one transaction at a time.

A damaged file is renamed and a new one begun, so that a damaged side file costs only its content.
The modules that open a file define that content.
"""

import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Final, Literal

from filelock import FileLock

from energy_platform.errors import DamagedFileError
from energy_platform.storage import sqlite_space
from energy_platform.storage.aside import KEPT, MARK

_BUSY_SECONDS: Final = 30.0
"""How long to wait for the file, which others hold for milliseconds."""
_CHECKED_BYTES: Final = 8 * 2**20
"""A file up to this size is checked whenever it is opened; a larger one after a read fails."""
_CHECKED_AT_THE_START_BYTES: Final = 256 * 2**20
"""The same before the platform starts; reading so much takes some tenths of a second."""
_BESIDE: Final = ("-wal", "-shm")
"""The suffixes of the files that SQLite keeps beside a database."""
_WAITING_BYTES: Final = 64 * 2**20
"""How large the file beside it stays that holds what is yet to be written into it."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE: Final = 0xFF
"""The bits of SQLite's error codes that give the kind of error."""

_log = logging.getLogger(__name__)


class SqliteFile:
    """A file in write-ahead mode. Threads may share it; they take turns.

    A power cut may cost the last transactions, never the file; a killed process costs nothing.

    Args:
        path: The file; the file and its folder are created if they are missing.
        layout: The statements that create its tables if they are missing.
    """

    def __init__(self, path: Path, layout: str) -> None:
        self.path = path
        self._layout = layout
        self._connection: sqlite3.Connection | None = None
        self._opened_file: tuple[int, int] | None = None
        self._lock = Lock()

    @contextmanager
    def transaction(
        self, kind: Literal["DEFERRED", "IMMEDIATE"] = "IMMEDIATE"
    ) -> Iterator[sqlite3.Connection]:
        """Begin a transaction; one that will write declares it first, and waits for its turn.

        Raises:
            DamagedFileError: The file turned out to be damaged. It was renamed, and the next
                transaction begins with an empty one.
        """
        with self._lock:
            connection = self._opened()
            try:
                connection.execute(f"BEGIN {kind}")
                yield connection
                connection.commit()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    connection.rollback()
                    raise
                self._close()
                raise DamagedFileError(self._begin_anew(error)) from error
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open an existing file for reading: nothing is created or written, not even beside it.

        A file that nobody has open is read as it lies there; SQLite would make files beside it.

        Raises:
            DamagedFileError: The file is damaged; it stays where it is.
        """
        beside = self.path.with_name(f"{self.path.name}-shm")
        how = "mode=ro" if beside.exists() else "mode=ro&immutable=1"
        address = f"{self.path.absolute().as_uri()}?{how}"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            try:
                yield connection
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                raise DamagedFileError(f"{self.path} is damaged: {error}") from error

    def is_begun(self) -> bool:
        """Return whether there is a file with anything in it; another process may just begin it."""
        return self.path.exists() and self.path.stat().st_size > 0

    def clock(self, _: object) -> float:
        """Return this machine's time, in seconds since 1970: all who share the file have it."""
        return time.time()

    def stored_bytes(self) -> int:
        """Return the size of the file, its write-ahead log included."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def give_back(self) -> None:
        """Give the disk back what deleted rows took; others use the file meanwhile."""
        if self.path.exists():
            sqlite_space.give_back(self.path)

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        with self._lock:
            self._close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened_file != identity(self.path):
            # Another process has set the file aside, or somebody has removed it.
            self._close()
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.alone():
                try:
                    connection = self._connect()
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    self.set_aside(error)
                    connection = self._connect()
            weakref.finalize(self, connection.close)
            self._connection, self._opened_file = connection, identity(self.path)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        """Open the file as it is.

        Raises:
            sqlite3.DatabaseError: The file is damaged, or can't be opened.
        """
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if is_new:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAITING_BYTES:d}")
            connection.execute("PRAGMA synchronous = NORMAL")
            if self.path.stat().st_size <= _CHECKED_BYTES:
                _check(connection, "quick_check")
            connection.executescript(self._layout).close()
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin_anew(self, error: sqlite3.DatabaseError) -> str:
        """Set aside a file whose reading failed, unless another process just did, and log it."""
        with self.alone():
            connection = None
            try:
                connection = self._connect()
                _check(connection, "integrity_check")
            except sqlite3.DatabaseError as again:
                if not is_damage(again):
                    raise
            else:
                return f"{self.path} was damaged ({error}) and is sound again"
            finally:
                if connection is not None:
                    connection.close()
            return self.set_aside(error)

    def set_aside(self, error: sqlite3.DatabaseError) -> str:
        """Rename the damaged file and its side files, delete the oldest such files, log it."""
        aside = self.path.with_name(f"{self.path.name}{MARK}{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        for part, renamed in zip(_parts(self.path), _parts(aside), strict=True):
            if part.exists():
                part.rename(renamed)
        before = sorted(
            file
            for file in self.path.parent.iterdir()
            if file.name.startswith(f"{self.path.name}{MARK}") and file.suffix[-4:] not in _BESIDE
        )
        for old in before[:-KEPT]:
            for part in _parts(old):
                part.unlink(missing_ok=True)
        said = f"{self.path} is damaged ({error}): it is kept as {aside.name} and begun anew"
        _log.error("%s", said)
        return said

    def alone(self) -> FileLock:
        """Keep other processes from opening the file or setting it aside."""
        return FileLock(self.path.with_name(f"{self.path.name}.lock"))


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether an error says that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _NotSoundError) or (
        code is not None and code & _PRIMARY_CODE in _DAMAGE
    )


def damage_of(path: Path) -> str:
    """Return how a SQLite file is damaged, reading all of it; an empty text if it is sound."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as opened:
            _check(opened, "quick_check")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)
    return ""


def set_aside_if_damaged(path: Path) -> None:
    """Set a damaged file aside, as its user's next look would; nobody else may use it meanwhile.

    An empty file is one: its user may create tables only where there is no file.
    """
    if path.stat().st_size > _CHECKED_AT_THE_START_BYTES:
        return
    try:
        why = _damage_or_emptiness(path)
    except sqlite3.Error:
        return  # who uses it says what is wrong
    if why:
        SqliteFile(path, "").set_aside(sqlite3.DatabaseError(why))


def replace_if_damaged(path: Path, make: Callable[[Path], object]) -> None:
    """Set a damaged file aside and put a new one in its place, while others use it.

    They go on with the old file until they look whether another one is there; see `identity`.

    Args:
        path: The file.
        make: Makes a new file of this name in a folder.
    """
    with SqliteFile(path, "").alone():
        if path.exists() and (why := _damage_or_emptiness(path)):
            with TemporaryDirectory(dir=path.parent) as folder:
                make(Path(folder))
                SqliteFile(path, "").set_aside(sqlite3.DatabaseError(why))
                (Path(folder) / path.name).replace(path)


def _damage_or_emptiness(path: Path) -> str:
    return damage_of(path) if path.stat().st_size else "it is empty"


class _NotSoundError(sqlite3.DatabaseError):
    """A check of the file found something."""


def _check(connection: sqlite3.Connection, pragma: str) -> None:
    [[found], *_] = connection.execute(f"PRAGMA {pragma}(1)").fetchall()
    if found != "ok":
        raise _NotSoundError(str(found).splitlines()[0])


def _parts(path: Path) -> list[Path]:
    """Return the files of a database, the write-ahead log first.

    A new database must never find the write-ahead log of the one before it.
    """
    return [path.with_name(path.name + suffix) for suffix in (*_BESIDE, "")]


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at a path from an earlier file of that name."""
    try:
        found = os.stat(path)  # noqa: PTH116 (twice as fast, and called before each transaction)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
