"""Contracts of Nord Pool Intraday: what is delivered when, and until when it is traded where."""

from datetime import timedelta
from typing import Final

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.websocket.nord_pool import NORD_POOL, TOKENS, intraday_topics
from energy_platform.formats.nord_pool_intraday import contract_states
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource

_BLOCKS: Final = " ".join(f"PT{hours}H" for hours in range(2, 25))


class ContractStates(DeliveryRows, lasting=f"PT15M PT30M PT60M {_BLOCKS}"):
    """One contract in one delivery area; the areas have gates of their own."""

    contract_id: str = pa.Field(description="Contract, as in trades and order books")
    delivery_area_id: str = pa.Field(description="Nord Pool's number of the delivery area")
    updated_at: Instant = pa.Field(description="When the contract last changed")
    published_at: Instant = pa.Field(nullable=True, description="When the message was sent")
    contract_name: str = pa.Field(nullable=True, description="The contract's name for people")
    product_type: str = pa.Field(nullable=True, description="P15MIN, P30MIN, P60MIN or a block")
    product_id: str = pa.Field(nullable=True, description="Product, as the market numbers it")
    market_id: str = pa.Field(nullable=True, description="Market that the contract belongs to")
    duration_s: float = pa.Field(gt=0, le=90_000, description="How long delivery takes")
    predefined: bool = pa.Field(nullable=True, description="Not made for a block that was ordered")
    state: str = pa.Field(
        isin=["ACTI", "HIBE", "IACT", "FRZN"],
        description="ACTI: traded; HIBE: closed, may open; IACT: expired; FRZN: frozen",
    )
    opens_at: Instant = pa.Field(description="When trading begins in the area")
    closes_at: Instant = pa.Field(description="Gate closure of the area")
    deleted: bool = pa.Field(description="The market has taken the contract out")

    @pa.dataframe_check
    @classmethod
    def lasts_as_long_as_it_says(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Delivery takes the seconds that the contract states; a block may count them by clock."""
        length = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds()
        said = pl.col("duration_s")
        by_clock = pl.when(said > 3600).then(3600).otherwise(0)  # noqa: PLR2004 (an hour)
        return data.lazyframe.select(((length - said).abs() <= by_clock).fill_null(value=True))

    @pa.dataframe_check
    @classmethod
    def closes_after_it_opens(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Trading ends after it has begun."""
        return data.lazyframe.select(
            (pl.col("closes_at") > pl.col("opens_at")).fill_null(value=True)
        )


NORD_POOL_INTRADAY_CONTRACT: Final = MarketSource(
    name="nord_pool_intraday_contract",
    provider=NORD_POOL,
    group=MarketGroup.INTRADAY,
    description="Contracts of the continuous intraday market: delivery, product, gate, state.",
    feed=intraday_topics("v1/streaming/contracts"),
    parse=contract_states,
    rows=ContractStates,
    key=("contract_id", "delivery_area_id"),
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    terms="Subscribers only; no redistribution (Nord Pool market data agreement)",
    revision="updated_at",
    hot_fields=(
        "delivery_end",
        "contract_name",
        "product_type",
        "duration_s",
        "state",
        "opens_at",
        "closes_at",
        "deleted",
    ),
    required_environment=TOKENS.required_environment,
)
