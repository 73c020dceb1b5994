"""`contracts:<area>:<product>`: every contract that is traded, with its market in one row."""

from dataclasses import dataclass, field

from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.intraday import BOOK, CONTRACT, TRADE, Intraday
from energy_platform.dashboard.topics.topic import Loaded, NewRows


@dataclass(slots=True)
class ContractRows:
    """The topic of one product in one area."""

    area: str
    product: str
    intraday: Intraday
    sources: tuple[str, ...] = (BOOK, TRADE, CONTRACT)
    every_seconds: float = 0.25
    refresh_seconds: float | None = 5.0
    moment: str | None = None
    _shown: frozenset[str] = field(default_factory=frozenset)

    @property
    def shared(self) -> tuple[Intraday]:
        """The books."""
        return (self.intraday,)

    def load(self) -> Loaded:
        """Make the books if they must be, and return the table.

        The table changes with time alone: gates close, and prices move away from those of before.
        """
        self.intraday.make()
        return Loaded(self._table())

    def changed_by(self, new: NewRows) -> Changes:
        """Return the table, and the ids of contracts that are closed."""
        del new
        before = self._shown
        table = self._table()
        return Changes(table, sorted(before - self._shown))

    def _table(self) -> list[Row]:
        table = [
            {"id": row["contract_id"], "source": BOOK, **row, "position_mw": None,
             "close_cost_eur": None}
            for row in self.intraday.table(self.area, self.product).to_dicts()
        ]  # fmt: skip
        self._shown = frozenset(row["id"] for row in table)
        return table
