"""A continuous intraday market: traders place, change and withdraw orders, and trade.

The four German delivery areas share one book per contract, since nothing limits flows between them.
Traders quote around the current worth of a contract: the auction's price, corrected by how the day
has gone.

The books are kept in memory. After a restart the market opens new ones; their revision numbers are
higher, since they begin with the milliseconds of market time. Trades are in the journal, so those
of the last hour are known after a restart.
"""

import itertools
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from simulator.power_system.system import NUMBERS, power_system
from simulator.providers.nord_pool.contracts import Contract, contracts_open_at, contracts_shown_at
from simulator.providers.nord_pool.order_book import (
    BUY,
    OTHER_SIDE,
    SIDES,
    Match,
    Order,
    OrderBook,
)
from simulator.providers.nord_pool.wire import (
    BookRow,
    WireRow,
    contract_on_the_wire,
    trade,
    trades_on_the_wire,
    wire_time,
)
from simulator.world import World

ORDER_BOOK: Final = "nord_pool_intraday_order_book"
TRADE: Final = "nord_pool_intraday_trade"
CONTRACT: Final = "nord_pool_intraday_contract"

DELIVERY_AREAS: Final = {22: "50Hz", 23: "AMP", 24: "TTG", 25: "TBW"}

_AREAS: Final = tuple(DELIVERY_AREAS)
_ZONE: Final = NUMBERS["DE-LU"]
_ORDERS_PER_SIDE: Final = 5
_ORDERS_AT_OPENING: Final = 2
_MOST_ORDERS: Final = 8
_FEW: Final = 4
"""A side with fewer orders than this gets new ones first."""
_AGGRESSIVE_SHARE: Final = 0.4
_LEAVES_A_REST_SHARE: Final = 0.2
_NEW_SHARE: Final = 0.4
_WITHDRAWN_SHARE: Final = 0.15
"""What traders do, as shares: take orders of the other side, and sometimes leave a remainder in the
book; otherwise place a new order, withdraw an order, or change the price of one."""
_QUARTER: Final = timedelta(minutes=15)
_VALUED_EVERY: Final = timedelta(seconds=5)
_LOOKED_EVERY: Final = timedelta(minutes=5)
"""Contracts open and close at whole multiples of this."""
_TRADES_SHOWN_FOR: Final = timedelta(hours=1)
_CANCELLED_SHARE: Final = 0.02
_CANCELLED_AFTER_SECONDS: Final = (10.0, 60.0)


_Done = tuple[list[Order], list[Match]]
"""The result of an act: the orders that have changed or are gone, and the trades."""


@dataclass(slots=True)
class _Book:
    """The book of one contract, and what the contract is worth."""

    contract: Contract
    worth_eur: float = 0.0
    revision_no: int = 0
    orders: OrderBook = field(default_factory=OrderBook)

    def told(self, orders: Sequence[Order], now: datetime) -> BookRow:
        """Return a row of orders as they are now."""
        return BookRow(self.contract, self.revision_no, [order.shown for order in orders], now)

    def changed(self, orders: Sequence[Order], now: datetime) -> BookRow:
        """Return a row of the next revision."""
        self.revision_no = max(self.revision_no + 1, int(now.timestamp() * 1000))
        return self.told(orders, now)


@dataclass(slots=True)
class Moves:
    """What happened in a market: changes of contracts and books, trades and cancellations."""

    contracts: list[WireRow] = field(default_factory=list)
    books: list[BookRow] = field(default_factory=list)
    trades: list[WireRow] = field(default_factory=list)


