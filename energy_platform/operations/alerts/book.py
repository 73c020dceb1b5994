"""What alerts remember over a restart: failed runs, open incidents, lines not yet sent.

They also remember how much was used of what can run out. Losing it loses no market data: incidents
are told again. Addresses are secrets, so only digests of them are kept.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from energy_platform.operations.alerts.conditions import FailedRuns
from energy_platform.operations.alerts.incidents import Incident, News, Told
from energy_platform.operations.resources import LOOKED_BACK, Sample
from energy_platform.settings import StatePlace
from energy_platform.storage.state import Statements, state_tables

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
    """The alerts' memory of one platform. Threads and processes may share it.

    Args:
        place: Where its state is.
    """

    def __init__(self, place: StatePlace) -> None:
        self._tables = state_tables(place, "alerts.sqlite", _SCHEMA)

    def add_failed_run(self, run_id: str, job: str, at: datetime, error: str) -> None:
        """Record a failed run; recording it twice changes nothing."""
        with self._tables.transaction() as statements:
            statements.execute(
                "INSERT INTO failed_run VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (run_id, job, at.timestamp(), error),
            )

    def failed_runs(self, now: datetime) -> list[FailedRuns]:
        """Return the jobs whose runs failed lately, and forget earlier failures."""
        with self._tables.transaction() as statements:
            before = (now - _LATELY).timestamp()
            statements.execute("DELETE FROM failed_run WHERE at < ?", (before,))
            found = statements.execute(
                "SELECT job, at, error FROM failed_run ORDER BY job, at"
            ).fetchall()
        jobs: dict[str, list[tuple[float, str]]] = {}
        for job, at, error in found:
            jobs.setdefault(job, []).append((at, error))
        return [
            FailedRuns(job, len(failed), _instant(failed[-1][0]), failed[-1][1])
            for job, failed in jobs.items()
        ]

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
        with self._tables.transaction() as statements:
            statements.execute(
                "DELETE FROM used WHERE at NOT BETWEEN ? AND ?",
                (at - LOOKED_BACK.total_seconds(), at),
            )
            [latest] = statements.execute("SELECT MAX(at) FROM used").fetchone()
            if latest is None or at - latest >= _SAMPLED_EVERY.total_seconds():
                statements.executemany(
                    "INSERT INTO used VALUES (?, ?, ?)", [(key, at, n) for key, n in used.items()]
                )
            rows = statements.execute("SELECT resource, at, used FROM used ORDER BY at").fetchall()
        samples: dict[str, list[Sample]] = {}
        for key, sampled_at, amount in rows:
            samples.setdefault(key, []).append(Sample(_instant(sampled_at), amount))
        return samples

    def incidents(self) -> list[Incident]:
        """Return the open incidents."""
        if not self._tables.is_begun():
            return []
        with self._tables.transaction() as statements:
            found = statements.execute("SELECT * FROM incident ORDER BY opened_at, key").fetchall()
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
        with self._tables.transaction() as statements:
            statements.execute("DELETE FROM incident")
            statements.executemany(
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
            _add(statements, news, addresses)
            # Lines for an address that is no longer set would wait for ever.
            marks = ", ".join("?" * len(addresses))
            where = f"WHERE address NOT IN ({marks})" if addresses else ""
            statements.execute(f"DELETE FROM line {where}", addresses)  # noqa: S608 (only question marks are inserted)

    def add(self, news: Sequence[News], addresses: Sequence[str]) -> None:
        """Store lines to send that are about no incident of the platform."""
        if not news:
            return
        with self._tables.transaction() as statements:
            _add(statements, news, addresses)

    def waiting(self, address: str) -> list[Line]:
        """Return the lines that wait for an address, in order."""
        with self._tables.transaction() as statements:
            found = statements.execute(
                "SELECT id, told, text FROM line WHERE address = ? ORDER BY id", (address,)
            ).fetchall()
        return [Line(number, News(Told(told), text)) for number, told, text in found]

    def attempts(self, address: str) -> Attempts:
        """Return the attempts to send to an address so far."""
        with self._tables.transaction() as statements:
            found = statements.execute(
                "SELECT failures, not_before FROM address WHERE digest = ?", (address,)
            ).fetchone()
        return Attempts(found[0], _instant(found[1])) if found else Attempts()

    def sent(self, address: str, lines: Iterable[Line], *, not_before: datetime) -> None:
        """Delete lines that have arrived."""
        with self._tables.transaction() as statements:
            statements.executemany("DELETE FROM line WHERE id = ?", [(line.id,) for line in lines])
            statements.execute(
                "INSERT INTO address VALUES (?, 0, ?) ON CONFLICT (digest) DO UPDATE"
                " SET failures = 0, not_before = excluded.not_before",
                (address, not_before.timestamp()),
            )

    def not_sent(self, address: str, *, not_before: datetime) -> None:
        """Record that an address could not be reached."""
        with self._tables.transaction() as statements:
            statements.execute(
                "INSERT INTO address VALUES (?, 1, ?) ON CONFLICT (digest) DO UPDATE"
                " SET failures = address.failures + 1, not_before = excluded.not_before",
                (address, not_before.timestamp()),
            )


def _add(statements: Statements, news: Sequence[News], addresses: Sequence[str]) -> None:
    """Store lines for each address, the newest `LINES` of them."""
    statements.executemany(
        "INSERT INTO line (address, told, text) VALUES (?, ?, ?)",
        [(address, one.told, one.text) for address in addresses for one in news],
    )
    for address in addresses:
        given_up = statements.execute(
            "DELETE FROM line WHERE address = ? AND id NOT IN"
            " (SELECT id FROM line WHERE address = ? ORDER BY id DESC LIMIT ?)",
            (address, address, LINES),
        ).rowcount
        if given_up:
            _log.error("%d alerts were never sent: more than %d wait", given_up, LINES)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
