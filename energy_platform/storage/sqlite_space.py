"""How much of the disk a SQLite file takes, and how it gives back the space of deleted rows.

SQLite keeps the pages of deleted rows for new ones and never shrinks a file by itself. The users of
a file decide what to delete; this module also serves files of other programs, such as Dagster.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

KEPT_FREE_BYTES: Final = 32 * 2**20
"""Free pages that stay in a file for the next rows, so that it need not grow again."""

_BUSY_SECONDS: Final = 30.0
_TRUNCATION_MILLISECONDS: Final = 1_000
_STEP_PAGES: Final = 1_000
"""How many pages one transaction gives back; writers wait for it, some milliseconds."""
_INCREMENTAL: Final = 2
"""SQLite's name of the mode in which a file can give back pages one by one."""


def used_bytes(path: Path) -> int:
    """Return the size of a file's rows, without its free pages; 0 if there is no file."""
    if not path.exists():
        return 0
    with closing(_connect(path)) as connection:
        return (_ask(connection, "page_count") - _ask(connection, "freelist_count")) * _ask(
            connection, "page_size"
        )


def give_back(path: Path, *, kept_free_bytes: int | None = None) -> None:
    """Give free pages back to the disk, except some; others may use the file meanwhile.

    A file that was created without this mode is rewritten once, and has the mode from then on.

    Args:
        path: The file.
        kept_free_bytes: The size of the free pages that stay; `KEPT_FREE_BYTES` unless given.
    """
    kept = KEPT_FREE_BYTES if kept_free_bytes is None else kept_free_bytes
    with closing(_connect(path)) as connection:
        if _ask(connection, "auto_vacuum") != _INCREMENTAL:
            connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL:d}")
            connection.execute("VACUUM")
        # Reading is slow while pages in the write-ahead log wait to be written into the file.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        kept_pages = kept // _ask(connection, "page_size")
        while (surplus := _ask(connection, "freelist_count") - kept_pages) > 0:
            # Each fetched row gives back one page.
            pages = min(surplus, _STEP_PAGES)
            connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
        # The file of waiting pages keeps its size while anyone is connected; who uses it meanwhile
        # is not kept waiting for long, and then it is truncated the next time.
        connection.execute(f"PRAGMA busy_timeout = {_TRUNCATION_MILLISECONDS:d}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _ask(connection: sqlite3.Connection, pragma: str) -> int:
    [value] = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
