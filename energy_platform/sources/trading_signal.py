"""Trading signals of the platform's own: what they expect of deliveries, or why they are silent."""

from datetime import timedelta
from typing import Any, Final

import pandera.polars as pa

from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.formats.trading_signals import trading_signals
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.sources.position import OWN_DESK

_PRICE: Final[dict[str, Any]] = {
    "nullable": True, "in_range": {"min_value": -20_000.0, "max_value": 20_000.0},
}  # fmt: skip
_POWER: Final[dict[str, Any]] = {
    "nullable": True, "in_range": {"min_value": -100_000.0, "max_value": 100_000.0},
}  # fmt: skip


class TradingSignals(DeliveryRows, lasting="PT15M PT60M"):
    """What a signal expects of a delivery, decided at its gate; or why it says nothing."""

    signal: str = pa.Field(str_matches=r"^[a-z][a-z0-9_]{1,60}$", description="Name of the signal")
    gate_at: Instant = pa.Field(description="When the delivery is decided about")
    price_q10_eur_per_mwh: float = pa.Field(**_PRICE, description="Exceeded 9 times in 10")
    price_q50_eur_per_mwh: float = pa.Field(**_PRICE, description="Exceeded every second time")
    price_q90_eur_per_mwh: float = pa.Field(**_PRICE, description="Exceeded once in 10 times")
    power_q10_mw: float = pa.Field(**_POWER, description="Exceeded 9 times in 10")
    power_q50_mw: float = pa.Field(**_POWER, description="Exceeded every second time")
    power_q90_mw: float = pa.Field(**_POWER, description="Exceeded once in 10 times")
    chance_above_pct: float = pa.Field(
        nullable=True,
        in_range={"min_value": 0.0, "max_value": 100.0},
        description="Chance that the value is above 0",
    )
    features_known_at: Instant = pa.Field(
        nullable=True, description="When the newest of the model's inputs became known"
    )
    model_version: str = pa.Field(nullable=True, description="Which model of the registry spoke")
    silent_because: str = pa.Field(
        nullable=True, description="Why nothing is said; null if something is"
    )


TRADING_SIGNAL: Final = MarketSource(
    name="trading_signal",
    provider=OWN_DESK,
    group=MarketGroup.INTRADAY,
    description="The desk's trading signals: quantiles, chance and model of each delivery.",
    feed=DropFolderFeed(),
    parse=trading_signals,
    rows=TradingSignals,
    key=("signal", "delivery_start"),
    event_time="delivery_start",
    expected_lag=timedelta(hours=2),
    terms="The desk's own",
)
