"""The spread between day-ahead and intraday prices of DE-LU, for each hour of tomorrow.

Decided soon after the auction. The money assumes that a position can still be had at the auction's
price, as at the opening of intraday trading; slippage is to pay for what that leaves out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import polars as pl

from energy_platform.signals.gate import Gate
from energy_platform.signals.german_market import HOUR, LOAD_SURPRISE, SPREAD, ZONE
from energy_platform.signals.histories import Reader
from energy_platform.signals.inputs import Input, Newest
from energy_platform.signals.recipes import PROPORTIONAL
from energy_platform.signals.signal import Signal

_AHEAD: Final = (pl.col("delivery_start") - pl.col("gate_at")).dt.total_minutes() / 60.0


def _outcome(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the spread; who bought at the auction's price and sold at ID3 earned it."""
    return SPREAD.read(reader, start, end).select(
        delivery_start="event",
        value="value",
        payoff_eur_per_mwh="value",
        outcome_known_at="known_at",
    )


_INPUTS: Final[Mapping[str, Input]] = {
    "surprise": Newest(history=LOAD_SURPRISE, span=HOUR, oldest=6 * HOUR),
    "spread": Newest(history=SPREAD, span=3 * HOUR, oldest=6 * HOUR),
}

ID3_SPREAD_DE: Final = Signal(
    name="id3_spread_de",
    description="By how much the ID3 of each hour of tomorrow exceeds its day-ahead price.",
    unit="EUR/MWh",
    zone=ZONE,
    period=HOUR,
    gate=Gate("D-1 14:00 Europe/Berlin"),
    inputs=_INPUTS,
    # Two speeds of fading: between them a model finds how long surprises of the load last.
    features={
        "surprise_fading": pl.col("surprise") * (-_AHEAD / 24.0).exp(),
        "surprise_lasting": pl.col("surprise") * (-_AHEAD / 96.0).exp(),
    },
    last="spread",
    outcome=_outcome,
    recipe=PROPORTIONAL,
)
