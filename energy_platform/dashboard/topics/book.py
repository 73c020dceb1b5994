"""`book:<area>:<contract>`: the ladder of one contract, one row per side and price."""

from dataclasses import dataclass, field

from energy_platform.dashboard.areas import areas_of
from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.intraday import BOOK, Intraday
from energy_platform.dashboard.topics.topic import Loaded, NewRows


@dataclass(slots=True)
class Book:
    """The topic of one contract in one area."""

    area: str
    contract: str
    intraday: Intraday
    sources: tuple[str, ...] = (BOOK,)
    every_seconds: float = 0.1
    refresh_seconds: float | None = None
    moment: str | None = None
    _shown: frozenset[str] = field(default_factory=frozenset)

    @property
    def shared(self) -> tuple[Intraday]:
        """The books."""
        return (self.intraday,)

    def load(self) -> Loaded:
        """Make the books if they must be, and return the ladder."""
        self.intraday.make()
        return Loaded(self._ladder())

    def changed_by(self, new: NewRows) -> Changes:
        """Return the ladder if rows are about it."""
        [area, *_] = areas_of(self.area)
        if new[BOOK].filter(delivery_area_id=area, contract_id=self.contract).is_empty():
            return Changes()
        before = self._shown
        ladder = self._ladder()
        return Changes(ladder, sorted(before - self._shown))

    def _ladder(self) -> list[Row]:
        [area, *_] = areas_of(self.area)
        levels = self.intraday.ask(lambda books: books.standing.levels(area, self.contract))
        ladder = [
            {"id": f"{row['side']}:{row['price_eur_per_mwh']:.2f}", "source": BOOK, **row}
            for row in levels.drop("delivery_area_id", "contract_id").to_dicts()
        ]
        self._shown = frozenset(row["id"] for row in ladder)
        return ladder
