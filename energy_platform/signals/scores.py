"""Scores as a trader would ask for them: hits, quantile loss, money after costs, drawdown.

Each has a confidence interval by a bootstrap of whole days, since the hours of a day share their
fate. Differences from a baseline are taken day by day, so that a bad week counts on both sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import polars as pl

from energy_platform.signals.recipes import Floats
from energy_platform.signals.signal import QUANTILES, Signal

_SAMPLES: Final = 2_000
_LEVEL: Final = (0.05, 0.95)
"""Of a confidence interval, which so has 90 %."""
_EVEN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and its confidence interval of 90 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good what one maker foretold was.

    Attributes:
        name: Recipe or baseline.
        deliveries: How many were foretold.
        days: On how many days.
        traded: The share of deliveries in which it traded.
        hit_rate: How often the direction was right, from 0 to 1.
        pinball: The mean loss of the quantiles, in the signal's unit; less is better.
        money_eur_per_day: What trading earned, after fees and slippage.
        drawdown_eur: By how much the earnings fell below their highest, at most.
        pinball_less_by: For each baseline, by how much its loss is larger, day by day.
        earns_more_eur_per_day: For each baseline, how much less it earned.
    """

    name: str
    deliveries: int
    days: int
    traded: float
    hit_rate: Figure
    pinball: Figure
    money_eur_per_day: Figure
    drawdown_eur: Figure
    pinball_less_by: Mapping[str, Figure]
    earns_more_eur_per_day: Mapping[str, Figure]

    def told(self) -> dict[str, object]:
        """Return it as plain values, for a manifest."""
        return asdict(self)


def scored(signal: Signal, foretold: Mapping[str, pl.DataFrame], *, seed: int = 0) -> list[Score]:
    """Return the score of each maker.

    Args:
        signal: The signal.
        foretold: What `walk_forward.foretold` returned; all for the same deliveries.
        seed: Of the bootstrap.
    """
    by_day = {name: _by_day(signal, rows) for name, rows in foretold.items()}
    days = next(iter(by_day.values())).height
    drawn = np.random.default_rng(seed).integers(0, days, (_SAMPLES, days))
    return [
        _score(name, by_day, foretold[name].height, drawn, others=[*by_day.keys() - {name}])
        for name in by_day
    ]


def side(signal: Signal, rows: pl.DataFrame) -> pl.Series:
    """Return what is done: 1 buys, -1 sells, 0 nothing, because too little is to be earned."""
    return rows.select(_side(signal)).to_series()


def _side(signal: Signal) -> pl.Expr:
    above = pl.col("chance_above") - _EVEN
    if signal.unit != "EUR/MWh":
        return above.sign()
    worth = pl.col("q50").abs() > signal.costs.eur_per_mwh
    return pl.when(worth).then(pl.col("q50").sign()).otherwise(0.0)


def _by_day(signal: Signal, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of each local day: hits, loss, money, trades, deliveries."""
    value, payoff = pl.col("value"), pl.col("payoff_eur_per_mwh")
    loss = pl.sum_horizontal(
        pl.max_horizontal(level * (value - pl.col(name)), (level - 1) * (value - pl.col(name)))
        for level, name in zip(QUANTILES, ("q10", "q50", "q90"), strict=True)
    ) / len(QUANTILES)
    costs, amount = signal.costs, signal.costs.position_mw * signal.hours
    return (
        rows.with_columns(side=_side(signal))
        .with_columns(
            hit=((pl.col("chance_above") > _EVEN) == (value > 0)).cast(pl.Float64),
            loss=loss,
            money=amount * (pl.col("side") * payoff - pl.col("side").abs() * costs.eur_per_mwh),
            day=pl.col("delivery_start").dt.convert_time_zone(signal.zone).dt.date(),
        )
        .group_by("day")
        .agg(
            pl.col("hit", "loss", "money").sum(), traded=pl.col("side").abs().sum(), count=pl.len()
        )
        .sort("day")
    )


def _score(
    name: str,
    by_day: Mapping[str, pl.DataFrame],
    deliveries: int,
    drawn: np.typing.NDArray[np.int64],
    others: Sequence[str],
) -> Score:
    own = by_day[name]
    hit, loss, money, count = (own[each].to_numpy().astype(float) for each in _SUMS)
    return Score(
        name=name,
        deliveries=deliveries,
        days=own.height,
        traded=float(own["traded"].sum()) / deliveries,
        hit_rate=_ratio(hit, count, drawn),
        pinball=_ratio(loss, count, drawn),
        money_eur_per_day=_ratio(money, np.ones_like(money), drawn),
        drawdown_eur=_interval(_drawdown(money[None])[0], _drawdown(money[drawn])),
        pinball_less_by={
            other: _ratio(by_day[other]["loss"].to_numpy() - loss, count, drawn)
            for other in sorted(others)
        },
        earns_more_eur_per_day={
            other: _ratio(money - by_day[other]["money"].to_numpy(), np.ones_like(money), drawn)
            for other in sorted(others)
        },
    )


_SUMS: Final = ("hit", "loss", "money", "count")


def _ratio(sums: Floats, counts: Floats, drawn: np.typing.NDArray[np.int64]) -> Figure:
    """Return a mean over days, and its interval."""
    sampled = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return _interval(sums.sum() / counts.sum(), sampled)


def _interval(value: float, sampled: Floats) -> Figure:
    low, high = np.quantile(sampled, _LEVEL)
    return Figure(float(value), float(low), float(high))


def _drawdown(money: Floats) -> Floats:
    """Return by how much each row's running total falls below its highest, 0 at the beginning."""
    total = np.concatenate([np.zeros((len(money), 1)), money.cumsum(axis=1)], axis=1)
    fallen: Floats = (np.maximum.accumulate(total, axis=1) - total).max(axis=1)
    return fallen
