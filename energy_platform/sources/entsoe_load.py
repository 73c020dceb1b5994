"""Total load of Europe's bidding zones, as ENTSO-E publishes it (6.1.A)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import entsoe
from energy_platform.formats.entsoe.codes import area
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.sources._entsoe import PER_ZONE, TOKEN, each_zone, entsoe_feed

_REALISED = "A16"
_LOAD = entsoe.Document(type="A65", processes={_REALISED}, value="quantity", units=entsoe.POWER)
_COLUMNS = {"zone": "outBiddingZone_Domain.mRID"}


class Load(DeliveryRows, lasting_as_in="resolution"):
    """The mean load of one bidding zone over one market time unit."""

    bidding_zone: str = pa.Field(description="Bidding zone, as ENTSO-E names it")
    resolution: str = pa.Field(description="Length of what the mean is taken over, e.g. PT15M")
    load_mw: float = pa.Field(ge=-10_000, le=200_000, description="Mean total load")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the hours of the window, one request per bidding zone."""
    asked = {"documentType": "A65", "processType": _REALISED, **entsoe.window(start, end)}
    return each_zone(asked, "outBiddingZone_Domain")


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per market time unit."""
    rows = entsoe.points(messages, _LOAD, _COLUMNS)
    return rows.select(
        *("delivery_start", "delivery_end", "resolution", "refused", "landing_offset"),
        bidding_zone=area("zone"),
        load_mw="value",
    )


ENTSOE_LOAD = MarketSource(
    name="entsoe_load",
    provider=entsoe.ENTSOE,
    group=MarketGroup.GRID,
    description="Total load of Europe's bidding zones, about an hour after it was.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_LOAD),
        every=timedelta(minutes=15),
        span=timedelta(days=1),
        overlap=timedelta(hours=12),
    ),
    parse=parse,
    rows=Load,
    key=("bidding_zone", "resolution", "delivery_start"),
    vocabularies=PER_ZONE,
    event_time="delivery_start",
    expected_lag=timedelta(hours=3),
    terms=entsoe.TERMS,
    required_environment=(TOKEN,),
)
