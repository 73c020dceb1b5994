"""Generation per production type in Europe's bidding zones, as ENTSO-E publishes it (16.1.B&C)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import entsoe
from energy_platform.formats.entsoe.codes import area, production_type
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.sources._entsoe import PER_TYPE, TOKEN, each_zone, entsoe_feed

_REALISED = "A16"
_POWER = entsoe.Document(type="A75", processes={_REALISED}, value="quantity", units=entsoe.POWER)
_COLUMNS = {
    "generates": "inBiddingZone_Domain.mRID",
    "consumes": "outBiddingZone_Domain.mRID",
    "type": "MktPSRType/psrType",
}


class Generation(DeliveryRows, lasting_as_in="resolution"):
    """The mean power of one production type in one bidding zone over one market time unit."""

    bidding_zone: str = pa.Field(description="Bidding zone, as ENTSO-E names it")
    production_type: str = pa.Field(description="Production type, as ENTSO-E names it")
    direction: str = pa.Field(description="generation, or consumption (pumping, own use)")
    resolution: str = pa.Field(description="Length of what the mean is taken over, e.g. PT15M")
    power_mw: float = pa.Field(
        ge=-10_000, le=200_000, description="Mean power, counted along the direction; rarely < 0"
    )


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the hours of the window, one request per bidding zone."""
    asked = {"documentType": "A75", "processType": _REALISED, **entsoe.window(start, end)}
    return each_zone(asked, "in_Domain")


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per production type, direction and market time unit."""
    words = {"generation": "consumes", "consumption": "generates"}  # and a series of both has none
    direction = [pl.when(pl.col(none).is_null()).then(pl.lit(word)) for word, none in words.items()]
    rows = entsoe.points(messages, _POWER, _COLUMNS, reads_question=False)
    return rows.with_columns(zone=pl.coalesce("generates", "consumes")).select(
        *("delivery_start", "delivery_end", "resolution", "refused", "landing_offset"),
        bidding_zone=area("zone"),
        production_type=production_type("type"),
        direction=pl.coalesce(direction),
        power_mw="value",
    )


ENTSOE_GENERATION = MarketSource(
    name="entsoe_generation",
    provider=entsoe.ENTSOE,
    group=MarketGroup.GRID,
    description="Generation and pumping per production type, about an hour after it was.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_POWER),
        every=timedelta(minutes=15),
        span=timedelta(hours=12),
        overlap=timedelta(hours=9),
    ),
    parse=parse,
    rows=Generation,
    key=("bidding_zone", "production_type", "direction", "resolution", "delivery_start"),
    vocabularies=PER_TYPE,
    event_time="delivery_start",
    expected_lag=timedelta(hours=3),
    terms=entsoe.TERMS,
    layouts_by=("in_Domain",),
    required_environment=(TOKEN,),
)
