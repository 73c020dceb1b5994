"""What each user chose for their screen: theme, zones, sizes of panels. A small document a user.

The pages say what stands in it; here it is kept as it is, and bounded.
"""

import time
from collections.abc import Callable
from typing import Final, Self

from energy_platform.dashboard.access.private_files import private_tables
from energy_platform.settings import StatePlace
from energy_platform.storage.state import StateTables

MOST_BYTES: Final = 32 * 1024
"""How large a user's document may be."""
MOST_USERS: Final = 2_000
"""Of how many users documents are kept, those that changed last."""
_ALL: Final = 2**62
"""More rows than there are; an offset needs a limit in SQLite."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS choices (
    "user" TEXT PRIMARY KEY, changed_at REAL NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
"""


class ChoicesFile:
    """The choices of one platform's users."""

    def __init__(self, tables: StateTables, clock: Callable[[], float] = time.time) -> None:
        self._tables = tables
        self._clock = clock

    @classmethod
    def of(cls, place: StatePlace) -> Self:
        """Return the choices of a platform's users."""
        return cls(private_tables(place, "choices.db", _LAYOUT))

    def of_user(self, user: str) -> bytes | None:
        """Return a user's document; None if they chose nothing yet."""
        with self._tables.transaction("DEFERRED") as statements:
            row = statements.execute(
                'SELECT document FROM choices WHERE "user" = ?', [user]
            ).fetchone()
        return bytes(row[0]) if row else None

    def keep(self, user: str, document: bytes) -> bool:
        """Keep a user's document in place of the one before; return whether it is another one."""
        with self._tables.transaction() as statements:
            row = statements.execute(
                'SELECT document FROM choices WHERE "user" = ?', [user]
            ).fetchone()
            if row and bytes(row[0]) == document:
                return False
            statements.execute(
                'INSERT INTO choices VALUES (?, ?, ?) ON CONFLICT ("user") DO UPDATE SET'
                " changed_at = excluded.changed_at, document = excluded.document",
                [user, self._clock(), document],
            )
            statements.execute(
                'DELETE FROM choices WHERE "user" IN (SELECT "user" FROM choices'
                " ORDER BY changed_at DESC LIMIT ? OFFSET ?)",
                [_ALL, MOST_USERS],
            )
        return True

    def forget(self, user: str) -> None:
        """Delete a user's document."""
        with self._tables.transaction() as statements:
            statements.execute('DELETE FROM choices WHERE "user" = ?', [user])
