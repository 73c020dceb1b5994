"""`contracts:<area>:<product>`: every contract that is traded, with its market in one row."""

from dataclasses import dataclass, field

from energy_platform.dashboard.areas import areas_of
from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.intraday import (
    BOOK,
    CONTRACT,
    DAY_AHEAD_SOURCE,
    TRADE,
    Books,
    Intraday,
)
from energy_platform.dashboard.topics.topic import Loaded, NewRows


@dataclass(slots=True)
class ContractRows:
    """The topic of one product in one area."""

    area: str
    product: str
    intraday: Intraday
    sources: tuple[str, ...] = (BOOK, TRADE, CONTRACT, DAY_AHEAD_SOURCE)
    every_seconds: float = 0.25
    refresh_seconds: float | None = 5.0
    moment: str | None = None
    _contracts: dict[str, Row] = field(default_factory=dict)
    _books: Books = field(default_factory=Books)
    _seen: tuple[int, int] = (0, 0)

    @property
    def shared(self) -> tuple[Intraday]:
        """The books."""
        return (self.intraday,)

    def load(self) -> Loaded:
        """Make the books if they must be, and return the table.

        The table changes with time alone: gates close, and prices move away from those of before.
        """
        self.intraday.make()
        return Loaded(self.intraday.ask(self._table))

    def changed_by(self, new: NewRows) -> Changes:
        """Return the rows that change, and the ids of contracts that are closed."""
        if DAY_AHEAD_SOURCE in new:
            return Changes(must_ask=True)
        before = set(self._contracts)
        find = self._table if CONTRACT in new else self._touched
        rows = self.intraday.ask(find)
        if self.intraday.must_make:
            return Changes(must_ask=True)
        return Changes(rows, sorted(before - set(self._contracts)))

    def _table(self, books: Books) -> list[Row]:
        """Return every row."""
        contracts = books.traded(self.area, self.product, self.intraday.now())
        self._contracts = {one["contract_id"]: one for one in contracts}
        self._books = books
        return self._market(books, contracts)

    def _touched(self, books: Books) -> list[Row]:
        """Return the rows of the contracts whose book or trades have changed."""
        if books is not self._books:
            return self._table(books)
        [area, *_] = areas_of(self.area)
        of_books, of_trades = self._seen
        touched = books.standing.changed_since(of_books, area) | books.tape.changed_since(of_trades)
        return self._market(books, [self._contracts[one] for one in touched & set(self._contracts)])

    def _market(self, books: Books, contracts: list[Row]) -> list[Row]:
        self._seen = books.standing.changes, books.tape.changes
        return [
            {"id": row["contract_id"], "source": BOOK, **row}
            for row in books.market_of(contracts, self.intraday.now())
        ]
