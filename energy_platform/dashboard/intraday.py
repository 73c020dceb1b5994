"""The continuous market as all intraday topics see it: standing books, trades and contracts.

They are kept once for all viewers. After a start, and after rows may have been missed, they are
made again from the warehouse and from the messages that it does not have yet.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import polars as pl

from energy_platform.books import StandingBooks, TradeTape, rows_that_count
from energy_platform.dashboard.areas import PRODUCTS, areas_of
from energy_platform.dashboard.contracts import (
    DAY_AHEAD,
    TABLE,
    Contracts,
    with_day_ahead,
    with_market,
)
from energy_platform.dashboard.frames import Row
from energy_platform.dashboard.stores import Stores
from energy_platform.history.revisions import latest_revision
from energy_platform.market.registry import market_source
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.tables import market_table

BOOK: Final = "nord_pool_intraday_order_book"
TRADE: Final = "nord_pool_intraday_trade"
CONTRACT: Final = "nord_pool_intraday_contract"
DAY_AHEAD_SOURCE: Final = "energy_charts_price"
_ZONE: Final = "DE-LU"
"""The bidding zone of all areas that there are."""

_TRADED_FOR: Final = timedelta(hours=36)
"""For how long a contract is traded at most."""
_MOST_WAITING: Final = 1_000
"""How many messages wait at most until the books follow them."""

_DOUBT_SECONDS: Final = 30.0
"""How often the books are made again at most because a row came very late."""

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Books:
    """What is kept row by row.

    Attributes:
        standing: The standing orders.
        tape: The trades.
        contracts: What is delivered when, and until when it is traded.
        day_ahead: The day-ahead prices of the zone.
    """

    standing: StandingBooks = field(default_factory=StandingBooks)
    tape: TradeTape = field(default_factory=TradeTape)
    contracts: Contracts = field(default_factory=Contracts)
    day_ahead: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DAY_AHEAD))

    def follow(self, source: str, rows: pl.DataFrame) -> None:
        """Take rows of one of the sources."""
        match source:
            case "nord_pool_intraday_order_book":
                self.standing.follow(rows)
            case "nord_pool_intraday_trade":
                self.tape.follow(rows)
            case _:
                self.contracts.follow(rows)

    def traded(self, area: str, product: str, now: datetime) -> list[Row]:
        """Return the contracts of a product in an area, as `with_market` takes them."""
        traded = self.contracts.traded(areas_of(area)[0], PRODUCTS[product], now)
        return with_day_ahead(traded, self.day_ahead)

    def market_of(self, contracts: Iterable[Row], now: datetime) -> list[Row]:
        """Return these contracts' rows of the table."""
        return [with_market(one, self.standing, self.tape, now) for one in contracts]

    def table(self, area: str, product: str, now: datetime) -> pl.DataFrame:
        """Return the table of the contracts of a product in an area, by `TABLE`."""
        return pl.DataFrame(self.market_of(self.traded(area, product, now), now), schema=TABLE)


def books_of(
    stores: Stores, *names: str, at: datetime | None = None, contract: str | None = None
) -> Books:
    """Return the books made of all rows of some sources.

    Args:
        stores: What has the rows.
        names: The sources.
        at: Only rows that were known at this instant; the newest ones too, if None.
        contract: Only rows of this contract.
    """
    books, now = Books(), at or stores.now()
    for name in names:
        is_recent = pl.col(market_source(name).event_time) >= now - _TRADED_FOR
        is_of_it = pl.lit(value=True) if contract is None else pl.col("contract_id") == contract
        books.follow(name, rows_known(stores, name, at, is_recent & is_of_it))
    if CONTRACT in names:
        books.day_ahead = _day_ahead(stores, now, at)
    return books


def _day_ahead(stores: Stores, now: datetime, at: datetime | None) -> pl.DataFrame:
    """Return the zone's day-ahead prices of what can be traded now, by `DAY_AHEAD`."""
    source = market_source(DAY_AHEAD_SOURCE)
    is_of_zone = pl.col("bidding_zone") == _ZONE
    is_recent = pl.col(source.event_time) >= now - _TRADED_FOR
    rows = rows_known(stores, source.name, at, is_of_zone & is_recent)
    return latest_revision(rows.lazy(), source).select(*DAY_AHEAD).collect()


def rows_known(stores: Stores, name: str, at: datetime | None, where: pl.Expr) -> pl.DataFrame:
    """Return every revision of a source's rows that was known at a moment, or is known now.

    Of the order book only the rows that make the books are returned.
    """
    source = market_source(name)
    of_them = rows_that_count if name == BOOK else None
    if at is None:
        return missed_rows(stores.batches, source, 0, where=where, of_them=of_them)
    stored = stores.batches.warehouse.scan(market_table(source))
    known = stored.filter(where, pl.col("received_at") <= at)
    return (known if of_them is None else of_them(known)).sort("landing_offset").collect()


class Intraday:
    """The books of now. Any number of threads may use it.

    Args:
        stores: What they are made from.

    Attributes:
        sources: Whose rows they follow.
    """

    sources = (BOOK, TRADE, CONTRACT, DAY_AHEAD_SOURCE)

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._books = Books()
        self._must_make = True
        self._must_price = False
        self._made_at = -math.inf
        self._is_making = False
        self._new: list[tuple[str, pl.DataFrame]] = []
        self._later: list[tuple[str, pl.DataFrame]] = []
        self._making = threading.Lock()
        self._using = threading.Lock()

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Take new rows; the books follow them when they are asked the next time.

        Day-ahead prices revise each other, so the stores are asked for them.
        """
        if source == DAY_AHEAD_SOURCE:
            self._must_price = True
            return
        with self._using:
            self._new.append((source, rows))
            if self._is_making:
                self._later.append((source, rows))
            if len(self._new) > _MOST_WAITING:
                self._catch_up()

    @property
    def must_make(self) -> bool:
        """Whether the books may be wrong until they are made again."""
        return self._must_make

    def reload(self) -> None:
        """Let the books be made again before they are used the next time."""
        self._must_make = True

    def make(self) -> None:
        """Make the books again if they must be; this takes a while.

        Raises:
            EnergyPlatformError: The stores don't answer.
        """
        with self._making:
            if self._must_make:
                self._make_books()
            elif self._must_price:
                self._price()

    def _make_books(self) -> None:
        self._must_make, self._must_price, self._is_making = False, False, True
        try:
            books = books_of(self._stores, BOOK, TRADE, CONTRACT)
            self._made_at = time.monotonic()
            with self._using:
                self._books, self._new = books, list(self._later)
        except BaseException:
            self._must_make = True
            raise
        finally:
            self._is_making = False
            self._later.clear()

    def _price(self) -> None:
        """Take the newest day-ahead prices."""
        self._must_price = False
        try:
            day_ahead = _day_ahead(self._stores, self.now(), None)
        except BaseException:
            self._must_price = True
            raise
        with self._using:
            self._books.day_ahead = day_ahead

    def ask(self, question: Callable[[Books], _Answer]) -> _Answer:
        """Answer a question about the books."""
        with self._using:
            self._catch_up()
            return question(self._books)

    def _catch_up(self) -> None:
        """Let the books follow the waiting rows."""
        for source, rows in self._new:
            self._books.follow(source, rows)
        self._new.clear()
        is_old = time.monotonic() > self._made_at + _DOUBT_SECONDS
        self._must_make = self._must_make or (self._books.standing.are_doubtful and is_old)

    def now(self) -> datetime:
        """Return market time."""
        return self._stores.now()
