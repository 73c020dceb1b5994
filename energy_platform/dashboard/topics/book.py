"""`book:<area>:<contract>`: the ladder of one contract, one row per side and price."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from energy_platform.books.standing import Level
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
    _ladder: Sequence[Level] = ()
    _shown: frozenset[str] = field(default_factory=frozenset)

    @property
    def shared(self) -> tuple[Intraday]:
        """The books."""
        return (self.intraday,)

    def load(self) -> Loaded:
        """Make the books if they must be, and return the ladder."""
        self.intraday.make()
        self._ladder = self._ladder_of_now()
        return Loaded(self._rows())

    def changed_by(self, new: NewRows) -> Changes:
        """Return the ladder if rows are about it."""
        del new
        ladder = self._ladder_of_now()
        if self.intraday.must_make:
            return Changes(must_ask=True)
        if ladder is self._ladder:
            return Changes()
        self._ladder, before = ladder, self._shown
        return Changes(self._rows(), sorted(before - self._shown))

    def _ladder_of_now(self) -> Sequence[Level]:
        [area, *_] = areas_of(self.area)
        return self.intraday.ask(lambda books: books.standing.ladder(area, self.contract))

    def _rows(self) -> list[Row]:
        rows = [
            {"id": f"{level.side}:{level.price_eur_per_mwh:.2f}", "source": BOOK,
             **level._asdict()}
            for level in self._ladder
        ]  # fmt: skip
        self._shown = frozenset(row["id"] for row in rows)
        return rows
