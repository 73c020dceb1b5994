"""What the dashboard reads: the hot store, the warehouse, the live bus and the market's clock.

The hot store has what is newest, and the warehouse knows where each row came from. Messages that
the warehouse does not have yet are read from the landing zone for that.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import polars as pl

from energy_platform.errors import (
    HotLaneWaitsError,
    TooManyRowsError,
    WarehouseUnavailableError,
)
from energy_platform.market.instants import INSTANT
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.operations.status import market_clock
from energy_platform.pipeline.hot_copy import hot_points
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_live_bus, open_micro_batches
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.settings import Settings
from energy_platform.storage.live_bus.protocol import LiveBus

_log = logging.getLogger(__name__)

_NAMED_TIMES: Final = 500
"""Up to this many times are looked up one by one in the warehouse, more as one span."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one home.

    Attributes:
        settings: The home's settings.
        batches: Its stores.
        bus: Its live bus.
    """

    settings: Settings
    batches: MicroBatches
    bus: LiveBus

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the stores that these settings name."""
        return cls(settings, open_micro_batches(settings), open_live_bus(settings))

    def now(self) -> datetime:
        """Return market time."""
        return market_clock(self.settings).now()

    def reached(self, source: MarketSource) -> int:
        """Return the landing offset up to which the hot store shows a source.

        Raises:
            HotStoreUnavailableError: The hot store does not answer.
        """
        return self.batches.hot_copies.reached(source)

    def latest(self, source: MarketSource) -> pl.DataFrame:
        """Return the hot point of each series that holds now, with its origin.

        A series that only has points of the future is left out.

        Raises:
            HotStoreUnavailableError: The hot store does not answer.
        """
        newest = self.batches.hot_store.latest(measurement(source), at=self.now())
        return self.with_origin(source, newest)

    def points(self, source: MarketSource, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the hot points with start <= time < end, with their origin.

        Raises:
            HotStoreUnavailableError: The hot store does not answer.
        """
        points = self.batches.hot_store.read(measurement(source), start=start, end=end)
        return self.with_origin(source, points)

    def with_origin(self, source: MarketSource, points: pl.DataFrame) -> pl.DataFrame:
        """Return hot points with `received_at` and `landing_offset`; null if not known yet."""
        try:
            stored = self._rows_beside(source, points)
            told = _with_origin(source, points, stored)
            if told["landing_offset"].has_nulls():
                newer = self._rows_to_come(source, points)
                told = _with_origin(source, points, pl.concat([stored, newer]))
        except (WarehouseUnavailableError, HotLaneWaitsError, TooManyRowsError) as error:
            _log.warning("%s: where its rows came from is not known: %s", source.name, error)
            unknown = {"received_at": INSTANT, "landing_offset": pl.Int64()}
            return points.with_columns(
                pl.lit(None, dtype=dtype).alias(name) for name, dtype in unknown.items()
            )
        return told

    def _rows_beside(self, source: MarketSource, points: pl.DataFrame) -> pl.DataFrame:
        """Return the warehouse's rows of the points' times, every revision."""
        rows = self.batches.warehouse.scan(market_table(source))
        return rows.filter(_is_of(source, points)).collect()

    def _rows_to_come(self, source: MarketSource, points: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of these times that have landed and are not in the warehouse yet."""
        position = self.batches.warehouse.position(market_table(source))
        return missed_rows(self.batches, source, position.offset, where=_is_of(source, points))


def _is_of(source: MarketSource, points: pl.DataFrame) -> pl.Expr:
    """Return whether a row is of the time of a point."""
    times: list[datetime] = points[source.event_time].unique().sort().to_list()
    time = pl.col(source.event_time)
    if not times:
        return pl.lit(value=False)
    is_within = time.is_between(times[0], times[-1])
    return is_within & time.is_in(times) if len(times) <= _NAMED_TIMES else is_within


def _with_origin(source: MarketSource, points: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return hot points with the provenance of the rows that say the same."""
    said = [*source.tags, source.event_time, *source.fields]
    origin = hot_points(source, rows).select(
        *(pl.col(tag).cast(pl.String).fill_null("") for tag in source.tags),
        *(pl.col(name).cast(points.schema[name]) for name in (source.event_time, *source.fields)),
        *PROVENANCE_COLUMNS,
    )
    return points.join(origin, on=said, how="left", nulls_equal=True, maintain_order="left").select(
        *said, *PROVENANCE_COLUMNS
    )