class IntradayMarket:
    """All books and trades of one world."""

    def __init__(self, world: World) -> None:
        now = world.clock.now()
        self._random = random.Random(f"{world.seed} {now.isoformat()}")  # noqa: S311 (a market, no secret)
        self._system = power_system(world.seed)
        self._order_ids = itertools.count(int(now.timestamp() * 1000) * 1000)
        self._trade_ids = itertools.count(int(now.timestamp() * 1000) * 1000)
        self._books: dict[Contract, _Book] = {}
        self._open: list[_Book] = []
        self._weights: list[float] = []
        self._looked_at = self._valued_at = now
        self._trades: deque[WireRow] = deque()
        self._to_cancel: list[tuple[datetime, WireRow]] = []
        for emission in world.journal.emissions(TRADE, since=now - _TRADES_SHOWN_FOR):
            self._trades.extend(trades_on_the_wire(emission.rows))
        opening = list(self._open_and_close(now))
        for row in opening:
            for side in SIDES * (_ORDERS_PER_SIDE - _ORDERS_AT_OPENING):
                self._place(self._books[row.contract], side, now)

    def move(self, orders: int, now: datetime) -> Moves:
        """Let traders place or change so many orders, after contracts have opened and closed."""
        moves = Moves()
        if now >= self._looked_at + _LOOKED_EVERY:
            before = self._books.keys()
            moves.books += self._open_and_close(now)
            changed = before ^ self._books.keys()
            moves.contracts += [
                contract_on_the_wire(contract, now, _AREAS)
                for contract in contracts_shown_at(now)
                if contract in changed
            ]
        if now >= self._valued_at + _VALUED_EVERY:
            self._value(now)
        for book in self._random.choices(self._open, cum_weights=self._weights, k=orders):
            self._act(book, moves, now)
        moves.trades += self._cancellations(now)
        self._trades.extend(moves.trades)
        return moves

    def book_snapshot(self, now: datetime) -> list[BookRow]:
        """Return every book that is open, by delivery."""
        return [book.told(book.orders.orders(), now) for book in self._books.values()]

    def contract_snapshot(self) -> list[WireRow]:
        """Return every contract that the exchange tells of, as it was when it was looked at."""
        return [
            contract_on_the_wire(contract, self._looked_at, _AREAS)
            for contract in contracts_shown_at(self._looked_at)
        ]

    def trade_snapshot(self, now: datetime) -> list[WireRow]:
        """Return the latest revision of every trade of the last hour."""
        since = wire_time(now - _TRADES_SHOWN_FOR)
        while self._trades and self._trades[0]["updatedAt"] < since:
            self._trades.popleft()
        return list({trade["tradeId"]: trade for trade in self._trades}.values())

    def _open_and_close(self, now: datetime) -> Iterator[BookRow]:
        """Close the books whose gate has closed, and open those of contracts that are new."""
        self._looked_at = _multiple(_LOOKED_EVERY, now)
        contracts = contracts_open_at(now)
        closed = [self._books[contract] for contract in self._books.keys() - contracts]
        for book in sorted(closed, key=lambda book: book.contract.id):
            gone = book.orders.orders()
            for order in gone:
                order.quantity_kw, order.updated_at = 0, now
            yield book.changed(gone, now)
        opened = [_Book(contract) for contract in contracts if contract not in self._books]
        books = self._books | {book.contract: book for book in opened}
        self._books = {contract: books[contract] for contract in contracts}
        self._open = list(self._books.values())
        hours = [(one.delivery_start - now) / timedelta(hours=1) for one in contracts]
        self._weights = list(itertools.accumulate(1.0 / (1.0 + hour) for hour in hours))
        self._value(now)
        for book in opened:
            for side in SIDES * _ORDERS_AT_OPENING:
                self._place(book, side, now)
            yield book.changed(book.orders.orders(), now)

    def _value(self, now: datetime) -> None:
        """Update the worth of each contract: the mean of its quarter-hours."""
        self._valued_at = now
        lengths = np.array([book.contract.length // _QUARTER for book in self._open])
        starts = np.array([book.contract.delivery_start.timestamp() for book in self._open])
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        seconds = np.repeat(starts, lengths) + places * _QUARTER.total_seconds()
        zones, at = np.full(seconds.shape, _ZONE), np.full(seconds.shape, now.timestamp())
        prices = self._system.intraday_price(zones, seconds, at)
        means = np.add.reduceat(prices, np.cumsum(lengths) - lengths) / lengths
        for book, worth in zip(self._open, means.tolist(), strict=True):
            book.worth_eur = worth

    def _act(self, book: _Book, moves: Moves, now: datetime) -> None:
        """Let one trader do something about a contract."""
        side = self._random.choice(SIDES)
        against = book.orders.side(OTHER_SIDE[side])
        if len(against) >= _FEW and self._random.random() < _AGGRESSIVE_SHARE:
            shown, matches = self._trade(book, side, now)
        else:
            thin = min(SIDES, key=lambda each: len(book.orders.side(each)))
            is_thin = len(book.orders.side(thin)) < _FEW
            shown, matches = self._quote(book, thin if is_thin else side, now)
        moves.books.append(book.changed(shown, now))
        moves.trades += [self._traded(book, match, now) for match in matches]

    def _trade(self, book: _Book, side: str, now: datetime) -> _Done:
        """Take the best orders of the other side; the last one may be taken in part."""
        against = book.orders.side(OTHER_SIDE[side])
        taken = against[: self._random.choice((1, 1, 2, 3))]
        quantity = sum(order.quantity_kw for order in taken[:-1])
        if self._random.random() < _LEAVES_A_REST_SHARE:
            quantity += taken[-1].quantity_kw + self._quantity()
        else:
            quantity += self._random.randrange(100, taken[-1].quantity_kw + 100, 100)
        return self._submit(book, self._order(side, taken[-1].price_cents, quantity, now), now)

    def _quote(self, book: _Book, side: str, now: datetime) -> _Done:
        """Place an order, or withdraw one, or change its price."""
        standing = book.orders.side(side)
        chance = self._random.random()
        if len(standing) < _FEW or (chance < _NEW_SHARE and len(standing) < _MOST_ORDERS):
            return self._place(book, side, now)
        order = self._random.choice(standing)
        book.orders.take_out(order)
        if chance > 1.0 - _WITHDRAWN_SHARE:
            order.quantity_kw, order.updated_at = 0, now
            return [order], []
        order.price_cents = self._price_cents(book, side)
        return self._submit(book, order, now)

    def _place(self, book: _Book, side: str, now: datetime) -> _Done:
        order = self._order(side, self._price_cents(book, side), self._quantity(), now)
        return self._submit(book, order, now)

    def _submit(self, book: _Book, order: Order, now: datetime) -> _Done:
        """Submit an order; a new one that is filled at once is not shown."""
        was_shown = bool(order.entered)
        matches, traded = book.orders.submit(order, now)
        return [*traded, *([order] if was_shown or order.quantity_kw else [])], matches

    def _order(self, side: str, price_cents: int, quantity_kw: int, now: datetime) -> Order:
        return Order(
            id=str(next(self._order_ids)),
            side=side,
            area=self._random.choice(_AREAS),
            price_cents=price_cents,
            quantity_kw=quantity_kw,
            updated_at=now,
        )

    def _price_cents(self, book: _Book, side: str) -> int:
        """Return a price on the order's own side of the worth, mostly some way off."""
        away = 0.2 + self._random.expovariate(0.5)
        return round(100 * (book.worth_eur + (-away if side == BUY else away)))

    def _quantity(self) -> int:
        return 100 * self._random.randint(1, 250)

    def _traded(self, book: _Book, match: Match, now: datetime) -> WireRow:
        made = trade(str(next(self._trade_ids)), book.contract, match, now)
        if self._random.random() < _CANCELLED_SHARE:
            after = timedelta(seconds=self._random.uniform(*_CANCELLED_AFTER_SECONDS))
            self._to_cancel.append((now + after, made))
        return made

    def _cancellations(self, now: datetime) -> list[WireRow]:
        """Return the second revisions of the trades that are cancelled by now."""
        due = [made for at, made in self._to_cancel if at <= now]
        self._to_cancel = [(at, made) for at, made in self._to_cancel if at > now]
        return [
            {**made, "state": "CANCELLED", "revisionNo": 2, "updatedAt": wire_time(now)}
            for made in due
        ]


def _multiple(length: timedelta, instant: datetime) -> datetime:
    """Return the last whole multiple of a length up to an instant."""
    seconds = length.total_seconds()
    return datetime.fromtimestamp(instant.timestamp() // seconds * seconds, UTC)
