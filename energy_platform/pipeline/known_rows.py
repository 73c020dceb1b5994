"""What this process remembers of each table: its rows of recent event times, at one position.

Every batch is compared with the stored rows of the same series and times. A warm worker need not
read them again: the rows of a position never change, and a later position only adds rows that were
committed meanwhile, by this process or another. The warehouse gives the position, and refuses a
batch that was compared with another one, so a wrong memory can cost a repetition, never a row. The
memory is bounded, and may be lost at any time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import polars as pl

from energy_platform.market.table import Table
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_RECENT: Final = timedelta(days=3)
"""Rows of older event times are read from the warehouse each time."""
_MARGIN: Final = timedelta(hours=2)
"""How much further back than asked for rows are read, since a later batch may ask for more."""
_TABLE_BYTES: Final = 16 * 2**20
_BYTES: Final = 64 * 2**20
_FRAGMENTS: Final = 32
"""Each batch adds a fragment; beyond this number they are joined, since each slows every query."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows of a table at a position whose event time is at or after `since`."""

    position: Position
    since: datetime
    rows: pl.DataFrame

    def is_of(self, position: Position) -> bool:
        """Return whether the rows are those of a position."""
        return self.is_before(position) and self.position.offset == position.offset

    def is_before(self, position: Position) -> bool:
        """Return whether rows have only been added between the two positions."""
        return (
            self.position.replacements == position.replacements
            and self.position.offset <= position.offset
        )


class KnownRows:
    """The rows of recent event times of a warehouse's tables.

    Args:
        warehouse: The warehouse, which has all rows.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._known: dict[str, _Known] = {}
        self._too_many_from: dict[str, datetime] = {}

    def at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        """Return, lazily, a table's rows at this position, from an event time on.

        Rows of an earlier event time may be among them.
        """
        known = self._known.get(table.name)
        if known is not None and since >= known.since and known.is_before(position):
            known = known if known.is_of(position) else self._caught_up(table, known, position)
        else:
            known = self._read(table, position, since)
        if known is None:
            return self._warehouse.rows_at(table, position, since=since)
        self._keep(table, known)
        return known.rows.lazy()

    def add(self, table: Table, rows: pl.DataFrame, *, before: Position, stop: int) -> None:
        """Remember rows whose commit moved a table from `before` to `stop`."""
        known = self._known.pop(table.name, None)
        if known is not None and known.is_of(before):
            self._keep(table, _added(known, rows, Position(stop, before.replacements)))

    def _read(self, table: Table, position: Position, since: datetime) -> _Known | None:
        """Read the rows of a position; None if they are too old or too many to be remembered."""
        oldest = max(datetime.now(UTC) - _RECENT, self._too_many_from.get(table.name, since))
        if since < oldest:
            return None
        rows = self._warehouse.rows_at(table, position, since=since - _MARGIN).collect()
        if rows.estimated_size() > _TABLE_BYTES:
            self._too_many_from[table.name] = since + _MARGIN
            return None
        return _Known(position, since - _MARGIN, rows)

    def _caught_up(self, table: Table, known: _Known, position: Position) -> _Known:
        """Return the rows of a later position, to which others have committed."""
        stored = self._warehouse.rows_at(table, position, since=known.since)
        new = stored.filter(pl.col("landing_offset") >= known.position.offset)
        return _added(known, new.collect(), position)

    def _keep(self, table: Table, known: _Known) -> None:
        """Keep rows as the last used, and forget those that were unused for the longest time."""
        self._known.pop(table.name, None)
        if known.rows.estimated_size() > _TABLE_BYTES:
            known = _later_half(table, known)
            self._too_many_from[table.name] = known.since
        self._known[table.name] = known
        while self._bytes() > _BYTES:
            del self._known[next(iter(self._known))]

    def _bytes(self) -> float:
        return sum(known.rows.estimated_size() for known in self._known.values())


def _added(known: _Known, rows: pl.DataFrame, position: Position) -> _Known:
    together = known.rows.vstack(rows)
    if together.n_chunks() > _FRAGMENTS:
        together = together.rechunk()
    return _Known(position, known.since, together)


def _later_half(table: Table, known: _Known) -> _Known:
    middle = cast("datetime", known.rows[table.event_time].median())
    rows = known.rows.filter(pl.col(table.event_time) >= middle)
    return _Known(known.position, middle, rows)
