"""What came of a delivery: the value that a signal foretells, and what was to be earned by it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.signals.histories import Reader

SCHEMA: Final = pl.Schema(
    {
        "delivery_start": INSTANT,
        "value": pl.Float64(),
        "payoff_eur_per_mwh": pl.Float64(),
        "outcome_known_at": INSTANT,
    }
)
"""The columns of outcomes: `value` is what is foretold, in the signal's unit; `payoff_eur_per_mwh`
what one MWh bought at the gate earned, before costs; a model may learn from a row from
`outcome_known_at` on."""

Outcome = Callable[[Reader, datetime, datetime], pl.DataFrame]
"""Reads the outcomes of deliveries that begin in [start, end), as they are known today."""
