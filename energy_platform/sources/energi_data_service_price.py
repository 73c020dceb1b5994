"""Day-ahead prices of Denmark and its neighbours, as Energi Data Service publishes them."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import FieldType, records
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

ENERGI_DATA_SERVICE = Provider(name="Energi Data Service", rates=(Rate(1, timedelta(seconds=5)),))

_URL = "https://api.energidataservice.dk/dataset/DayAheadPrices"
_MARKET_ZONE = "Europe/Copenhagen"
_FIELDS: dict[str, FieldType] = {
    "TimeUTC": INSTANT, "PriceArea": pl.String, "DayAheadPriceEUR": pl.Float64,
}  # fmt: skip


class DayAheadPrice(DeliveryRows):
    """The price of one quarter-hour in one price area."""

    bidding_zone: str = pa.Field(
        str_matches=r"^[A-Z]{2}\d?$", description="Price area as the service names it; DE is DE-LU"
    )
    price_eur_per_mwh: float = pa.Field(
        in_range={"min_value": -500.0, "max_value": 5_000.0}, description="Day-ahead price"
    )


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the Danish days that the window touches, in the service's local time."""
    first, last = (at.astimezone(ZoneInfo(_MARKET_ZONE)).date() for at in (start, end))
    window = {"start": f"{first}", "end": f"{last + timedelta(days=1)}"}
    return [RestRequest(url=_URL, params={**window, "limit": "0"})]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per price area and quarter-hour; the dataset begins with the quarter-hours."""
    return records(message.body, _FIELDS, path=["records"]).select(
        delivery_start="TimeUTC",
        delivery_end=pl.col("TimeUTC") + timedelta(minutes=15),
        bidding_zone="PriceArea",
        price_eur_per_mwh="DayAheadPriceEUR",
    )


ENERGI_DATA_SERVICE_PRICE = MarketSource(
    name="energi_data_service_price",
    provider=ENERGI_DATA_SERVICE,
    group=MarketGroup.AUCTIONS,
    description="Day-ahead prices of Denmark's price areas and their neighbours, in quarter-hours.",
    feed=RestFeed(
        provider=ENERGI_DATA_SERVICE, requests=requests,
        answers=json_form("records", records="records", having=("TimeUTC",)),
        every=timedelta(minutes=5), span=timedelta(days=3), overlap=timedelta(days=1),
        ahead=timedelta(days=1), history_chunk=timedelta(days=31),
    ),
    parse=parse,
    rows=DayAheadPrice,
    key=("bidding_zone", "delivery_start"),
    vocabularies={"bidding_zone": ("DE", "DK1", "DK2", "NO2", "SE3", "SE4")},
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(13), zone=_MARKET_ZONE),
    terms="Free to use with attribution to Energinet",
)  # fmt: skip
