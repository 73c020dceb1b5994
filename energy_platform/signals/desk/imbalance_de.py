"""Whether the German grid will lack power an hour from now, quarter-hour by quarter-hour.

Its money is a measure, no advice: who is responsible for a balance in Germany must keep it, and may
not speculate on the imbalance price.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from energy_platform.signals.gate import DELIVERY, Gate
from energy_platform.signals.german_market import (
    BALANCE,
    HOUR,
    IMBALANCE_PRICE,
    LOAD_FORECAST,
    LOAD_SURPRISE,
    QUARTER,
    ZONE,
    hourly_trades,
)
from energy_platform.signals.histories import Reader
from energy_platform.signals.inputs import AtLag, Input, Newest
from energy_platform.signals.outcome import SCHEMA
from energy_platform.signals.recipes import LINEAR
from energy_platform.signals.signal import Signal

_GATE: Final = Gate(HOUR)
_LOCAL_HOUR: Final = (
    DELIVERY.dt.convert_time_zone(ZONE).dt.hour() * 60
    + DELIVERY.dt.convert_time_zone(ZONE).dt.minute()
) / 60.0
_IN_HOUR: Final = DELIVERY.dt.minute() / 60.0


def _outcome(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return what was lacking; what was bought intraday at the gate was paid the imbalance price.

    The price at the gate is that of the last trade of the hour's contract before it. Without such a
    trade nothing was to be had, and the payoff is null.
    """
    balance, price = (
        one.read(reader, start, end).filter(pl.col("superseded_at").is_null())
        for one in (BALANCE, IMBALANCE_PRICE)
    )
    both = balance.join(price.select("event", paid="value", told="known_at"), on="event")
    hour = start.replace(minute=0, second=0, microsecond=0)
    trades = hourly_trades(reader, hour, end)
    if both.is_empty() or trades.is_empty():
        return SCHEMA.to_frame()
    bought = trades.sort("observed_at").select(
        "observed_at", hour="delivery_start", bought="price_eur_per_mwh"
    )
    gated = both.with_columns(
        hour=pl.col("event").dt.truncate("1h"), gate=_GATE.of(pl.col("event"))
    )
    return (
        gated.sort("gate")
        .join_asof(
            bought, left_on="gate", right_on="observed_at", by="hour", check_sortedness=False
        )
        .select(
            delivery_start="event",
            value="value",
            payoff_eur_per_mwh=pl.col("paid") - pl.col("bought"),
            outcome_known_at=pl.max_horizontal("known_at", "told"),
        )
        .sort("delivery_start")
    )


_INPUTS: Final[Mapping[str, Input]] = {
    "balance": Newest(history=BALANCE, span=QUARTER, oldest=3 * HOUR),
    "balance_hour": Newest(history=BALANCE, span=HOUR, oldest=3 * HOUR),
    "balance_day": Newest(history=BALANCE, span=24 * HOUR, oldest=3 * HOUR),
    "surprise": Newest(history=LOAD_SURPRISE, span=HOUR, oldest=6 * HOUR),
    "load": AtLag(history=LOAD_FORECAST),
    "load_before": AtLag(history=LOAD_FORECAST, lag=HOUR),
    "load_after": AtLag(history=LOAD_FORECAST, lag=-HOUR),
}
_RAMP: Final = (pl.col("load_after") - pl.col("load_before")) / pl.col("load")

IMBALANCE_DE: Final = Signal(
    name="imbalance_de",
    description="How much power Germany's grid will lack in a quarter-hour that begins in an hour.",
    unit="MW",
    zone=ZONE,
    period=QUARTER,
    gate=_GATE,
    inputs=_INPUTS,
    features={
        "balance": pl.col("balance"),
        "balance_hour": pl.col("balance_hour"),
        "balance_day": pl.col("balance_day"),
        "surprise": pl.col("surprise"),
        "ramp": 100.0 * _RAMP,
        "ramp_in_hour": 100.0 * _RAMP * (_IN_HOUR - 0.5),
        "morning": (2 * np.pi * _LOCAL_HOUR / 24.0).sin(),
        "noon": (2 * np.pi * _LOCAL_HOUR / 24.0).cos(),
    },
    last="balance",
    outcome=_outcome,
    recipe=LINEAR,
)
