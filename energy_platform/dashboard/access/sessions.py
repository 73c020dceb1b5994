"""Sessions of users who have logged in: kept at the server, so that they can be ended there.

The browser has a random key in a cookie; the file has the key's hash alone.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from energy_platform.dashboard.access.private_files import private_tables
from energy_platform.settings import StatePlace
from energy_platform.storage.state import StateTables

_MOST_OF_A_USER: Final = 50
_ALL: Final = 2**62
"""More rows than there are; an offset needs a limit in SQLite."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS session (
    key_hash TEXT PRIMARY KEY, "user" TEXT NOT NULL, csrf TEXT NOT NULL,
    began_at REAL NOT NULL, ends_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_of_user ON session ("user");
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One session.

    Attributes:
        user: Whose it is.
        csrf: What its pages repeat when they change something.
        ends_at: When it ends, in seconds since 1970.
    """

    user: str
    csrf: str
    ends_at: float


class Sessions:
    """The sessions of one platform, on every machine with a dashboard of it."""

    def __init__(self, tables: StateTables, clock: Callable[[], float] = time.time) -> None:
        self._tables = tables
        self._clock = clock

    @classmethod
    def of(cls, place: StatePlace) -> Self:
        """Return the sessions of a platform."""
        return cls(private_tables(place, "sessions.db", _LAYOUT))

    def begin(self, user: str, *, seconds: float) -> str:
        """Begin a session; return its key. A user's oldest ones end where there are too many."""
        key, now = secrets.token_urlsafe(32), self._clock()
        with self._tables.transaction() as statements:
            statements.execute("DELETE FROM session WHERE ends_at <= ?", [now])
            statements.execute(
                "DELETE FROM session WHERE key_hash IN (SELECT key_hash FROM session"
                ' WHERE "user" = ? ORDER BY began_at DESC LIMIT ? OFFSET ?)',
                [user, _ALL, _MOST_OF_A_USER - 1],
            )
            statements.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)",
                [key_hash(key), user, secrets.token_urlsafe(32), now, now + seconds],
            )
        return key

    def find(self, key: str) -> Session | None:
        """Return the session of a key, unless it has ended."""
        with self._tables.transaction("DEFERRED") as statements:
            row = statements.execute(
                'SELECT "user", csrf, ends_at FROM session WHERE key_hash = ? AND ends_at > ?',
                [key_hash(key), self._clock()],
            ).fetchone()
        return Session(*row) if row else None

    def end(self, key: str) -> None:
        """End the session of a key."""
        with self._tables.transaction() as statements:
            statements.execute("DELETE FROM session WHERE key_hash = ?", [key_hash(key)])

    def end_all_of(self, user: str) -> int:
        """End all sessions of a user; return how many there were."""
        with self._tables.transaction() as statements:
            return statements.execute('DELETE FROM session WHERE "user" = ?', [user]).rowcount


def key_hash(key: str) -> str:
    """Return the hash of a random key; it is too long to guess, so a fast hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()
