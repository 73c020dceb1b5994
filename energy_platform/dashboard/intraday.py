"""The continuous market as all intraday topics see it: standing books, trades and contracts.

They are kept once for all viewers. After a start, and after rows may have been missed, they are
made again from the warehouse and from the messages that it does not have yet.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

import polars as pl

from energy_platform.books import StandingBooks, TradeTape
from energy_platform.dashboard.stores import Stores
from energy_platform.market.registry import market_source
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows

BOOK: Final = "nord_pool_intraday_order_book"
TRADE: Final = "nord_pool_intraday_trade"

_TRADED_FOR: Final = timedelta(hours=36)
"""For how long a contract is traded at most."""

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Books:
    """What is kept row by row."""

    standing: StandingBooks = field(default_factory=StandingBooks)
    tape: TradeTape = field(default_factory=TradeTape)

    def follow(self, source: str, rows: pl.DataFrame) -> None:
        if source == BOOK:
            self.standing.follow(rows)
        else:
            self.tape.follow(rows)


class Intraday:
    """The books and trades of now. Any number of threads may use it.

    Args:
        stores: What they are made from.
    """

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._books = _Books()
        self._must_make = True
        self._later: list[tuple[str, pl.DataFrame]] = []
        self._is_making = False
        self._making = threading.Lock()
        self._using = threading.Lock()

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Take new rows."""
        with self._using:
            self._books.follow(source, rows)
            if self._is_making:
                self._later.append((source, rows))

    def reload(self) -> None:
        """Let the books be made again before they are used the next time."""
        self._must_make = True

    def make(self) -> None:
        """Make the books again if they must be; this takes a while.

        Raises:
            EnergyPlatformError: The stores don't answer.
        """
        with self._making:
            if not self._must_make:
                return
            self._must_make, self._is_making = False, True
            try:
                books = _Books()
                for source in (BOOK, TRADE):
                    books.follow(source, self._rows(source))
                with self._using:
                    for source, rows in self._later:
                        books.follow(source, rows)
                    self._books = books
            except BaseException:
                self._must_make = True
                raise
            finally:
                self._is_making = False
                self._later.clear()

    def of_books(self, question: Callable[[StandingBooks], _Answer]) -> _Answer:
        """Answer a question about the standing books."""
        with self._using:
            return question(self._books.standing)

    def of_trades(self, question: Callable[[TradeTape], _Answer]) -> _Answer:
        """Answer a question about the trades."""
        with self._using:
            return question(self._books.tape)

    def _rows(self, name: str) -> pl.DataFrame:
        source = market_source(name)
        since = self.stores.now() - _TRADED_FOR
        return missed_rows(self.stores.batches, source, 0, where=pl.col(source.event_time) >= since)
