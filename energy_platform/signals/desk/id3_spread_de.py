"""The spread between day-ahead and intraday prices of DE-LU, for each hour of tomorrow.

Decided soon after the auction. The money assumes that a position can still be had at the auction's
price, as at the opening of intraday trading; slippage is to pay for what that leaves out.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.signals.gate import Gate
from energy_platform.signals.german_market import (
    HOUR,
    LOAD_FORECAST,
    LOAD_SURPRISE,
    SPREAD,
    ZONE,
)
from energy_platform.signals.histories import Reader
from energy_platform.signals.inputs import AtLag, Input, Newest
from energy_platform.signals.recipes import LINEAR
from energy_platform.signals.signal import Signal

_AHEAD: Final = (pl.col("delivery_start") - pl.col("gate_at")).dt.total_minutes() / 60.0
_DAY: Final = "gate_at"
"""Tells a day's deliveries from those of others: they have one gate."""


def _outcome(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the spread; who bought at the auction's price and sold at ID3 earned it."""
    return SPREAD.read(reader, start, end).select(
        delivery_start="event",
        value="value",
        payoff_eur_per_mwh="value",
        outcome_known_at="known_at",
    )


_INPUTS: Final[Mapping[str, Input]] = {
    "load": AtLag(history=LOAD_FORECAST),
    "surprise": Newest(history=LOAD_SURPRISE, span=timedelta(hours=1)),
    "spread": Newest(history=SPREAD, span=timedelta(hours=3)),
}

ID3_SPREAD_DE: Final = Signal(
    name="id3_spread_de",
    description="By how much the ID3 of each hour of tomorrow exceeds its day-ahead price.",
    unit="EUR/MWh",
    zone=ZONE,
    period=HOUR,
    gate=Gate("D-1 14:00 Europe/Berlin"),
    inputs=_INPUTS,
    features={
        "load_above_day": pl.col("load") / pl.col("load").mean().over(_DAY) - 1.0,
        "surprise_fading": pl.col("surprise") * (-_AHEAD / 24.0).exp(),
        "spread": pl.col("spread"),
        "spread_fading": pl.col("spread") * (-_AHEAD / 8.0).exp(),
    },
    last="spread",
    outcome=_outcome,
    recipe=LINEAR,
)
