"""Keeps all callers of a provider, together, below its request rates and out of its bans.

Collectors, backfills and Dagster's runs share the state, on one machine or several, and it outlives
each of them. A turn is reserved and then waited for, so turns are taken in the order of the
requests. Of the libraries, pyrate-limiter keeps such a file too. With it, one of three processes
got 3 turns of 105, waiting for its file lock blocks the event loop, and it knows no bans.

Time is that of the state: wall time of the machine, or of the database that machines share.
A clock that is set back, by
however little, leaves entries that were made in the future: turns are forgotten then, and a ban
lasts from now on as long as it lasted from its beginning.
"""

import asyncio
from typing import Final

from energy_platform.market.provider import Provider
from energy_platform.settings import StatePlace
from energy_platform.storage.state import Statements, state_tables

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
        place: Where the state is; all processes with the same one share the limits.
    """

    def __init__(self, place: StatePlace) -> None:
        self._tables = state_tables(place, "provider_limits.sqlite", _LAYOUT)

    async def turn(self, provider: Provider, speed: float = 1.0) -> None:
        """Wait until a ban is over and every rate allows one more request.

        No rate is exceeded in any window of its length, wherever the window begins. In a market
        that runs at another `speed`, the rates scale with it. A caller that is cancelled while
        waiting leaves the turn unused.
        """
        while True:
            at, pause_seconds = await asyncio.to_thread(self._reserve, provider, speed)
            await asyncio.sleep(pause_seconds)
            # A ban may have begun while this call waited for the rates.
            if at >= await asyncio.to_thread(self._banned_until, provider):
                return

    def ban(self, provider: Provider, seconds: float) -> None:
        """Keep all callers away from a provider for a time; a longer ban stays as it is.

        Takes a millisecond of the caller's event loop; bans are rare.
        """
        with self._tables.transaction() as statements:
            now = self._tables.clock(statements)
            _heed_a_clock_set_back(statements, now)
            statements.execute(
                "INSERT INTO banned VALUES (?, ?, ?) ON CONFLICT (provider) DO UPDATE "
                "SET until = excluded.until, noted = excluded.noted "
                "WHERE banned.until < excluded.until",
                [provider.name, now + seconds, now],
            )

    def _reserve(self, provider: Provider, speed: float) -> tuple[float, float]:
        """Reserve the next turn; return its time, and how many seconds it is until then.

        A rate of n requests per window puts the turn one window after the n-th last turn at the
        earliest.
        """
        with self._tables.transaction() as statements:
            now = self._tables.clock(statements)
            _heed_a_clock_set_back(statements, now)
            _forget(statements, provider, now, speed)
            at = max(now, _ban(statements, provider))
            for rate in provider.rates:
                before = statements.execute(
                    "SELECT at FROM reserved WHERE provider = ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    [provider.name, rate.requests - 1],
                ).fetchone()
                if before is not None:
                    at = max(at, before[0] + rate.per.total_seconds() / speed)
            statements.execute("INSERT INTO reserved VALUES (?, ?, ?)", [provider.name, at, now])
        return at, at - now

    def _banned_until(self, provider: Provider) -> float:
        with self._tables.transaction("DEFERRED") as statements:
            return _ban(statements, provider)


def _ban(statements: Statements, provider: Provider) -> float:
    found = statements.execute("SELECT until FROM banned WHERE provider = ?", [provider.name])
    [until] = found.fetchone() or [0.0]
    return float(until)


def _heed_a_clock_set_back(statements: Statements, now: float) -> None:
    """Mend what was noted later than now."""
    latest = now + _APART_SECONDS
    statements.execute("DELETE FROM reserved WHERE noted > ?", [latest])
    statements.execute(
        "UPDATE banned SET until = until - noted + ?, noted = ? WHERE noted > ?",
        [now, now, latest],
    )


def _forget(statements: Statements, provider: Provider, now: float, speed: float) -> None:
    """Delete turns older than any rate's window, and bans that are over."""
    longest = max(rate.per.total_seconds() for rate in provider.rates) / speed
    statements.execute(
        "DELETE FROM reserved WHERE provider = ? AND at < ?", [provider.name, now - longest]
    )
    statements.execute(
        "DELETE FROM banned WHERE provider = ? AND until < ?", [provider.name, now - longest]
    )
