"""Day-ahead prices and volumes of the Czech market, as OTE publishes them."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import soap_form
from energy_platform.feeds.soap import SoapRequest
from energy_platform.formats.ote import OTE, items, market_days
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._ote import ote_feed

_OPERATION = "GetDamPricePeriodE"
_PRICE_RANGE = {"min_value": -500.0, "max_value": 5000.0}


class DayAheadPrice(DeliveryRows, lasting="PT15M PT60M"):
    """The result of the day-ahead auction for one delivery period."""

    price_eur_per_mwh: float = pa.Field(in_range=_PRICE_RANGE, description="Auction price")
    hourly_price_eur_per_mwh: float = pa.Field(
        in_range=_PRICE_RANGE, nullable=True, description="Mean price of the hour"
    )
    volume_mwh: float = pa.Field(ge=0, le=100_000, nullable=True, description="Energy traded")
    emergency_state: str = pa.Field(nullable=True, description="Set when the market was disturbed")


def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
    """Ask for the market days that the window touches."""
    return [
        SoapRequest(
            operation=_OPERATION,
            parameters={"StartDate": f"{first}", "EndDate": f"{last}", "PeriodResolution": "PT15M"},
        )
        for first, last in market_days(start, end)
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per delivery period: a quarter of an hour, or an hour in older replies."""
    return items(
        message.body,
        _OPERATION,
        numbers={
            "price_eur_per_mwh": "Price",
            "hourly_price_eur_per_mwh": "HourlyPrice",
            "volume_mwh": "VolumeTotal",
        },
        texts={"emergency_state": "EmergencyState"},
    )


OTE_DAY_AHEAD_PRICE = MarketSource(
    name="ote_day_ahead_price",
    provider=OTE,
    group=MarketGroup.AUCTIONS,
    description="Prices and volumes of the Czech day-ahead auction, per quarter of an hour.",
    feed=ote_feed(
        requests=requests,
        answers=soap_form(_OPERATION),
        every=timedelta(seconds=30),
        overlap=timedelta(hours=1),  # yesterday's corrections may appear after midnight
    ),
    parse=parse,
    rows=DayAheadPrice,
    key=("delivery_start",),
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(12, 57), zone="Europe/Prague"),
    terms="Own use; publishing needs OTE's written consent",
)
