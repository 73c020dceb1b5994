"""The audit log: who logged in, who changed users, tokens, settings and positions, and when.

Entries are only ever added: the file itself refuses to change or delete one.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from energy_platform.dashboard.access.private_files import access_folder, private_database
from energy_platform.storage.sqlite_file import SqliteFile

_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, user TEXT NOT NULL,
    address TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_by_time ON entry (at);
CREATE TRIGGER IF NOT EXISTS entry_is_kept BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER IF NOT EXISTS entry_stays_as_it_is BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
"""
_LONGEST_NAME: Final = 200


class Action(StrEnum):
    """What was done."""

    LOGGED_IN = "logged in"
    LOGIN_REFUSED = "login refused"
    LOGGED_OUT = "logged out"
    USER_SET = "user set"
    USER_REMOVED = "user removed"
    TOKEN_MADE = "token made"  # noqa: S105 (no secret)
    TOKEN_REVOKED = "token revoked"  # noqa: S105 (no secret)
    ALARM_SET = "alarm set"
    ALARM_REMOVED = "alarm removed"
    POSITIONS_HANDED_IN = "positions handed in"
    FILE_DROPPED = "file dropped"
    DAGSTER_CHANGED = "Dagster changed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `address` is the visitor's, or `command line`."""

    number: int
    at: datetime
    user: str
    address: str
    action: str
    detail: Mapping[str, Any]


class AuditLog:
    """The audit log of one home."""

    def __init__(self, file: SqliteFile, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    @classmethod
    def of(cls, home: Path) -> Self:
        """Return the audit log of a home."""
        return cls(private_database(access_folder(home) / "audit.db", _LAYOUT))

    def add(self, action: Action, user: str, address: str, **detail: object) -> None:
        """Add an entry."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO entry (at, user, address, action, detail) VALUES (?, ?, ?, ?, ?)",
                [self._clock(), user[:_LONGEST_NAME], address, action, json.dumps(detail)],
            )

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest entries, the newest first."""
        with self._file.transaction("DEFERRED") as connection:
            rows = connection.execute(
                "SELECT * FROM entry ORDER BY number DESC LIMIT ?", [limit]
            ).fetchall()
        return [
            Entry(
                number, datetime.fromtimestamp(at, UTC), user, address, action, json.loads(detail)
            )
            for number, at, user, address, action, detail in rows
        ]
