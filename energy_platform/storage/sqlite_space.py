"""How much of the disk a SQLite file takes, and how it gives back what deleted rows took.

SQLite keeps the pages of deleted rows for new ones and never shrinks a file by itself. What is
deleted belongs to whoever uses the file; this module also serves files of others, such as Dagster.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

KEPT_FREE_BYTES: Final = 32 * 2**20
"""Free pages that stay in a file: the next rows take them, and it need not grow again."""

_BUSY_SECONDS: Final = 30.0
_STEP_PAGES: Final = 1_000
"""How many pages one transaction gives back; writers wait for it, some milliseconds."""
_INCREMENTAL: Final = 2
"""How SQLite calls the mode in which a file can give back pages one by one."""


def used_bytes(path: Path) -> int:
    """Return what the rows of a file take, without its free pages; 0 where there is no file."""
    if not path.exists():
        return 0
    with closing(_connect(path)) as connection:
        return (_ask(connection, "page_count") - _ask(connection, "freelist_count")) * _ask(
            connection, "page_size"
        )


def give_back(path: Path, *, kept_free_bytes: int | None = None) -> None:
    """Give free pages back to the disk, but for some; others may use the file meanwhile.

    A file that was made without this in mind is written anew once, and can do it from then on.

    Args:
        path: The file.
        kept_free_bytes: How much of free pages stays; `KEPT_FREE_BYTES` unless given.
    """
    kept = KEPT_FREE_BYTES if kept_free_bytes is None else kept_free_bytes
    with closing(_connect(path)) as connection:
        if _ask(connection, "auto_vacuum") != _INCREMENTAL:
            connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL:d}")
            connection.execute("VACUUM")
        # Pages that wait to be written into the file are slow to look through.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        kept_pages = kept // _ask(connection, "page_size")
        while (surplus := _ask(connection, "freelist_count") - kept_pages) > 0:
            # A page is given back with each row that is asked for.
            pages = min(surplus, _STEP_PAGES)
            connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _ask(connection: sqlite3.Connection, pragma: str) -> int:
    [value] = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
