"""The orders that stand in every book, kept up to date row by row.

After any rows the books equal `formats.nord_pool_intraday.standing_orders` of all rows so far: the
newest snapshot of a contract in a delivery area, and every change of a higher revision. Rows may
come in any order, and more than once, as they do after a reconnect.

A message changes a few orders of one book, so a book is a dictionary of its orders: this costs a
fiftieth of frames, whose every operation costs as much as hundreds of orders. A ladder is made when
it is asked for, and kept until its book changes.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import compress
from operator import attrgetter
from typing import Any, Final, NamedTuple

import polars as pl

from energy_platform.formats.nord_pool_intraday import last_rows, newest_snapshots
from energy_platform.market.instants import INSTANT, OUR_TIME
from energy_platform.market.whole_list import WITHDRAWN

_IS_RECENT: Final = "_is_recent"
_BOOK: Final = {"delivery_area_id": pl.String(), "contract_id": pl.String()}
_ORDER: Final = {
    "price_eur_per_mwh": pl.Float64(),
    "volume_mw": pl.Float64(),
    "deleted": pl.Boolean(),
    "received_at": INSTANT,
    "landing_offset": pl.Int64(),
}
_READ: Final = (*_BOOK, "is_snapshot", "side", "order_id", "revision_no", *_ORDER)
_ORDERS: Final = {
    **_BOOK,
    "side": pl.String(),
    "order_id": pl.String(),
    "revision_no": pl.Int64(),
    **_ORDER,
}
_LEVELS: Final = {
    **_BOOK,
    "side": pl.String(),
    "price_eur_per_mwh": pl.Float64(),
    "volume_mw": pl.Float64(),
    "orders": pl.Int64(),
    "received_at": INSTANT,
    "landing_offset": pl.Int64(),
}
_TOPS: Final = {
    **_BOOK,
    "revision_no": pl.Int64(),
    "received_at": INSTANT,
    "bid_eur_per_mwh": pl.Float64(),
    "bid_mw": pl.Float64(),
    "ask_eur_per_mwh": pl.Float64(),
    "ask_mw": pl.Float64(),
}

_REMEMBERED: Final = timedelta(minutes=10)
"""How long a gone order is remembered. A row that comes later and may be about one makes a doubt.
"""
_FORGETS_EVERY: Final = timedelta(minutes=1)
_TRADED_FOR: Final = timedelta(days=2)
"""A contract is traded for less than this; a book without news for so long is forgotten."""
_NEVER: Final = -1


class Level(NamedTuple):
    """What stands at one price; `received_at` and `landing_offset` are its newest order's."""

    side: str
    price_eur_per_mwh: float
    volume_mw: float
    orders: int
    received_at: datetime
    landing_offset: int


class Top(NamedTuple):
    """The best bid and ask of a book; None on a side without orders."""

    revision_no: int
    received_at: datetime
    bid_eur_per_mwh: float | None
    bid_mw: float | None
    ask_eur_per_mwh: float | None
    ask_mw: float | None


class _Order(NamedTuple):
    revision_no: int
    price_eur_per_mwh: float | None
    volume_mw: float | None
    deleted: bool
    received_at: datetime
    landing_offset: int


class StandingBooks:
    """The standing orders of every contract in every delivery area. One thread may use it.

    Attributes:
        changes: A number that grows with each change of a book.
        are_doubtful: Whether a row came so late that only all rows together tell what stands.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.are_doubtful = False
        self._books: dict[tuple[str, str], _Book] = {}
        self._newest = OUR_TIME[0]
        self._forgotten_at = OUR_TIME[0]

    def follow(self, rows: pl.DataFrame) -> None:
        """Take rows of the order book's table, as they land, withdrawn ones left out."""
        for area, contract, is_snapshot, side, name, *said in _values(rows):
            book = self._books.get((area, contract))
            if book is None:
                book = self._books[area, contract] = _Book()
            order = _Order(*said)
            self.changes += 1
            book.changed = self.changes
            self._newest = max(self._newest, order.received_at)
            if not book.take((side, name), order, is_snapshot=is_snapshot):
                self.are_doubtful = True
        self._forget()

    def ladder(self, area: str, contract: str) -> Sequence[Level]:
        """Return the levels of one book, the best price of each side first.

        It is the same object until the book changes.
        """
        book = self._books.get((area, contract))
        return book.ladder() if book is not None else ()

    def top(self, area: str, contract: str) -> Top | None:
        """Return the best bid and ask of one book; None if there is no such book."""
        book = self._books.get((area, contract))
        return book.top() if book is not None else None

    def changed_since(self, changes: int, area: str) -> set[str]:
        """Return the contracts whose books in an area have changed since `changes` was so."""
        return {
            contract
            for (of_area, contract), book in self._books.items()
            if of_area == area and book.changed > changes
        }

    def orders(self) -> pl.DataFrame:
        """Return the standing orders: book, side, order, price, volume and provenance."""
        rows = [
            (*where, *name, *order)
            for where, book in self._books.items()
            for name, order in book.orders.items()
            if not order.deleted
        ]
        return pl.DataFrame(rows, schema=_ORDERS, orient="row")

    def levels(self, area: str | None = None, contract: str | None = None) -> pl.DataFrame:
        """Return the volume and the number of orders at each price, as `ladder` does.

        Args:
            area: Only the books of this delivery area.
            contract: Only the books of this contract.
        """
        rows = [
            (*where, *level) for where, book in self._of(area, contract) for level in book.ladder()
        ]
        return pl.DataFrame(rows, schema=_LEVELS, orient="row")

    def tops(self, area: str | None = None) -> pl.DataFrame:
        """Return the best bid and ask of each book; null on a side without orders.

        Args:
            area: Only the books of this delivery area.
        """
        rows = [(*where, *book.top()) for where, book in self._of(area, None)]
        return pl.DataFrame(rows, schema=_TOPS, orient="row")

    def _of(
        self, area: str | None, contract: str | None
    ) -> Iterator[tuple[tuple[str, str], "_Book"]]:
        for where, book in self._books.items():
            if area in (None, where[0]) and contract in (None, where[1]):
                yield where, book

    def _forget(self) -> None:
        """Forget orders that have long been gone, and books that have long had no news."""
        if self._newest < self._forgotten_at + _FORGETS_EVERY:
            return
        self._forgotten_at = self._newest
        self._books = {
            where: book
            for where, book in self._books.items()
            if book.received_at >= self._newest - _TRADED_FOR
        }
        for book in self._books.values():
            book.forget(self._newest - _REMEMBERED)


