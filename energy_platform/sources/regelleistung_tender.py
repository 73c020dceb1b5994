"""Bids for Germany's control reserve, as regelleistung.net publishes them without names."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats import regelleistung as rl
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_PRICE: dict[str, Any] = {"in_range": {"min_value": -1e5, "max_value": 1e5}, "nullable": True}
_CAPACITY: dict[str, Any] = {"in_range": {"min_value": 0, "max_value": 1e4}, "nullable": True}


class Bid(DeliveryRows, lasting="PT15M PT4H P1D"):
    """One bid of a tender, and its outcome."""

    market: str = pa.Field(isin=["CAPACITY", "ENERGY"], description="What is tendered")
    reserve_type: str = pa.Field(isin=["FCR", "aFRR", "mFRR"], description="Kind of reserve")
    product: str = pa.Field(description="Direction and local hours, or number of the quarter-hour")
    bid_rank: int = pa.Field(ge=1, description="Place in the product's list of bids")
    country: str = pa.Field(nullable=True, description="Where the bidder's plant is")
    capacity_price_eur_per_mw: float = pa.Field(**_PRICE, description="For the whole period (FCR)")
    capacity_price_eur_per_mw_per_h: float = pa.Field(**_PRICE, description="For each hour")
    energy_price_eur_per_mwh: float = pa.Field(**_PRICE, description="As bid, whoever pays it")
    payment_direction: str = pa.Field(nullable=True, description="Who pays the energy price")
    offered_mw: float = pa.Field(**_CAPACITY, description="Capacity offered")
    allocated_mw: float = pa.Field(**_CAPACITY, description="Capacity accepted")
    note: str = pa.Field(nullable=True, description="The provider's remark")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for each list of bids on the days that the window touches."""
    return [
        RestRequest(url=rl.URL, params={"date": f"{day}", "exportFormat": "xlsx", **one})
        for day in rl.days(start, end)
        for one in rl.LISTS
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per bid."""
    market, reserve_type = message.asked("market"), message.asked("productTypes")
    return rl.bids(message.body, market=market, reserve_type=reserve_type)


REGELLEISTUNG_TENDER = MarketSource(
    name="regelleistung_tender",
    provider=rl.REGELLEISTUNG,
    group=MarketGroup.AUCTIONS,
    description="Anonymous bids for Germany's control reserve: FCR, aFRR and mFRR, both markets.",
    feed=RestFeed(
        provider=rl.REGELLEISTUNG,
        requests=requests,
        every=timedelta(minutes=15),
        span=timedelta(days=2, hours=1),
        overlap=timedelta(days=1),
        ahead=timedelta(days=1),
        history_chunk=timedelta(days=1),
        absent=rl.NOTHING_YET,
        answers=rl.ANSWER,
    ),
    parse=parse,
    rows=Bid,
    key=("market", "reserve_type", "product", "delivery_start", "bid_rank"),
    whole_list=rl.DAY_LIST,
    event_time="delivery_start",
    expected_lag=timedelta(hours=2),
    publication=rl.PUBLICATION,
    knowable=rl.KNOWABLE,
    terms="Free to read; publishing needs the transmission system operators' consent",
    context={"market": "CAPACITY", "productTypes": "FCR"},
    layouts_by=("market", "productTypes"),
)
