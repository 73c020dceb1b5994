"""The contract of a signal: one value says all that is needed to train, score and speak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.signals.gate import Gate
from energy_platform.signals.inputs import Input
from energy_platform.signals.outcome import Outcome
from energy_platform.signals.recipes import Recipe

QUANTILES: Final = (0.1, 0.5, 0.9)
"""Which quantiles every signal tells."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What trading costs, and how much is traded.

    Attributes:
        fees_eur_per_mwh: Fees of exchange and clearing.
        slippage_eur_per_mwh: How much worse than the reference the price is that a desk gets.
        position_mw: How much is bought or sold where the signal speaks.
    """

    fees_eur_per_mwh: float = 0.10
    slippage_eur_per_mwh: float = 0.60
    position_mw: float = 10.0

    @property
    def eur_per_mwh(self) -> float:
        """Both together."""
        return self.fees_eur_per_mwh + self.slippage_eur_per_mwh


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One signal.

    Attributes:
        name: Its name, e.g. `id3_spread_de`.
        description: One or two sentences.
        unit: The unit of the value that it foretells.
        zone: The time zone of its days.
        period: How long deliveries are.
        gate: By when each delivery is decided about.
        inputs: What it is made of, each as it was known at the gate.
        features: What the model sees, as expressions over inputs, `delivery_start` and `gate_at`;
            an expression must not reach into deliveries of a later gate.
        last: The input that is the newest known value of what is foretold, for the baseline.
        outcome: What came of deliveries.
        recipe: How its model is made.
        costs: What trading on it costs.
        embargo: How much older than the gate an outcome must be for a model to learn from it.
        learns_from: How long the past is from which a model learns.
    """

    name: str
    description: str
    unit: str
    zone: str
    period: timedelta
    gate: Gate
    inputs: Mapping[str, Input]
    features: Mapping[str, pl.Expr]
    last: str
    outcome: Outcome
    recipe: Recipe
    costs: Costs = field(default_factory=Costs)
    embargo: timedelta = timedelta(days=1)
    learns_from: timedelta = timedelta(days=365)

    def require_declared_known(self) -> None:
        """Refuse an input that by its declaration is known only after the gate.

        It is not asked at the import, where polars may not begin to work: processes are forked
        from one that has imported all.

        Raises:
            LookAheadError: There is one.
        """
        for name, one in self.inputs.items():
            one.require_known(self.gate, self.period, f"{self.name}: input {name}")

    @property
    def sources(self) -> Sequence[str]:
        """The market sources of its inputs."""
        return sorted({name for one in self.inputs.values() for name in one.history.sources})

    @property
    def hours(self) -> float:
        """How many hours a delivery lasts."""
        return self.period / timedelta(hours=1)
