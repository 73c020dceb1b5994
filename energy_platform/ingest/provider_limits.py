"""Keeps all callers of a provider, together, below its request rates and out of its bans.

The state is one SQLite file: the collector, backfills and Dagster's runs share it, and it outlives
each of them. A turn is reserved and then waited for, so turns are taken in the order of the
requests. Of the libraries, pyrate-limiter keeps such a file too. With it, one of three processes
got 3 turns of 105, waiting for its file lock blocks the event loop, and it knows no bans.

Time is wall time, the only clock that processes and restarts share. A clock that is set back, by
however little, leaves entries that were made in the future: turns are forgotten then, and a ban
lasts from now on as long as it lasted from its beginning.
"""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Final

from energy_platform.market.provider import Provider
from energy_platform.storage.sqlite_file import SqliteFile

_APART_SECONDS: Final = 1.0
"""How far the clock may be set back, as time servers do all day, without any consequence."""

_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS reserved (provider TEXT NOT NULL, at REAL NOT NULL, noted REAL NOT NULL);
CREATE INDEX IF NOT EXISTS reserved_in_order ON reserved (provider, at);
CREATE TABLE IF NOT EXISTS banned
    (provider TEXT PRIMARY KEY, until REAL NOT NULL, noted REAL NOT NULL);
DROP TABLE IF EXISTS turns;
DROP TABLE IF EXISTS bans;
"""


class ProviderLimits:
    """The turns and bans of every provider. Threads may share it.

    Args:
        home: The home folder; all processes with the same home share the limits.
    """

    def __init__(self, home: Path) -> None:
        self._file = SqliteFile(home / "provider_limits.sqlite", _LAYOUT)

    async def turn(self, provider: Provider, speed: float = 1.0) -> None:
        """Wait until a ban is over and every rate allows one more request.

        No rate is exceeded in any window of its length, wherever the window begins. In a market
        that runs at another `speed`, the rates scale with it. A caller that is cancelled while
        waiting leaves the turn unused.
        """
        while True:
            at = await asyncio.to_thread(self._reserve, provider, speed)
            await asyncio.sleep(max(0.0, at - time.time()))
            # A ban may have begun while this call waited for the rates.
            if at >= await asyncio.to_thread(self._banned_until, provider):
                return

    def ban(self, provider: Provider, seconds: float) -> None:
        """Keep all callers away from a provider for a time; a longer ban stays as it is.

        Takes a millisecond of the caller's event loop; bans are rare.
        """
        with self._file.transaction() as connection:
            now = time.time()
            _heed_a_clock_set_back(connection, now)
            connection.execute(
                "INSERT INTO banned VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                "SET until = excluded.until, noted = excluded.noted WHERE until < excluded.until",
                [provider.name, now + seconds, now],
            )

    def _reserve(self, provider: Provider, speed: float) -> float:
        """Reserve the next turn, and return its time.

        A rate of n requests per window puts the turn one window after the n-th last turn at the
        earliest.
        """
        with self._file.transaction() as connection:
            now = time.time()
            _heed_a_clock_set_back(connection, now)
            _forget(connection, provider, now, speed)
            at = max(now, _ban(connection, provider))
            for rate in provider.rates:
                before = connection.execute(
                    "SELECT at FROM reserved WHERE provider = ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    [provider.name, rate.requests - 1],
                ).fetchone()
                if before is not None:
                    at = max(at, before[0] + rate.per.total_seconds() / speed)
            connection.execute("INSERT INTO reserved VALUES (?, ?, ?)", [provider.name, at, now])
        return at

    def _banned_until(self, provider: Provider) -> float:
        with self._file.transaction("DEFERRED") as connection:
            return _ban(connection, provider)


def _ban(connection: sqlite3.Connection, provider: Provider) -> float:
    found = connection.execute("SELECT until FROM banned WHERE provider = ?", [provider.name])
    [until] = found.fetchone() or [0.0]
    return float(until)


def _heed_a_clock_set_back(connection: sqlite3.Connection, now: float) -> None:
    """Mend what was noted later than now."""
    latest = now + _APART_SECONDS
    connection.execute("DELETE FROM reserved WHERE noted > ?", [latest])
    connection.execute(
        "UPDATE banned SET until = until - noted + ?, noted = ? WHERE noted > ?",
        [now, now, latest],
    )


def _forget(connection: sqlite3.Connection, provider: Provider, now: float, speed: float) -> None:
    """Delete turns older than any rate's window, and bans that are over."""
    longest = max(rate.per.total_seconds() for rate in provider.rates) / speed
    connection.execute(
        "DELETE FROM reserved WHERE provider = ? AND at < ?", [provider.name, now - longest]
    )
    connection.execute(
        "DELETE FROM banned WHERE provider = ? AND until < ?", [provider.name, now - longest]
    )
