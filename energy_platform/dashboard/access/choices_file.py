"""What each user chose for their screen: theme, zones, sizes of panels. A small document a user.

The pages say what stands in it; here it is kept as it is, and bounded.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from energy_platform.dashboard.access.private_files import access_folder, private_database
from energy_platform.storage.sqlite_file import SqliteFile

MOST_BYTES: Final = 32 * 1024
"""How large a user's document may be."""
MOST_USERS: Final = 2_000
"""Of how many users documents are kept, those that changed last."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS choices (
    user TEXT PRIMARY KEY, changed_at REAL NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
"""


class ChoicesFile:
    """The choices of one home's users."""

    def __init__(self, file: SqliteFile, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    @classmethod
    def of(cls, home: Path) -> Self:
        """Return the choices of a home."""
        return cls(private_database(access_folder(home) / "choices.db", _LAYOUT))

    def of_user(self, user: str) -> bytes | None:
        """Return a user's document; None if they chose nothing yet."""
        with self._file.transaction("DEFERRED") as connection:
            row = connection.execute(
                "SELECT document FROM choices WHERE user = ?", [user]
            ).fetchone()
        return row[0] if row else None

    def keep(self, user: str, document: bytes) -> bool:
        """Keep a user's document in place of the one before; return whether it is another one."""
        with self._file.transaction() as connection:
            row = connection.execute(
                "SELECT document FROM choices WHERE user = ?", [user]
            ).fetchone()
            if row and row[0] == document:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO choices VALUES (?, ?, ?)", [user, self._clock(), document]
            )
            connection.execute(
                "DELETE FROM choices WHERE user IN"
                " (SELECT user FROM choices ORDER BY changed_at DESC LIMIT -1 OFFSET ?)",
                [MOST_USERS],
            )
        return True

    def forget(self, user: str) -> None:
        """Delete a user's document."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM choices WHERE user = ?", [user])
