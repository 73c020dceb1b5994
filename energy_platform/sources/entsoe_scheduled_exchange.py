"""Scheduled commercial exchanges over Europe's borders, as ENTSO-E publishes them (12.1.F)."""

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
from energy_platform.sources._entsoe import (
    DIRECTION,
    PER_BORDER,
    TOKEN,
    each_direction,
    entsoe_feed,
)

_EXCHANGE = entsoe.Document(type="A09", value="quantity", units=entsoe.POWER)
_COLUMNS = {**DIRECTION, "contract": "contract_MarketAgreement.type"}
_TOTAL = "A05"
_CONTRACTS = {"A01": "Day-ahead", _TOTAL: "Total"}


class ScheduledExchange(DeliveryRows, lasting_as_in="resolution"):
    """The scheduled exchange over one border in one direction, all contracts together."""

    from_zone: str = pa.Field(description="Area that sells, as ENTSO-E names it")
    to_zone: str = pa.Field(description="Area that buys")
    contract: str = pa.Field(isin=list(_CONTRACTS.values()), description="What is counted")
    resolution: str = pa.Field(description="Length of a period of the schedule, e.g. PT15M")
    exchange_mw: float = pa.Field(ge=0, le=50_000, description="Scheduled exchange, not netted")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the market days of the window and the one after it, per border and direction."""
    asked = {"documentType": "A09", "contract_MarketAgreement.Type": _TOTAL}
    return each_direction({**asked, **entsoe.market_days(start, end)})


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per market time unit."""
    rows = entsoe.points(messages, _EXCHANGE, _COLUMNS)
    return rows.select(
        *("delivery_start", "delivery_end", "resolution", "refused", "landing_offset"),
        from_zone=area("from"),
        to_zone=area("to"),
        contract=pl.col("contract").replace(_CONTRACTS),
        exchange_mw="value",
    )


ENTSOE_SCHEDULED_EXCHANGE = MarketSource(
    name="entsoe_scheduled_exchange",
    provider=entsoe.ENTSOE,
    group=MarketGroup.GRID,
    description="Scheduled commercial exchanges over Europe's borders, each direction for itself.",
    feed=entsoe_feed(
        requests=requests,
        answers=entsoe.answers(_EXCHANGE),
        every=timedelta(hours=1),
        span=timedelta(days=2),
    ),
    parse=parse,
    rows=ScheduledExchange,
    key=("from_zone", "to_zone", "contract", "resolution", "delivery_start"),
    vocabularies=PER_BORDER,
    event_time="delivery_start",
    expected_lag=timedelta(hours=2),
    publication=DailyPublication(at=time(16), zone="Europe/Brussels"),
    terms=entsoe.TERMS,
    required_environment=(TOKEN,),
)
