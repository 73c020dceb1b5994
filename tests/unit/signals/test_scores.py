"""A signal's score in the simulated world: near the optimum, above the baselines, and no better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_platform.signals.baselines import Climatology, LastValue
from energy_platform.signals.desk.id3_spread_de import ID3_SPREAD_DE
from energy_platform.signals.desk.imbalance_de import IMBALANCE_DE
from energy_platform.signals.recipes import Prediction
from energy_platform.signals.scores import Score, scored
from energy_platform.signals.signal import Signal
from energy_platform.signals.walk_forward import Walk, foretold, learnable
from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import power_system
from tests.support.signal_world import TRADED_BEFORE, seconds_of, world_reader

SEED = 7
BEGIN = datetime(2026, 8, 17, 22, tzinfo=UTC)
ID3 = timedelta(hours=3)


@dataclass(frozen=True)
class Optimum:
    """Expects what is to be expected by one who knows all of the world until an instant."""

    name: str

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> "Knowing":
        del features
        missed = (rows["value"] - rows[self.name]).to_numpy()
        return Knowing(self.name, np.quantile(np.concatenate([missed, -missed]), quantiles))


@dataclass(frozen=True)
class Knowing:
    name: str
    offsets: Floats

    def predict(self, rows: pl.DataFrame) -> Prediction:
        middle = rows[self.name].to_numpy()
        return Prediction(middle[:, None] + self.offsets, np.where(middle > 0, 0.6, 0.4))


ALL_AT_GATE = "all that is known at the gate"
ALL_THAT_IS_TOLD = "all that is published at the gate"
"""The optimum, and what is left of it by how late the market publishes."""


def with_foreseen(signal: Signal, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what one expects who knows the world at the gate, or as late as it is published."""
    told_after = timedelta(minutes=30 if signal is IMBALANCE_DE else 60)
    (zones, seconds), (_, gate) = seconds_of(rows["delivery_start"]), seconds_of(rows["gate_at"])
    known = {ALL_AT_GATE: gate, ALL_THAT_IS_TOLD: gate - told_after.total_seconds()}
    return rows.with_columns(
        pl.Series(name, foreseen(signal, zones, seconds, until)) for name, until in known.items()
    )


def foreseen(signal: Signal, zones: Ints, seconds: Floats, known: Floats) -> Floats:
    system = power_system(SEED)
    if signal is IMBALANCE_DE:
        return system.foreseen_lack(zones, seconds, known)[0]
    traded = [seconds - away.total_seconds() for away in TRADED_BEFORE if away <= ID3]
    expected: Floats = np.mean(
        [system.foreseen_spread(zones, seconds, at, known) for at in traded], axis=0
    )
    return expected


def score(signal: Signal, days: int, walk: Walk | None = None) -> Mapping[str, Score]:
    """Return the scores of a recipe, both baselines and both optima, and print them."""
    rows = learnable(signal, world_reader(SEED), BEGIN, BEGIN + timedelta(days=days))
    makers = (
        signal.recipe, Climatology(signal.zone), LastValue(),
        Optimum(ALL_AT_GATE), Optimum(ALL_THAT_IS_TOLD),
    )  # fmt: skip
    said = foretold(signal, with_foreseen(signal, rows), makers, walk or Walk())
    found = {one.name: one for one in scored(signal, said)}
    for one in found.values():
        print(f"{signal.name}: {one.name}: hits {one.hit_rate}, pinball {one.pinball}")  # noqa: T201 (pytest shows it)
    return found


def require_near_the_optimum(signal: Signal, found: Mapping[str, Score], *, within: float) -> None:
    """Require a score between what is published and what could be known, but for chance."""
    own = found[signal.recipe.name]
    assert own.hit_rate.value > found[ALL_THAT_IS_TOLD].hit_rate.value - within
    assert own.hit_rate.value < found[ALL_AT_GATE].hit_rate.value + within
    assert own.pinball.value < (1 + within) * found[ALL_THAT_IS_TOLD].pinball.value
    assert own.pinball.value > (1 - within) * found[ALL_AT_GATE].pinball.value


def test_the_imbalance_is_foretold_about_as_well_as_can_be() -> None:
    found = score(IMBALANCE_DE, 40, Walk(first=timedelta(days=14), every=timedelta(days=13)))
    require_near_the_optimum(IMBALANCE_DE, found, within=0.03)
    model = found["linear"]
    for baseline in ("climatology", "last value"):
        assert model.pinball_less_by[baseline].low > 0
    assert model.hit_rate.low > found["climatology"].hit_rate.high


def test_the_spread_is_foretold_about_as_well_as_can_be() -> None:
    found = score(ID3_SPREAD_DE, 90)
    require_near_the_optimum(ID3_SPREAD_DE, found, within=0.05)
    assert found["proportional"].pinball_less_by["climatology"].low > 0


def test_a_signal_that_leaks_is_better_than_can_be() -> None:
    """The optimum is a guard of its own: nothing honest passes it."""
    rows = learnable(IMBALANCE_DE, world_reader(SEED), BEGIN, BEGIN + timedelta(days=30))
    leaking = rows.with_columns(balance=pl.col("value").shift(-1).fill_null(0.0))
    said = foretold(IMBALANCE_DE, leaking, [IMBALANCE_DE.recipe], Walk(first=timedelta(days=14)))
    told = said["linear"]
    [own] = scored(IMBALANCE_DE, said)
    system, (zones, seconds) = power_system(SEED), seconds_of(told["delivery_start"])
    best = system.foreseen_lack(zones, seconds, seconds - 3600.0)[0]
    best_hits = ((best > 0) == (told["value"] > 0).to_numpy()).mean()
    assert own.hit_rate.low > best_hits + 0.03


@pytest.mark.nightly
def test_a_year_of_imbalances_is_foretold_as_well_as_can_be() -> None:
    found = score(IMBALANCE_DE, 360)
    require_near_the_optimum(IMBALANCE_DE, found, within=0.03)
    for baseline in ("climatology", "last value"):
        assert found["linear"].pinball_less_by[baseline].low > 0
        assert found["linear"].earns_more_eur_per_day[baseline].low > 0


@pytest.mark.nightly
def test_two_years_of_spreads_are_foretold_as_well_as_can_be() -> None:
    found = score(ID3_SPREAD_DE, 720)
    require_near_the_optimum(ID3_SPREAD_DE, found, within=0.03)
    for baseline in ("climatology", "last value"):
        assert found["proportional"].pinball_less_by[baseline].low > 0
    # The last value has the same sign nearly as often, and so earns about as much.
    assert found["proportional"].earns_more_eur_per_day["climatology"].low > 0


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
