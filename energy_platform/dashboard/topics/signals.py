"""`signals`: what the trading signals say of coming deliveries, or why they are silent."""

from dataclasses import dataclass

from energy_platform.dashboard.frames import Changes
from energy_platform.dashboard.signal_rows import TRADING_SIGNAL, SignalRows
from energy_platform.dashboard.topics.topic import Loaded, NewRows


@dataclass(slots=True)
class Signals:
    """The topic."""

    rows: SignalRows
    sources: tuple[str, ...] = (TRADING_SIGNAL,)
    every_seconds: float = 1.0
    refresh_seconds: float | None = 15.0
    """Deliveries begin although no row comes."""
    shared: tuple[()] = ()
    moment: str | None = None

    def load(self) -> Loaded:
        """Ask the stores, and the registry of models."""
        return Loaded([{**row, "source": TRADING_SIGNAL} for row in self.rows.known().to_dicts()])

    def changed_by(self, new: NewRows) -> Changes:
        """Ask again: a row names a model whose score is not in it."""
        del new
        return Changes(must_ask=True)
