"""Public trades of Nord Pool Intraday, leg by leg."""

from datetime import timedelta
from typing import Final

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.websocket.nord_pool import NORD_POOL, TOKENS, intraday_topics
from energy_platform.formats.nord_pool_intraday import trade_legs
from energy_platform.market.quantity import Quantity
from energy_platform.market.rows import Instant, InstantRows
from energy_platform.market.source import MarketGroup, MarketSource


class TradeLegs(InstantRows):
    """One leg of a trade; `observed_at` is when it was made. For volumes use one side only."""

    trade_id: str = pa.Field(description="Trade")
    contract_id: str = pa.Field(description="Contract, as in the contracts topic")
    side: str = pa.Field(isin=["BUY", "SELL"], description="Side of the leg")
    delivery_area_id: str = pa.Field(description="Nord Pool's number of the leg's delivery area")
    revision_no: int = pa.Field(ge=0, description="Revision of the trade")
    updated_at: Instant = pa.Field(nullable=True, description="When the trade last changed")
    published_at: Instant = pa.Field(nullable=True, description="When the message was sent")
    contract_name: str = pa.Field(nullable=True, description="The contract's name for people")
    state: str = pa.Field(
        isin=["COMPLETED", "CANCELLED", "DISPUTED", "NOT_CANCELLED"], description="State"
    )
    price_eur_per_mwh: float = pa.Field(nullable=True, description="Price of a trade in EUR")
    price_gbp_per_mwh: float = pa.Field(nullable=True, description="Price of a trade in GBP")
    volume_mw: float = pa.Field(gt=0, description="Traded volume")
    is_aggressor: bool = pa.Field(nullable=True, description="The leg that hit the other")
    deleted: bool = pa.Field(description="No longer shown by the market, being old")

    @pa.dataframe_check
    @classmethod
    def has_a_price(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A trade has a price in a currency with a column."""
        price = pl.coalesce("price_eur_per_mwh", "price_gbp_per_mwh")
        return data.lazyframe.select(price.is_between(-9_999.99, 9_999.99).fill_null(False))


NORD_POOL_INTRADAY_TRADE: Final = MarketSource(
    name="nord_pool_intraday_trade",
    provider=NORD_POOL,
    group=MarketGroup.INTRADAY,
    description="Trades of the continuous intraday market as the public ticker shows them.",
    feed=intraday_topics("v2/streaming/ticker"),
    parse=trade_legs,
    rows=TradeLegs,
    key=("trade_id", "contract_id", "side", "delivery_area_id"),
    event_time="observed_at",
    quantities={"volume_mw": Quantity.VOLUME},
    expected_lag=timedelta(minutes=5),
    terms="Subscribers only; no redistribution (Nord Pool market data agreement)",
    revision="revision_no",
    hot_tags=("contract_id", "side", "delivery_area_id", "trade_id"),
    hot_fields=(
        "price_eur_per_mwh",
        "price_gbp_per_mwh",
        "volume_mw",
        "revision_no",
        "state",
        "contract_name",
        "is_aggressor",
        "deleted",
    ),
    required_environment=TOKENS.required_environment,
)
