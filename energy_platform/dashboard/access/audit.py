"""The audit log: who logged in, who changed users, tokens, settings and positions, and when.

The file itself refuses to change an entry, or to delete one that is not archived. Beyond a bound
the oldest entries go to `audit_archive`; when that becomes too large, an entry says what went.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from energy_platform.dashboard.access.audit_archive import AuditArchive, Line, span
from energy_platform.dashboard.access.private_files import private_tables
from energy_platform.settings import StatePlace
from energy_platform.storage.state import Statements, StateTables, in_postgres

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, "user" TEXT NOT NULL,
    address TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_by_time ON entry (at);
CREATE TABLE IF NOT EXISTS archived (through INTEGER NOT NULL);
"""
_TRIGGERS: Final = """
DROP TRIGGER IF EXISTS entry_is_kept;
CREATE TRIGGER IF NOT EXISTS entry_is_archived_first BEFORE DELETE ON entry
    WHEN NOT EXISTS (SELECT 1 FROM archived WHERE through >= OLD.number)
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER IF NOT EXISTS entry_stays_as_it_is BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
"""
_POSTGRES_TRIGGERS: Final = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$;
CREATE OR REPLACE FUNCTION refuse_unless_archived() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM archived WHERE through >= OLD.number) THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'the audit log is only added to';
END $$;
CREATE OR REPLACE TRIGGER entry_is_archived_first BEFORE DELETE ON entry
    FOR EACH ROW EXECUTE FUNCTION refuse_unless_archived();
CREATE OR REPLACE TRIGGER entry_stays_as_it_is BEFORE UPDATE ON entry
    FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE OR REPLACE TRIGGER entries_stay BEFORE TRUNCATE ON entry EXECUTE FUNCTION refuse();
"""
MOST_ENTRIES: Final = 20_000
"""How many entries the file has at most; then the older half is archived."""
MOST_SHARED_ENTRIES: Final = 1_000_000
"""The same of a database that machines share: the archive is a folder of one of them."""
_LONGEST_NAME: Final = 200
_LONGEST_DETAIL: Final = 4_000
_PLATFORM: Final = "the platform"

_log = logging.getLogger(__name__)


class Action(StrEnum):
    """What was done."""

    LOGGED_IN = "logged in"
    LOGIN_REFUSED = "login refused"
    LOGGED_OUT = "logged out"
    USER_SET = "user set"
    USER_REMOVED = "user removed"
    TOKEN_MADE = "token made"  # noqa: S105 (no secret)
    TOKEN_REVOKED = "token revoked"  # noqa: S105 (no secret)
    CHOICES_SET = "choices set"
    ALARM_SET = "alarm set"
    ALARM_REMOVED = "alarm removed"
    POSITIONS_HANDED_IN = "positions handed in"
    FILE_DROPPED = "file dropped"
    DAGSTER_CHANGED = "Dagster changed"
    AUDIT_SHORTENED = "oldest entries deleted"


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
    """The audit log of one platform.

    Args:
        tables: Its newest entries.
        archive: The others.
        clock: The time in seconds since 1970.
        most_entries: How many entries the file may have.
    """

    def __init__(
        self,
        tables: StateTables,
        archive: AuditArchive,
        clock: Callable[[], float] = time.time,
        most_entries: int = MOST_ENTRIES,
    ) -> None:
        self._tables = tables
        self._archive = archive
        self._clock = clock
        self._most_entries = most_entries

    @classmethod
    def of(cls, place: StatePlace) -> Self:
        """Return the audit log of a platform."""
        tables = private_tables(
            place,
            "audit.db",
            _TABLES + _TRIGGERS,
            postgres_layout=in_postgres(_TABLES) + _POSTGRES_TRIGGERS,
        )
        most = MOST_ENTRIES if place.url is None else MOST_SHARED_ENTRIES
        return cls(tables, AuditArchive.of(place.home), most_entries=most)

    def add(self, action: Action, user: str, address: str, **detail: object) -> None:
        """Add an entry; archive older ones if there are too many."""
        said = json.dumps(detail)
        if len(said) > _LONGEST_DETAIL:
            said = json.dumps({"cut": said[:_LONGEST_DETAIL]})
        names = [name[:_LONGEST_NAME] for name in (user, address)]
        with self._tables.transaction() as statements:
            statements.execute(
                'INSERT INTO entry (at, "user", address, action, detail) VALUES (?, ?, ?, ?, ?)',
                [self._clock(), *names, action, said],
            )
            is_full = self._is_full(statements)
        if is_full:
            try:
                self._shorten()
            except OSError as error:
                _log.error("the audit log keeps all entries in one file: %s", error)

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest entries, the newest first."""
        with self._tables.transaction("DEFERRED") as statements:
            rows = statements.execute(
                "SELECT * FROM entry ORDER BY number DESC LIMIT ?", [limit]
            ).fetchall()
        return list(_entries([*rows, *self._archive.newest(limit - len(rows))]))

    def _is_full(self, statements: Statements) -> bool:
        [[first, last]] = statements.execute("SELECT min(number), max(number) FROM entry")
        return bool(last - first >= self._most_entries)

    def _shorten(self) -> None:
        """Move the older half of the entries to the archive, and delete its surplus."""
        with self._tables.transaction() as statements:
            if not self._is_full(statements):
                return  # another process was faster
            order = "SELECT * FROM entry ORDER BY number LIMIT ?"
            old = statements.execute(order, [self._most_entries // 2]).fetchall()
            # Written before they are deleted; who is killed in between writes them again.
            self._archive.put(old)
            statements.execute("DELETE FROM archived")
            statements.execute("INSERT INTO archived VALUES (?)", [old[-1][0]])
            statements.execute("DELETE FROM entry WHERE number <= ?", [old[-1][0]])
        self._tables.give_back()
        for file in self._archive.surplus():
            first, last = _entries(span(file))
            said = {"first": first.number, "last": last.number, "until": last.at.isoformat()}
            self.add(Action.AUDIT_SHORTENED, _PLATFORM, _PLATFORM, **said)
            file.unlink()


def _entries(lines: Iterable[Line]) -> Iterable[Entry]:
    for number, at, user, address, action, detail in lines:
        told = json.loads(detail)
        yield Entry(number, datetime.fromtimestamp(at, UTC), user, address, action, told)