def rows_that_count(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return those rows of an order book's table that make the same books as all of them.

    Those are the last row of each order that stands or went lately, and of the others that are gone
    one row per book, which tells until which revision they are.
    """
    listed = rows.filter(pl.col(WITHDRAWN).not_().fill_null(value=True))
    # The snapshots are few, and asked for first, so that rows before them are never held.
    last = last_rows(listed, newest_snapshots(listed).collect().lazy())
    gone, received, revision = pl.col("deleted"), pl.col("received_at"), pl.col("revision_no")
    # A column of its own, since the newest of all books counts, and not that of each.
    is_recent = pl.col(_IS_RECENT)
    is_last_gone = revision == revision.filter(gone & ~is_recent).max().over(list(_BOOK))
    return (
        last.with_columns((received >= received.max() - _REMEMBERED).alias(_IS_RECENT))
        .filter(~gone | is_recent | is_last_gone)
        .drop(_IS_RECENT)
    )


class _Book:
    """One book: the last row of each order that its newest snapshot has not overtaken."""

    __slots__ = ("_forgotten", "_ladder", "_since", "changed", "orders", "received_at",
                 "revision_no")  # fmt: skip

    def __init__(self) -> None:
        self.orders: dict[tuple[str, str], _Order] = {}
        self.changed = 0
        self.received_at = OUR_TIME[0]
        self.revision_no = _NEVER
        self._since = _NEVER
        self._forgotten = _NEVER
        self._ladder: tuple[Level, ...] | None = None

    def take(self, name: tuple[str, str], order: _Order, *, is_snapshot: bool) -> bool:
        """Take a row; return False if it may be about an order that has been forgotten."""
        self.revision_no = max(self.revision_no, order.revision_no)
        self.received_at = max(self.received_at, order.received_at)
        if is_snapshot and order.revision_no > self._since:
            self._begin(order.revision_no)
        elif order.revision_no < self._since or not (
            is_snapshot or order.revision_no > self._since
        ):
            return True
        known = self.orders.get(name)
        if known is None and order.revision_no <= self._forgotten:
            return False
        if known is None or known.revision_no <= order.revision_no:
            self.orders[name] = order
            self._ladder = None
        return True

    def ladder(self) -> tuple[Level, ...]:
        if self._ladder is None:
            self._ladder = tuple(_levels(self.orders.items()))
        return self._ladder

    def top(self) -> Top:
        ladder = self.ladder()
        bid = ladder[0] if ladder and ladder[0].side == "BUY" else None
        ask = next((level for level in ladder if level.side == "SELL"), None)
        return Top(
            self.revision_no,
            self.received_at,
            *((bid.price_eur_per_mwh, bid.volume_mw) if bid else (None, None)),
            *((ask.price_eur_per_mwh, ask.volume_mw) if ask else (None, None)),
        )

    def forget(self, before: datetime) -> None:
        """Forget orders that were gone before an instant."""
        gone = {
            name: order.revision_no
            for name, order in self.orders.items()
            if order.deleted and order.received_at < before
        }
        if gone:
            self._forgotten = max(self._forgotten, *gone.values())
            for name in gone:
                del self.orders[name]

    def _begin(self, revision_no: int) -> None:
        """Begin a newer snapshot: only changes of a higher revision stay."""
        self._since, self._ladder = revision_no, None
        self.orders = {
            name: order for name, order in self.orders.items() if order.revision_no > revision_no
        }


def _values(rows: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield the values of rows that are not withdrawn, by `_READ`.

    Column by column: a frame of a few rows is read in a tenth of the time that a query takes.
    """
    values = zip(*(rows[name].to_list() for name in _READ), strict=True)
    if WITHDRAWN not in rows.columns:
        return values
    return compress(values, [withdrawn is not True for withdrawn in rows[WITHDRAWN].to_list()])


def _levels(orders: Iterable[tuple[tuple[str, str], _Order]]) -> Iterator[Level]:
    """Yield the levels of the orders that stand among these, bids before asks."""
    at: dict[tuple[str, float], list[Any]] = {}
    for (side, _), order in orders:
        price = order.price_eur_per_mwh
        if order.deleted or price is None:
            continue
        volume, received, landed = order.volume_mw or 0.0, order.received_at, order.landing_offset
        level = at.get((side, price))
        if level is None:
            at[side, price] = [volume, 1, received, landed]
        else:
            level[0] += volume
            level[1] += 1
            level[2] = max(level[2], received)
            level[3] = max(level[3], landed)
    levels = [
        Level(side, price, round(volume, 3), count, received, landed)
        for (side, price), (volume, count, received, landed) in at.items()
    ]
    best = attrgetter("price_eur_per_mwh")
    yield from sorted((one for one in levels if one.side == "BUY"), key=best, reverse=True)
    yield from sorted((one for one in levels if one.side == "SELL"), key=best)
