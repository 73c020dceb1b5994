"""The rows that a hot lane compares new rows with: a source's table at the lane's landing offset.

The warehouse holds the rows of all messages that micro-batches have taken. The lane is ahead of it,
and holds the rows of the messages in between in memory.
"""

import time
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.known_rows import KnownRows
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_AHEAD_ROWS: Final = 100_000
"""How many rows that the warehouse lacks are held at most: an hour of a busy order book."""
_LOOK_SECONDS: Final = 2.0
"""How often the lane reads the warehouse's position, which takes time in a remote one."""


class LaneRows:
    """The rows of one source's table before a landing offset.

    Args:
        warehouse: The table's warehouse.
        source: The table's source.
        position: The position of the table and the lane.
    """

    def __init__(self, warehouse: Warehouse, source: MarketSource, position: Position) -> None:
        self.reached = position.offset
        self._warehouse = warehouse
        self._source = source
        self._table = market_table(source)
        self._stored = KnownRows(warehouse)
        self._position = position
        self._looked_at = time.monotonic()
        self._ahead = pl.DataFrame(schema=self._table.dtypes)

    def since(self, event_time: datetime) -> pl.LazyFrame:
        """Return the rows from an event time on; earlier ones may be among them."""
        stored = self._stored.at(self._table, self._position, since=event_time)
        return pl.concat([stored, self._ahead.lazy()])

    def add(self, rows: pl.DataFrame, *, stop: int) -> None:
        """Add new rows, and advance to the landing offset that they reach."""
        self._ahead = pl.concat([self._ahead, rows])
        self.reached = stop
        self._let_go()

    def is_too_far_ahead(self) -> bool:
        """Return whether the lane must wait for the warehouse before it adds rows."""
        if self._ahead.height > _AHEAD_ROWS:
            self._let_go()
        return self._ahead.height > _AHEAD_ROWS

    def _let_go(self) -> None:
        """Drop rows that the warehouse holds by now, from time to time."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        position = self._warehouse.position(self._table)
        # The warehouse may have overtaken the lane, whose own offset stays.
        self._position = replace(position, offset=min(position.offset, self.reached))
        self._ahead = self._ahead.filter(pl.col("landing_offset") >= self._position.offset)
