"""Remembers which chunks of a backfill have landed, and where, over restarts and kills.

A chunk is recorded once it is durable. A chunk that landed and could not be recorded is asked for
again; the same answer adds no row.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from energy_platform.errors import UsageError
from energy_platform.ingest.backfill.window import BackfillWindow
from energy_platform.settings import StatePlace
from energy_platform.storage.state import state_tables

MOST_CHUNKS: Final = 200_000
"""How many chunks are remembered, of all backfills; a line takes some 200 bytes."""

_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS chunks (
    backfill TEXT NOT NULL,
    chunk TEXT NOT NULL,
    offsets TEXT NOT NULL, -- JSON: [[first, stop], ...]
    /* rowid */
    PRIMARY KEY (backfill, chunk)
);
CREATE TABLE IF NOT EXISTS set_aside (
    backfill TEXT NOT NULL,
    chunk TEXT NOT NULL,
    offsets TEXT NOT NULL, -- as above
    /* rowid */
    PRIMARY KEY (backfill, chunk)
);
CREATE TABLE IF NOT EXISTS finished (backfill TEXT PRIMARY KEY);
"""


class BackfillRecord:
    """What the backfills of one platform have done.

    Args:
        place: Where its state is.
        most_chunks: How many chunks are remembered; the oldest are forgotten, and asked for again
            if their backfill was not finished.
    """

    def __init__(self, place: StatePlace, *, most_chunks: int = MOST_CHUNKS) -> None:
        self._most_chunks = most_chunks
        self._folder = place.home / "backfills"
        self._tables = state_tables(place, "backfills/record.sqlite", _LAYOUT)

    @contextmanager
    def held(self, window: BackfillWindow) -> Iterator[None]:
        """Keep other backfills of the source out, since two would only halve each other's rate.

        The hold ends with the process, however the process ends.

        Raises:
            UsageError: Another backfill of the source is running.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{window.source.name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"a backfill of {window.source.name} is running") from None
            yield

    def landed(self, window: BackfillWindow) -> dict[str, list[range]]:
        """Return the chunks that have landed, and the landing offsets of each."""
        return self._offsets("chunks", window)

    def note(self, window: BackfillWindow, chunk: str, offsets: Sequence[range]) -> None:
        """Record that a chunk has landed."""
        self._note("chunks", window, chunk, offsets)

    def set_aside(self, window: BackfillWindow) -> dict[str, list[range]]:
        """Return the chunks whose answer was unfit, and the landing offsets of that answer."""
        return self._offsets("set_aside", window)

    def note_aside(self, window: BackfillWindow, chunk: str, offsets: Sequence[range]) -> None:
        """Record that an unfit answer to a chunk has landed."""
        self._note("set_aside", window, chunk, offsets)

    def is_finished(self, window: BackfillWindow) -> bool:
        """Return whether every chunk of the window has landed."""
        with self._tables.transaction("DEFERRED") as statements:
            found = statements.execute("SELECT 1 FROM finished WHERE backfill = ?", [window.name])
            return found.fetchone() is not None

    def finish(self, window: BackfillWindow) -> None:
        """Record that every chunk of the window has landed."""
        with self._tables.transaction() as statements:
            statements.execute(
                "INSERT INTO finished VALUES (?) ON CONFLICT DO NOTHING", [window.name]
            )

    def forget(self, window: BackfillWindow) -> None:
        """Forget a window, so that all of it is asked for again."""
        with self._tables.transaction() as statements:
            for table in ("chunks", "set_aside", "finished"):
                statements.execute(
                    f"DELETE FROM {table} WHERE backfill = ?",  # noqa: S608 (our own names)
                    [window.name],
                )

    def _offsets(self, table: str, window: BackfillWindow) -> dict[str, list[range]]:
        with self._tables.transaction("DEFERRED") as statements:
            rows = statements.execute(
                f"SELECT chunk, offsets FROM {table} WHERE backfill = ?",  # noqa: S608 (our own names)
                [window.name],
            ).fetchall()
        return {chunk: [range(*each) for each in json.loads(offsets)] for chunk, offsets in rows}

    def _note(
        self, table: str, window: BackfillWindow, chunk: str, offsets: Sequence[range]
    ) -> None:
        where = json.dumps([[each.start, each.stop] for each in offsets])
        with self._tables.transaction() as statements:
            statements.execute(
                f"INSERT INTO {table} VALUES (?, ?, ?)"  # noqa: S608 (our own names)
                " ON CONFLICT (backfill, chunk) DO UPDATE SET offsets = excluded.offsets",
                [window.name, chunk, where],
            )
            statements.execute(
                f"DELETE FROM {table} WHERE rowid <= "  # noqa: S608 (our own names)
                f"(SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
                [self._most_chunks],
            )
