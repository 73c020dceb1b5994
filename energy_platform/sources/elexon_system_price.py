"""Imbalance prices of Great Britain, one per settlement period, as Elexon publishes them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import elexon
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._elexon import elexon_feed

_START = elexon.settlement_start(pl.col("settlement_date"), pl.col("settlement_period"))
_RANGE = {"min_value": -10_000.0, "max_value": 20_000.0}


class SystemPrice(DeliveryRows, lasting="PT30M"):
    """The price of imbalance in one settlement period, and the system's imbalance."""

    settlement_date: str = pa.Field(description="Day of London time, e.g. 2026-05-06")
    settlement_period: int = pa.Field(description="Number within the day: to 46, 48 or 50")
    system_sell_price_gbp_per_mwh: float = pa.Field(in_range=_RANGE, description="Paid for surplus")
    system_buy_price_gbp_per_mwh: float = pa.Field(in_range=_RANGE, description="Paid for deficit")
    net_imbalance_volume_mwh: float = pa.Field(nullable=True, description="Positive where short")
    price_derivation_code: str = pa.Field(nullable=True, description="How the price came about")
    published_at: Instant = pa.Field(nullable=True, description="When Elexon worked it out")

    @pa.dataframe_check
    @classmethod
    def starts_with_its_settlement_period(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Each period's number gives its start on London's clock; a day has no other periods."""
        return data.lazyframe.select(_START.eq_missing(pl.col("delivery_start")))


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the settlement days that the window touches, one request each."""
    return [RestRequest(url=f"{elexon.PRICES}/{day}") for day in elexon.settlement_days(start, end)]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per settlement period, without adjustments and parts of the volume."""
    rows = elexon.dataset(
        message.body,
        delivery_start="startTime",
        settlement_date="settlementDate",
        settlement_period="settlementPeriod",
        system_sell_price_gbp_per_mwh="systemSellPrice",
        system_buy_price_gbp_per_mwh="systemBuyPrice",
        net_imbalance_volume_mwh="netImbalanceVolume",
        price_derivation_code="priceDerivationCode",
        published_at="createdDateTime",
    ).with_columns(pl.col("delivery_start").fill_null(_START))
    return rows.with_columns(delivery_end=pl.col("delivery_start") + timedelta(minutes=30))


ELEXON_SYSTEM_PRICE = MarketSource(
    name="elexon_system_price",
    provider=elexon.ELEXON,
    group=MarketGroup.GRID,
    description="Imbalance prices of Great Britain: system sell and system buy price.",
    feed=elexon_feed(
        requests=requests,
        every=timedelta(minutes=5),
        span=timedelta(days=8),
        overlap=timedelta(days=7),
        history_chunk=timedelta(days=7),
        answers=elexon.answers("systemSellPrice"),
    ),
    parse=parse,
    rows=SystemPrice,
    key=("delivery_start",),
    event_time="delivery_start",
    revision="published_at",
    expected_lag=timedelta(hours=2),
    terms=elexon.TERMS,
)
