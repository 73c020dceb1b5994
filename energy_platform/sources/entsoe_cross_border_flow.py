"""Physical flows over Europe's borders, as ENTSO-E publishes them (12.1.G)."""

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
from energy_platform.sources._entsoe import (
    DIRECTION,
    PER_BORDER,
    TOKEN,
    each_direction,
    entsoe_feed,
)

_FLOW = entsoe.Document(type="A11", value="quantity", units=entsoe.POWER)


class CrossBorderFlow(DeliveryRows, lasting_as_in="resolution"):
    """The mean flow over one border in one direction; the other direction has its own row."""

    from_zone: str = pa.Field(description="Area that the power leaves, as ENTSO-E names it")
    to_zone: str = pa.Field(description="Area that the power enters")
    resolution: str = pa.Field(description="Length of what the mean is taken over, e.g. PT60M")
    flow_mw: float = pa.Field(ge=0, le=50_000, description="Mean physical flow, not netted")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the hours of the window, one request per border and direction."""
    return each_direction({"documentType": "A11", **entsoe.window(start, end)})


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per market time unit."""
    return entsoe.points(messages, _FLOW, DIRECTION).select(
        *("delivery_start", "delivery_end", "resolution", "refused", "landing_offset"),
        from_zone=area("from"),
        to_zone=area("to"),
        flow_mw="value",
    )


ENTSOE_CROSS_BORDER_FLOW = MarketSource(
    name="entsoe_cross_border_flow",
    provider=entsoe.ENTSOE,
    group=MarketGroup.GRID,
    description="Physical flows over Europe's borders, each direction for itself.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_FLOW),
        every=timedelta(minutes=30),
        span=timedelta(days=1),
        overlap=timedelta(hours=12),
    ),
    parse=parse,
    rows=CrossBorderFlow,
    key=("from_zone", "to_zone", "resolution", "delivery_start"),
    vocabularies=PER_BORDER,
    event_time="delivery_start",
    expected_lag=timedelta(hours=4),
    terms=entsoe.TERMS,
    required_environment=(TOKEN,),
)
