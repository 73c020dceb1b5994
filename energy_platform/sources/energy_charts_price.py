"""Day-ahead prices of European bidding zones, as Energy-Charts publishes them."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats.energy_charts import ENERGY_CHARTS, answers, period_end, series
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_URL = "https://api.energy-charts.info/price"
_ZONES = ("DE-LU", "AT", "BE", "CH", "CZ", "DK1", "FR", "HU", "NL", "PL")
_MARKET_ZONE = "Europe/Berlin"
_MARKET_TIME_UNITS = (timedelta(minutes=15), timedelta(hours=1))


class DayAheadPrice(DeliveryRows, lasting="PT15M PT60M"):
    """The price of one delivery period in one bidding zone."""

    bidding_zone: str = pa.Field(description="Bidding zone, as Energy-Charts names it")
    price_eur_per_mwh: float = pa.Field(
        in_range={"min_value": -500.0, "max_value": 5000.0}, description="Day-ahead price"
    )


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the market days that the window touches, one request per bidding zone."""
    first, last = (at.astimezone(ZoneInfo(_MARKET_ZONE)).date().isoformat() for at in (start, end))
    return [
        RestRequest(url=_URL, params={"bzn": zone, "start": first, "end": last}) for zone in _ZONES
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per delivery period; the question names the bidding zone."""
    return series([message], "price", unit="EUR / MWh").select(
        delivery_start="instant",
        delivery_end=period_end(pl.col("instant"), _MARKET_TIME_UNITS),
        bidding_zone=pl.lit(message.asked("bzn")),
        price_eur_per_mwh="value",
    )


ENERGY_CHARTS_PRICE = MarketSource(
    name="energy_charts_price",
    provider=ENERGY_CHARTS,
    group=MarketGroup.AUCTIONS,
    description="Day-ahead auction prices of ten bidding zones around Germany.",
    feed=RestFeed(
        provider=ENERGY_CHARTS,
        requests=requests,
        every=timedelta(seconds=30),
        span=timedelta(days=7),
        overlap=timedelta(hours=1),  # yesterday's corrections may appear after midnight
        ahead=timedelta(days=1),
        history_chunk=timedelta(days=31),
        answers=answers("price"),
        absent=frozenset({HTTPStatus.NOT_FOUND}),
    ),
    parse=parse,
    rows=DayAheadPrice,
    key=("bidding_zone", "delivery_start"),
    vocabularies={"bidding_zone": _ZONES},
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(12, 57), zone="Europe/Berlin"),
    terms="DE-LU and other SMARD.de zones CC BY 4.0; the rest for private and internal use only",
    context={"bzn": "DE-LU"},
)
