"""Forecasts of wind and solar power in Europe's bidding zones, as ENTSO-E has them (14.1.D)."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import entsoe
from energy_platform.formats.entsoe.codes import FORECAST_PROCESSES, area, production_type
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.sources._entsoe import FORECASTS_KNOWN, PER_ZONE, TOKEN, each_zone, entsoe_feed

_FORECAST = entsoe.Document(
    type="A69", processes=FORECAST_PROCESSES, value="quantity", units=entsoe.POWER
)
_TYPES = ("Solar", "Wind Offshore", "Wind Onshore")
_COLUMNS = {"zone": "inBiddingZone_Domain.mRID", "type": "MktPSRType/psrType"}


class WindSolarForecast(DeliveryRows, lasting_as_in="resolution"):
    """The expected power of one production type over one market time unit."""

    bidding_zone: str = pa.Field(description="Bidding zone, as ENTSO-E names it")
    production_type: str = pa.Field(description="Solar, Wind Onshore or Wind Offshore")
    forecast: str = pa.Field(description="Which one: Day ahead, Intraday (at 8:00), or Current")
    resolution: str = pa.Field(description="Length of what the mean is taken over, e.g. PT15M")
    power_mw: float = pa.Field(ge=-10_000, le=200_000, description="Mean power, as forecast")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the market days of the window and the one after it, per bidding zone and process."""
    asked = {"documentType": "A69", **entsoe.market_days(start, end)}
    return [
        request
        for process in FORECAST_PROCESSES
        for request in each_zone({**asked, "processType": process}, "in_Domain")
    ]


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per production type and market time unit."""
    rows = entsoe.points(messages, _FORECAST, _COLUMNS, asked_as={"zone": "in_Domain"})
    return rows.select(
        *("delivery_start", "delivery_end", "resolution", "refused", "landing_offset"),
        bidding_zone=area("zone"),
        production_type=production_type("type"),
        forecast=pl.col("process").replace_strict(FORECAST_PROCESSES),
        power_mw="value",
    )


ENTSOE_WIND_SOLAR_FORECAST = MarketSource(
    name="entsoe_wind_solar_forecast",
    provider=entsoe.ENTSOE,
    group=MarketGroup.GRID,
    description="Wind and solar power as forecast the day before, intraday, and currently.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_FORECAST),
        every=timedelta(minutes=30),
        span=timedelta(hours=12),
    ),
    parse=parse,
    rows=WindSolarForecast,
    key=("bidding_zone", "production_type", "forecast", "resolution", "delivery_start"),
    vocabularies={**PER_ZONE, "production_type": _TYPES},
    event_time="delivery_start",
    expected_lag=timedelta(hours=2),
    knowable=FORECASTS_KNOWN,
    publication=DailyPublication(at=time(18), zone="Europe/Brussels"),
    terms=entsoe.TERMS,
    required_environment=(TOKEN,),
)
