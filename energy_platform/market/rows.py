"""The columns that every market table has, as pandera models that a source extends.

A source's table is one model: column names carry the unit, fields the checks and the description.
The catalogue, the checks and the stores derive all that they say of a column from the model.
"""

from __future__ import annotations

from typing import Annotated, Final

import pandera.polars as pa
import polars as pl
from polars import selectors

from energy_platform.market import market_time_units
from energy_platform.market.instants import OUR_TIME

Instant = Annotated[pl.Datetime, "us", "UTC"]
"""`INSTANT`, for the annotations of a pandera model."""

REFUSED: Final = "refused"
"""A column that a parser may add to its rows: why a part of a message is no row of this table.

The column is null in a row. A refused part goes to quarantine with this reason and the values of
its other columns; the parts beside it go through.
"""


class MarketRows(pa.DataFrameModel):
    """The columns of every market table: where a row came from and when we knew it."""

    class Config:
        """A column that the model does not name is an error."""

        strict = True

    received_at: Instant = pa.Field(description="When the platform knew the row")
    landing_offset: int = pa.Field(
        ge=0, description="Address of the row's message in the landing log"
    )

    @pa.dataframe_check
    @classmethod
    def numbers_are_finite(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """NaN and infinity are not market values; a missing value is null."""
        return data.lazyframe.select(
            pl.all_horizontal(
                pl.lit(value=True), selectors.float().is_finite().fill_null(value=True)
            )
        )

    @pa.dataframe_check
    @classmethod
    def instants_are_of_our_time(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A mistaken unit gives years that no calendar has and no store reads back."""
        instants = selectors.datetime().is_between(*OUR_TIME).fill_null(value=True)
        return data.lazyframe.select(pl.all_horizontal(pl.lit(value=True), instants))


class DeliveryRows(MarketRows):
    """Values that hold for a delivery period, its end excluded.

    A table says how long its periods are: `class Load(DeliveryRows, lasting="PT15M PT60M")`, or
    `lasting_as_in="resolution"` if a column says it.
    """

    _is_one_market_time_unit = market_time_units.lasting(market_time_units.USUAL)

    @classmethod
    def __init_subclass__(
        cls, *, lasting: str | None = None, lasting_as_in: str | None = None, **settings: object
    ) -> None:
        """Keep the market time units of a table."""
        if lasting is not None:
            cls._is_one_market_time_unit = market_time_units.lasting(lasting)
        if lasting_as_in is not None:
            cls._is_one_market_time_unit = market_time_units.lasting_as_in(lasting_as_in)
        super().__init_subclass__(**settings)  # type: ignore[no-untyped-call]

    delivery_start: Instant = pa.Field(description="Start of the delivery period")
    delivery_end: Instant = pa.Field(description="End of the delivery period")

    @pa.dataframe_check
    @classmethod
    def delivery_ends_after_it_starts(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A delivery period ends after its start."""
        return data.lazyframe.select(pl.col("delivery_end") > pl.col("delivery_start"))

    @pa.dataframe_check
    @classmethod
    def lasts_one_market_time_unit(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The market trades or measures only periods of its market time units."""
        # If the start or the end is missing, the column's own check says so.
        return data.lazyframe.select(
            pl.all_horizontal(
                pl.lit(value=True), cls._is_one_market_time_unit.fill_null(value=True)
            )
        )


class InstantRows(MarketRows):
    """Values measured, or events that happened, at one instant."""

    observed_at: Instant = pa.Field(description="When it was measured or happened")


class ForecastRows(MarketRows):
    """Values that a model run expects at a later instant."""

    run_at: Instant = pa.Field(description="Reference time of the model run")
    valid_at: Instant = pa.Field(description="Instant that the forecast is for")

    @pa.dataframe_check
    @classmethod
    def forecast_looks_ahead(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A forecast is never for an instant before its run."""
        return data.lazyframe.select(pl.col("valid_at") >= pl.col("run_at"))
