"""Positions of the desk's own portfolios, as its people and programs hand them in."""

from datetime import timedelta
from typing import Final

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.formats.entsoe.codes import BIDDING_ZONES
from energy_platform.formats.positions import positions
from energy_platform.market.market_time_units import ANY
from energy_platform.market.provider import Provider
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource

OWN_DESK: Final = Provider(name="The desk itself")

_AREAS: Final = (*BIDDING_ZONES, "GB", "50Hz", "AMP", "TTG", "TBW")
_QUARTER: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(hours=25)
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]{1,120}$"


class Positions(DeliveryRows, lasting=ANY):
    """What a portfolio buys or generates (+), sells or consumes (-) under one name."""

    portfolio: str = pa.Field(
        str_matches=r"^[^\x00-\x1f\x7f*|:,]{1,80}$", description="Portfolio whose position it is"
    )
    area: str = pa.Field(
        isin=_AREAS,
        description="Bidding zone, or German control area, of the delivery",
    )
    kind: str = pa.Field(
        isin=["schedule", "contract", "generation_forecast", "load_forecast"],
        description="What the power is: nominated, traded, or expected",
    )
    name: str = pa.Field(str_matches=_PRINTABLE, description="Park, counterparty or contract")
    power_mw: float = pa.Field(
        in_range={"min_value": -50_000.0, "max_value": 50_000.0},
        description="Mean power: + is bought or generated, - is sold or consumed",
    )
    changed_by: str = pa.Field(str_matches=_PRINTABLE, description="Who stated it last")

    @pa.dataframe_check
    @classmethod
    def lasts_quarter_hours_of_one_day(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A position holds for whole quarter-hours, for a day at most (25 hours in autumn)."""
        length = pl.col("delivery_end") - pl.col("delivery_start")
        starts = pl.col("delivery_start").dt.truncate(_QUARTER) == pl.col("delivery_start")
        ends = pl.col("delivery_end").dt.truncate(_QUARTER) == pl.col("delivery_end")
        fits = starts & ends & (length <= _LONGEST)
        return data.lazyframe.select(
            pl.all_horizontal(pl.lit(value=True), fits.fill_null(value=True))
        )


POSITION: Final = MarketSource(
    name="position",
    provider=OWN_DESK,
    group=MarketGroup.INTRADAY,
    description="Positions of the desk's portfolios: schedules, contracts, forecasts of own parks.",
    feed=DropFolderFeed(),
    parse=positions,
    rows=Positions,
    key=("portfolio", "area", "kind", "name", "delivery_start"),
    event_time="delivery_start",
    expected_lag=timedelta(days=7),
    terms="The desk's own; shown to those who may see the portfolio",
    hot_fields=("power_mw", "delivery_end", "changed_by"),
    context={"sender": "alice"},
    entitlement="portfolio",
)
