"""Gas at Europe's transmission points by the hour: flows, nominations, allocations and quality."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.http import HttpLimits
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats import entsog
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_FLOW: dict[str, Any] = {"in_range": {"min_value": -1e11, "max_value": 1e11}, "nullable": True}


class GasFlow(DeliveryRows, lasting_as_in="period_type"):
    """One indicator at one side of a point, in the unit in which its operator reports it."""

    indicator: str = pa.Field(description="What is reported, e.g. Physical Flow or Nomination")
    period_type: str = pa.Field(isin=["hour", "day"], description="Hour or gas day")
    operator_key: str = pa.Field(description="Operator that reports, e.g. DE-TSO-0001")
    point_key: str = pa.Field(description="Point, e.g. ITP-00096")
    direction: str = pa.Field(isin=["entry", "exit"], description="Into or out of its network")
    energy_flow_kwh_per_h: float = pa.Field(**_FLOW, description="Energy per hour")
    energy_flow_kwh_per_d: float = pa.Field(**_FLOW, description="Energy per gas day")
    calorific_value_kwh_per_nm3: float = pa.Field(ge=0, le=20, nullable=True, description="GCV")
    flow_status: str = pa.Field(nullable=True, description="Provisional, later Confirmed")
    published_at: Instant = pa.Field(nullable=True, description="When it was last changed")

    @pa.dataframe_check
    @classmethod
    def unit_is_known(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A row has a value in one of the known units."""
        return data.lazyframe.select(pl.any_horizontal(entsog.VALUES.is_not_null()))


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the gas days that the window touches, one indicator at a time."""
    return [
        RestRequest(url=entsog.URL, params={"from": d, "to": d, "indicator": i, **entsog.HOURLY})
        for d in map(str, entsog.gas_days(start, end))
        for i in entsog.INDICATORS
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per record that holds a value."""
    return entsog.values_by_unit(message.body)


ENTSOG_FLOW = MarketSource(
    name="entsog_flow",
    provider=entsog.ENTSOG,
    group=MarketGroup.GAS,
    description="Hourly gas flows, nominations and allocations at Europe's transmission points.",
    feed=RestFeed(
        provider=entsog.ENTSOG,
        requests=requests,
        every=timedelta(hours=1),
        span=timedelta(hours=25),
        overlap=timedelta(hours=24),
        history_chunk=timedelta(days=7),
        is_answer=entsog.is_answer,
        answers=entsog.ANSWER,
        limits=HttpLimits(timeout=timedelta(seconds=90), max_body_bytes=1 << 26),
    ),
    parse=parse,
    rows=GasFlow,
    key=("indicator", "period_type", "operator_key", "point_key", "direction", "delivery_start"),
    vocabularies={"indicator": entsog.INDICATORS},
    event_time="delivery_start",
    revision="published_at",
    expected_lag=timedelta(hours=4),
    terms="ENTSOG's terms of use: free to use, with attribution",
)
