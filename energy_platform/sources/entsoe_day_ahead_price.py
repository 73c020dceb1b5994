"""Day-ahead prices of Europe's bidding zones, as ENTSO-E publishes them (12.1.D)."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import entsoe
from energy_platform.formats.entsoe.codes import area
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.sources._entsoe import PER_ZONE, TOKEN, each_zone, entsoe_feed

_DAY_AHEAD = {"contract_MarketAgreement.type": "A01"}
_UNITS = {**_DAY_AHEAD, "currency_Unit.name": "EUR", "price_Measure_Unit.name": "MWH"}
_PRICES = entsoe.Document(type="A44", value="price.amount", units=_UNITS)
_COLUMNS = {
    "zone": "in_Domain.mRID",
    "other_zone": "out_Domain.mRID",
    "sequence": "classificationSequence_AttributeInstanceComponent.position",
}


class DayAheadPrice(DeliveryRows, lasting_as_in="resolution"):
    """The price of one market time unit in one auction of one bidding zone."""

    bidding_zone: str = pa.Field(description="Bidding zone, as ENTSO-E names it")
    auction_sequence: int = pa.Field(ge=1, description="1: the coupled auction; 2: EXAA's")
    resolution: str = pa.Field(description="Market time unit of the auction, e.g. PT15M")
    price_eur_per_mwh: float = pa.Field(ge=-1_000, le=10_000, description="Auction price")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the market days of the window and the one after it, one request per bidding zone."""
    asked = {"documentType": "A44", **_DAY_AHEAD, **entsoe.market_days(start, end)}
    return each_zone(asked, "in_Domain", "out_Domain")


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per market time unit and auction; a zone's only auction has no sequence."""
    only = {"sequence": "1"}
    rows = entsoe.points(messages, _PRICES, _COLUMNS, defaults=only)
    of_a_border = pl.when(pl.col("zone").ne_missing(pl.col("other_zone"))).then(
        pl.lit("prices between two areas are not those of a bidding zone")
    )
    return rows.select(
        *("delivery_start", "delivery_end", "resolution", "landing_offset"),
        refused=pl.coalesce("refused", of_a_border),
        bidding_zone=area("zone"),
        auction_sequence=pl.col("sequence").cast(pl.Int64, strict=False),
        price_eur_per_mwh="value",
    )


ENTSOE_DAY_AHEAD_PRICE = MarketSource(
    name="entsoe_day_ahead_price",
    provider=entsoe.ENTSOE,
    group=MarketGroup.AUCTIONS,
    description="Day-ahead prices of Europe's bidding zones, each auction for itself.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_PRICES),
        every=timedelta(minutes=5),
        span=timedelta(days=2),
    ),
    parse=parse,
    rows=DayAheadPrice,
    key=("bidding_zone", "auction_sequence", "resolution", "delivery_start"),
    vocabularies=PER_ZONE,
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(12, 57), zone="Europe/Brussels"),
    terms=entsoe.TERMS,
    layouts_by=("in_Domain",),
    required_environment=(TOKEN,),
)
