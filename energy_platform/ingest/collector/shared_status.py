"""The feeds' status as collectors on several machines tell it to each other's `status`.

Each collector writes the feeds that it runs, and nothing of those that wait as a standby: another
one runs them. A machine's own file (`service`) says the same of this machine alone, and needs no
database.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from energy_platform.settings import StatePlace
from energy_platform.storage.state import state_tables

_KEPT_SECONDS: Final = 60.0
"""How long a feed's status counts that no collector has written again; they do each second."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS feed (source TEXT PRIMARY KEY, at REAL NOT NULL, said TEXT NOT NULL);
"""


class SharedStatus:
    """The status of every feed that any collector of the platform runs.

    Args:
        place: Where the state is.
    """

    def __init__(self, place: StatePlace) -> None:
        self._tables = state_tables(place, "feeds.sqlite", _LAYOUT)

    def write(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the status of the feeds that this collector runs, by source.

        Raises:
            StateUnavailableError: The database is away; the next write has all there is to say.
        """
        with self._tables.transaction() as statements:
            now = self._tables.clock(statements)
            statements.executemany(
                "INSERT INTO feed VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE"
                " SET at = excluded.at, said = excluded.said",
                [(source, now, json.dumps(said)) for source, said in statuses.items()],
            )

    def read(self) -> dict[str, object]:
        """Return what was written lately, by source.

        Raises:
            StateUnavailableError: The database is away.
        """
        if not self._tables.is_begun():
            return {}
        with self._tables.reading() as statements:
            lately = self._tables.clock(statements) - _KEPT_SECONDS
            found = statements.execute(
                "SELECT source, said FROM feed WHERE at >= ?", [lately]
            ).fetchall()
        return {source: json.loads(said) for source, said in found}
