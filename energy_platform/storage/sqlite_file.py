"""One SQLite file that several processes and threads share.

It is opened at the first transaction, and transactions take turns. The tables in it belong to the
module that opens it.
"""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Literal

_BUSY_SECONDS: Final = 30.0
"""How long to wait for the file; whoever has it keeps it for milliseconds."""


class SqliteFile:
    """A file in write-ahead mode. Threads may share it; they take turns.

    A power cut may cost the last transactions, never the file; a killed process costs nothing.

    Args:
        path: The file; it and its folder are made where they are missing.
        layout: The statements that make its tables where they are missing.
    """

    def __init__(self, path: Path, layout: str) -> None:
        self._path = path
        self._layout = layout
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    @contextmanager
    def transaction(
        self, kind: Literal["DEFERRED", "IMMEDIATE"] = "IMMEDIATE"
    ) -> Iterator[sqlite3.Connection]:
        """Begin a transaction; one that will write says so at once, and waits for its turn."""
        with self._lock:
            connection = self._opened()
            connection.execute(f"BEGIN {kind}")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(self._layout).close()
            self._connection = connection
        return self._connection
