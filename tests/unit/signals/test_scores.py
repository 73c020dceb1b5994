"""A signal's score in the simulated world: near the optimum, above the baselines, and no better."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_platform.signals.baselines import Climatology, LastValue
from energy_platform.signals.desk.id3_spread_de import ID3_SPREAD_DE
from energy_platform.signals.desk.imbalance_de import IMBALANCE_DE
from energy_platform.signals.scores import Score, scored
from energy_platform.signals.signal import Signal
from energy_platform.signals.walk_forward import Walk, foretold, learnable
from simulator.power_system.system import power_system
from tests.support.signal_world import TRADED_BEFORE, seconds_of, world_reader

SEED = 7
BEGIN = datetime(2026, 8, 17, 22, tzinfo=UTC)


@dataclass(frozen=True)
class Scored:
    """What a recipe and the baselines scored, and what was foretold."""

    scores: Mapping[str, Score]
    told: pl.DataFrame


def score(signal: Signal, days: int, walk: Walk | None = None) -> Scored:
    rows = learnable(signal, world_reader(SEED), BEGIN, BEGIN + timedelta(days=days))
    makers = (signal.recipe, Climatology(signal.zone), LastValue(signal.last))
    said = foretold(signal, rows, makers, walk or Walk())
    return Scored({one.name: one for one in scored(signal, said)}, said[signal.recipe.name])


def hits(told: pl.DataFrame, foreseen: np.typing.NDArray[np.float64]) -> float:
    """Return how often the direction was right of one who foresees this."""
    return float(((foreseen > 0) == (told["value"] > 0).to_numpy()).mean())


def hits_of_who_knows_the_balance(told: pl.DataFrame, before_delivery: timedelta) -> float:
    zones, seconds = seconds_of(told["delivery_start"])
    known = seconds - before_delivery.total_seconds()
    return hits(told, power_system(SEED).foreseen_lack(zones, seconds, known)[0])


def hits_of_who_knows_the_spread(told: pl.DataFrame) -> float:
    (zones, seconds), (_, gate) = seconds_of(told["delivery_start"]), seconds_of(told["gate_at"])
    foreseen = [
        power_system(SEED).foreseen_spread(zones, seconds, seconds - away.total_seconds(), gate)
        for away in TRADED_BEFORE
        if away <= timedelta(hours=3)
    ]
    return hits(told, np.mean(foreseen, axis=0))


def require_near_the_balance_that_is_known(found: Scored, *, within: float) -> None:
    own = found.scores["linear"].hit_rate.value
    # The newest balance that is published by the gate is that of 90 minutes before delivery.
    assert own > hits_of_who_knows_the_balance(found.told, timedelta(minutes=90)) - within
    assert own < hits_of_who_knows_the_balance(found.told, timedelta(minutes=60)) + within


def test_the_imbalance_is_foretold_about_as_well_as_can_be() -> None:
    found = score(IMBALANCE_DE, 40, Walk(first=timedelta(days=14), every=timedelta(days=13)))
    require_near_the_balance_that_is_known(found, within=0.03)
    model = found.scores["linear"]
    for baseline in ("climatology", "last value"):
        assert model.pinball_less_by[baseline].low > 0
    assert model.hit_rate.low > found.scores["climatology"].hit_rate.high


def test_a_signal_that_leaks_is_better_than_can_be() -> None:
    """The optimum is a guard of its own: nothing honest passes it."""
    rows = learnable(IMBALANCE_DE, world_reader(SEED), BEGIN, BEGIN + timedelta(days=30))
    leaking = rows.with_columns(balance=pl.col("value").shift(-1).fill_null(0.0))
    said = foretold(IMBALANCE_DE, leaking, [IMBALANCE_DE.recipe], Walk(first=timedelta(days=14)))
    told = said["linear"]
    [own] = scored(IMBALANCE_DE, said)
    best = hits_of_who_knows_the_balance(told, timedelta(minutes=60))
    assert own.hit_rate.low > best + 0.03


@pytest.mark.nightly
def test_a_year_of_imbalances_is_foretold_as_well_as_can_be() -> None:
    found = score(IMBALANCE_DE, 360)
    require_near_the_balance_that_is_known(found, within=0.015)
    for baseline in ("climatology", "last value"):
        assert found.scores["linear"].pinball_less_by[baseline].low > 0
        assert found.scores["linear"].earns_more_eur_per_day[baseline].low > 0


@pytest.mark.nightly
def test_two_years_of_spreads_are_foretold_nearly_as_well_as_can_be() -> None:
    found = score(ID3_SPREAD_DE, 720)
    own, best = found.scores["linear"].hit_rate.value, hits_of_who_knows_the_spread(found.told)
    assert best - 0.03 < own < best + 0.015
    for baseline in ("climatology", "last value"):
        assert found.scores["linear"].pinball_less_by[baseline].low > 0
    assert found.scores["linear"].earns_more_eur_per_day["climatology"].low > 0


def test_the_money_is_what_was_traded_after_its_costs() -> None:
    start = pl.Series("delivery_start", [BEGIN, BEGIN + timedelta(hours=1), BEGIN + timedelta(1)])
    rows = pl.DataFrame({
        "delivery_start": start.cast(pl.Datetime("us", "UTC")), "value": [5.0, -4.0, 3.0],
        "payoff_eur_per_mwh": [5.0, -4.0, 3.0], "q10": [0.0, 0.0, -9.0], "q50": [2.0, 3.0, -0.1],
        "q90": [6.0, 6.0, 6.0], "chance_above": [0.9, 0.8, 0.4],
    })  # fmt: skip
    signal = replace(ID3_SPREAD_DE, name="tried")
    [one] = scored(signal, {"tried": rows})
    cost = signal.costs.eur_per_mwh
    # It buys twice, is wrong once, and the third hour is worth less than its costs.
    assert one.money_eur_per_day.value == pytest.approx(10 * (5 - 4 - 2 * cost) / 2)
    assert one.drawdown_eur.value == pytest.approx(max(0.0, -10 * (1 - 2 * cost)))
    assert one.hit_rate.value == pytest.approx(1 / 3)
    assert one.traded == pytest.approx(2 / 3)
    losses = [0.1 * 5 + 0.5 * 3 + 0.1 * 1, 0.9 * 4 + 0.5 * 7 + 0.1 * 10, 0.1 * 12 + 0.5 * 3.1 + 0.3]
    assert one.pinball.value == pytest.approx(sum(losses) / 9)
