"""What alerts remember over a restart: failed runs, open incidents, lines not yet sent.

They also remember how much was used of what can run out. All is in one file of the home folder.
Losing it loses no market data: incidents are told again. The file holds only digests of addresses,
because addresses are secrets.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from energy_platform.operations.alerts.conditions import FailedRuns
from energy_platform.operations.alerts.incidents import Incident, News, Told
from energy_platform.operations.resources import LOOKED_BACK, Sample
from energy_platform.storage.sqlite_file import SqliteFile

LINES: Final = 500
"""How many lines may wait for one address; beyond that, the oldest are dropped, and logged."""

_LATELY: Final = timedelta(minutes=15)
"""How long a failed run counts as something that is wrong now."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS failed_run (run_id TEXT PRIMARY KEY, job TEXT, at REAL, error TEXT);
CREATE TABLE IF NOT EXISTS incident (
    key TEXT PRIMARY KEY, text TEXT, over TEXT, opened_at REAL, seen_at REAL, told_at REAL
);
CREATE TABLE IF NOT EXISTS line (
    id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT, told TEXT, text TEXT
);
CREATE TABLE IF NOT EXISTS address (digest TEXT PRIMARY KEY, failures INTEGER, not_before REAL);
CREATE TABLE IF NOT EXISTS used (resource TEXT, at REAL, used REAL);
"""

_SAMPLED_EVERY: Final = timedelta(minutes=5)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that waits to be sent."""

    id: int
    news: News


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts to send to an address.

    Attributes:
        failures: Failures in a row.
        not_before: When to try next.
    """

    failures: int = 0
    not_before: datetime = _LONG_AGO


class AlertBook:
    """The alerts' memory in one home. Threads and processes may share it.

    Args:
        home: The home folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "alerts.sqlite"
        self._file = SqliteFile(self._path, _SCHEMA)

    def add_failed_run(self, run_id: str, job: str, at: datetime, error: str) -> None:
        """Record a failed run; recording it twice changes nothing."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO failed_run VALUES (?, ?, ?, ?)",
                (run_id, job, at.timestamp(), error),
            )

    def failed_runs(self, now: datetime) -> list[FailedRuns]:
        """Return the jobs whose runs failed lately, and forget earlier failures."""
        with self._file.transaction() as connection:
            before = (now - _LATELY).timestamp()
            connection.execute("DELETE FROM failed_run WHERE at < ?", (before,))
            # SQLite takes the other columns from the row with the maximum.
            found = connection.execute(
                "SELECT job, COUNT(*), MAX(at), error FROM failed_run GROUP BY job ORDER BY job"
            ).fetchall()
        return [FailedRuns(job, count, _instant(at), error) for job, count, at, error in found]

    def remember_used(
        self, used: Mapping[str, float], now: datetime
    ) -> Mapping[str, Sequence[Sample]]:
        """Note how much is used, every few minutes; return the samples of the last hours.

        Args:
            used: How much of each thing is used now, by its key.
            now: The time.

        Returns:
            The samples of each thing, oldest first.
        """
        at = now.timestamp()
        with self._file.transaction() as connection:
            connection.execute(
                "DELETE FROM used WHERE at NOT BETWEEN ? AND ?",
                (at - LOOKED_BACK.total_seconds(), at),
            )
            [latest] = connection.execute("SELECT MAX(at) FROM used").fetchone()
            if latest is None or at - latest >= _SAMPLED_EVERY.total_seconds():
                connection.executemany(
                    "INSERT INTO used VALUES (?, ?, ?)", [(key, at, n) for key, n in used.items()]
                )
            rows = connection.execute("SELECT resource, at, used FROM used ORDER BY at").fetchall()
        samples: dict[str, list[Sample]] = {}
        for key, sampled_at, amount in rows:
            samples.setdefault(key, []).append(Sample(_instant(sampled_at), amount))
        return samples

    def incidents(self) -> list[Incident]:
        """Return the open incidents."""
        if not self._path.exists():
            return []
        with self._file.transaction() as connection:
            found = connection.execute("SELECT * FROM incident ORDER BY opened_at, key").fetchall()
        return [
            Incident(
                key=key,
                text=text,
                over=over,
                opened_at=_instant(opened_at),
                seen_at=_instant(seen_at),
                told_at=None if told_at is None else _instant(told_at),
            )
            for key, text, over, opened_at, seen_at, told_at in found
        ]

    def write(
        self, incidents: Iterable[Incident], news: Sequence[News], addresses: Sequence[str]
    ) -> None:
        """Store the open incidents and the lines to send, in one step.

        Args:
            incidents: All that are open now.
            news: The lines to send.
            addresses: The digests of the addresses to send them to.
        """
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM incident")
            connection.executemany(
                "INSERT INTO incident VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.key,
                        one.text,
                        one.over,
                        one.opened_at.timestamp(),
                        one.seen_at.timestamp(),
                        one.told_at and one.told_at.timestamp(),
                    )
                    for one in incidents
                ],
            )
            _add(connection, news, addresses)
            # Lines for an address that is no longer set would wait for ever.
            marks = ", ".join("?" * len(addresses))
            connection.execute(f"DELETE FROM line WHERE address NOT IN ({marks})", addresses)  # noqa: S608 (only question marks are inserted)

    def add(self, news: Sequence[News], addresses: Sequence[str]) -> None:
        """Store lines to send that are about no incident of the platform."""
        if not news:
            return
        with self._file.transaction() as connection:
            _add(connection, news, addresses)

    def waiting(self, address: str) -> list[Line]:
        """Return the lines that wait for an address, in order."""
        with self._file.transaction() as connection:
            found = connection.execute(
                "SELECT id, told, text FROM line WHERE address = ? ORDER BY id", (address,)
            ).fetchall()
        return [Line(number, News(Told(told), text)) for number, told, text in found]

    def attempts(self, address: str) -> Attempts:
        """Return the attempts to send to an address so far."""
        with self._file.transaction() as connection:
            found = connection.execute(
                "SELECT failures, not_before FROM address WHERE digest = ?", (address,)
            ).fetchone()
        return Attempts(found[0], _instant(found[1])) if found else Attempts()

    def sent(self, address: str, lines: Iterable[Line], *, not_before: datetime) -> None:
        """Delete lines that have arrived."""
        with self._file.transaction() as connection:
            connection.executemany("DELETE FROM line WHERE id = ?", [(line.id,) for line in lines])
            connection.execute(
                "INSERT OR REPLACE INTO address VALUES (?, 0, ?)", (address, not_before.timestamp())
            )

    def not_sent(self, address: str, *, not_before: datetime) -> None:
        """Record that an address could not be reached."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO address VALUES (?, 1, ?) ON CONFLICT DO UPDATE"
                " SET failures = failures + 1, not_before = excluded.not_before",
                (address, not_before.timestamp()),
            )


def _add(connection: Connection, news: Sequence[News], addresses: Sequence[str]) -> None:
    """Store lines for each address, the newest `LINES` of them."""
    connection.executemany(
        "INSERT INTO line (address, told, text) VALUES (?, ?, ?)",
        [(address, one.told, one.text) for address in addresses for one in news],
    )
    for address in addresses:
        given_up = connection.execute(
            "DELETE FROM line WHERE address = ? AND id NOT IN"
            " (SELECT id FROM line WHERE address = ? ORDER BY id DESC LIMIT ?)",
            (address, address, LINES),
        ).rowcount
        if given_up:
            _log.error("%d alerts were never sent: more than %d wait", given_up, LINES)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
