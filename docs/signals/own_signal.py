"""A signal of one's own: by how much Germany's imbalance price will exceed its day-ahead price.

Decided before the auction: what is bought in it is paid the imbalance price. No advice to do so.
"""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from energy_platform.signals.gate import Gate
from energy_platform.signals.german_market import DAY_AHEAD, HOUR, IMBALANCE_PRICE, QUARTER, ZONE
from energy_platform.signals.histories import DerivedHistory, Reader
from energy_platform.signals.inputs import AtLag, Newest
from energy_platform.signals.recipes import LINEAR, Recipe
from energy_platform.signals.signal import Signal


def _premium(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the premium of each quarter-hour; it is known when both prices are."""
    paid, auction = (one.read(reader, start, end) for one in (IMBALANCE_PRICE, DAY_AHEAD))
    last = auction.filter(pl.col("superseded_at").is_null())
    return paid.join(last.select("event", bought="value", told="known_at"), on="event").select(
        "event",
        value=pl.col("value") - pl.col("bought"),
        known_at=pl.max_horizontal("known_at", "told"),
        superseded_at="superseded_at",
    )


PREMIUM = DerivedHistory(
    about="by how much the imbalance price exceeded the day-ahead price, EUR/MWh",
    make=_premium, sources=DAY_AHEAD.sources | IMBALANCE_PRICE.sources,
    step=QUARTER, known_after=timedelta(minutes=22),
)  # fmt: skip


def _outcome(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    came = PREMIUM.read(reader, start, end).filter(pl.col("superseded_at").is_null())
    value = {"value": "value", "payoff_eur_per_mwh": "value", "outcome_known_at": "known_at"}
    return came.select(delivery_start="event", **value)


def _value() -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.linear_model import HuberRegressor

    return HuberRegressor()


IMBALANCE_PREMIUM_DE = Signal(
    name="imbalance_premium_de",
    description="By how much the imbalance price of a quarter-hour exceeds its day-ahead price.",
    unit="EUR/MWh", zone=ZONE, period=QUARTER, gate=Gate("D-1 11:30 Europe/Berlin"),
    inputs={
        "newest": Newest(history=PREMIUM, span=HOUR, oldest=12 * HOUR),
        "day": Newest(history=PREMIUM, span=24 * HOUR, oldest=12 * HOUR),
        "two_days_before": AtLag(history=PREMIUM, lag=timedelta(hours=48)),
    },
    features={name: pl.col(name) / 100.0 for name in ("newest", "day", "two_days_before")},
    last="newest", outcome=_outcome, recipe=Recipe("robust", _value, LINEAR.direction),
)  # fmt: skip
