"""A continuous intraday market: order books of quarter-hours that move, and trades in them.

Rows are made here in both shapes: as Nord Pool sends them, and as the columns of the sources'
tables. How they travel is the business of `exchange`.

The books live in memory: a market that starts again opens new ones, whose revision numbers are
higher, since they begin with the milliseconds of market time. Trades are kept in the journal, so
those of the last hour are known after a restart.
"""

import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from simulator.journal import Row
from simulator.world import World

ORDER_BOOK: Final = "nord_pool_intraday_order_book"
TRADE: Final = "nord_pool_intraday_trade"

DELIVERY_AREAS: Final = {22: "50Hz", 23: "AMP", 24: "TTG", 25: "TBW"}

_QUARTER: Final = timedelta(minutes=15)
_CONTRACTS: Final = 16
_ORDERS_PER_SIDE: Final = 5
_SIDES: Final = ("BUY", "SELL")
_TRADES_SHOWN_FOR: Final = timedelta(hours=1)
_CANCELLED_SHARE: Final = 0.02
_CANCELLED_AFTER_SECONDS: Final = (10.0, 60.0)

WireRow = dict[str, Any]


@dataclass(slots=True)
class _Order:
    id: str
    side: str
    price_cents: int
    quantity: int
    updated_at: datetime

    def on_the_wire(self, area: int, *, deleted: bool = False) -> WireRow:
        return {
            "orderId": self.id,
            "deliveryAreaId": area,
            "price": self.price_cents,
            "qty": 0 if deleted else self.quantity,
            "updatedAt": wire_time(self.updated_at),
            "deleted": deleted,
        }


@dataclass(slots=True)
class _Book:
    """The orders of one contract in one delivery area."""

    area: int
    contract_id: str
    delivery_start: datetime
    revision_no: int = 0
    orders: dict[str, _Order] = field(default_factory=dict)

    def side(self, side: str) -> list[_Order]:
        return [order for order in self.orders.values() if order.side == side]

    def row(self, orders: Sequence[tuple[_Order, bool]], updated_at: datetime) -> WireRow:
        """Return a LocalViewRow of these orders, each with whether it is gone."""
        by_side = {
            side: [
                order.on_the_wire(self.area, deleted=gone)
                for order, gone in orders
                if order.side == side
            ]
            for side in _SIDES
        }
        return {
            "contractId": self.contract_id,
            "deliveryAreaId": self.area,
            "revisionNo": self.revision_no,
            "buyOrders": by_side["BUY"],
            "sellOrders": by_side["SELL"],
            "updatedAt": wire_time(updated_at),
        }


@dataclass(frozen=True, slots=True)
class BookChange:
    """One change of one book: the area it is seen in, and the row to send."""

    area: int
    row: WireRow


class IntradayMarket:
    """All books and trades of one world."""

    def __init__(self, world: World) -> None:
        now = world.clock.now()
        self._random = random.Random(f"{world.seed} {now.isoformat()}")  # noqa: S311 (a market, no secret)
        self._level = world.signal("intraday", mean=55, daily=45, noise=35)
        self._drift = world.signal("intraday drift", mean=0, noise=6)
        self._order_ids = itertools.count(int(now.timestamp() * 1000) * 1000)
        self._trade_ids = itertools.count(int(now.timestamp() * 1000) * 1000)
        self._books: dict[tuple[int, str], _Book] = {}
        self._trades: deque[WireRow] = deque()
        self._to_cancel: list[tuple[datetime, WireRow]] = []
        for emission in world.journal.emissions(TRADE):
            self._remember(trades_on_the_wire(emission.rows))
        self._open_books(now)

    def book_changes(self, count: int, now: datetime) -> Iterator[BookChange]:
        """Yield `count` changes, after those of contracts that open or close now."""
        yield from self._roll(now)
        books = list(self._books.values())
        for book in self._random.choices(books, k=count):
            yield self._change(book, now)

    def book_snapshot(self, area: int, now: datetime) -> list[WireRow]:
        """Return the rows of every contract that is open in an area."""
        return [
            book.row([(order, False) for order in book.orders.values()], now)
            for book in self._books.values()
            if book.area == area
        ]

    def trades(self, count: int, now: datetime) -> list[WireRow]:
        """Make `count` trades, and cancel those whose time has come; return all as sent."""
        made = [self._trade(now) for _ in range(count)]
        due = [trade for at, trade in self._to_cancel if at <= now]
        self._to_cancel = [(at, trade) for at, trade in self._to_cancel if at > now]
        cancelled = [
            {**trade, "state": "CANCELLED", "revisionNo": 2, "updatedAt": wire_time(now)}
            for trade in due
        ]
        self._remember([*made, *cancelled])
        return [*made, *cancelled]

    def trade_snapshot(self, now: datetime) -> list[WireRow]:
        """Return the latest revision of every trade of the last hour."""
        since = wire_time(now - _TRADES_SHOWN_FOR)
        while self._trades and self._trades[0]["updatedAt"] < since:
            self._trades.popleft()
        return list({trade["tradeId"]: trade for trade in self._trades}.values())

    def _remember(self, trades: Iterable[WireRow]) -> None:
        self._trades.extend(trades)

    def _open_books(self, now: datetime) -> list[_Book]:
        """Open the books that are missing of the quarter-hours to come; return them."""
        first = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + _QUARTER
        opened = []
        for number, area in itertools.product(range(_CONTRACTS), DELIVERY_AREAS):
            start = first + number * _QUARTER
            key = (area, contract_id(start))
            if key not in self._books:
                book = _Book(area, contract_id(start), start)
                for side in _SIDES * _ORDERS_PER_SIDE:
                    self._place(book, side, now)
                self._next_revision(book, now)
                self._books[key] = book
                opened.append(book)
        return opened

    def _roll(self, now: datetime) -> Iterator[BookChange]:
        """Close the books whose delivery begins, and open the next ones."""
        for key, book in list(self._books.items()):
            if book.delivery_start <= now:
                self._next_revision(book, now)
                gone = [(order, True) for order in book.orders.values()]
                yield BookChange(book.area, book.row(gone, now))
                del self._books[key]
        for book in self._open_books(now):
            new = [(order, False) for order in book.orders.values()]
            yield BookChange(book.area, book.row(new, now))

    def _change(self, book: _Book, now: datetime) -> BookChange:
        """Place, change or remove one order, so that each side keeps a handful."""
        self._next_revision(book, now)
        side = self._random.choice(_SIDES)
        standing = book.side(side)
        chance = self._random.random()
        if len(standing) < _ORDERS_PER_SIDE - 2 or (
            chance < 0.4 and len(standing) < _ORDERS_PER_SIDE + 3  # noqa: PLR2004 (shares of actions)
        ):
            return BookChange(book.area, book.row([(self._place(book, side, now), False)], now))
        order = self._random.choice(standing)
        order.updated_at = now
        if chance > 0.7:  # noqa: PLR2004 (the same)
            del book.orders[order.id]
            return BookChange(book.area, book.row([(order, True)], now))
        order.price_cents = self._price_cents(book, side, now)
        order.quantity = self._quantity()
        return BookChange(book.area, book.row([(order, False)], now))

    def _place(self, book: _Book, side: str, now: datetime) -> _Order:
        order = _Order(
            id=str(next(self._order_ids)),
            side=side,
            price_cents=self._price_cents(book, side, now),
            quantity=self._quantity(),
            updated_at=now,
        )
        book.orders[order.id] = order
        return order

    def _next_revision(self, book: _Book, now: datetime) -> None:
        book.revision_no = max(book.revision_no + 1, int(now.timestamp() * 1000))

    def _price_cents(self, book: _Book, side: str, now: datetime) -> int:
        """Return a price on its own side of the middle, further off for most than for some."""
        level = self._level.at(np.array([book.delivery_start.timestamp()]))
        drift = self._drift.at(np.array([now.timestamp()]))
        away = 0.2 + self._random.expovariate(0.5)
        middle = float(level[0] + drift[0])
        return round(100 * (middle - away if side == "BUY" else middle + away))

    def _quantity(self) -> int:
        return 100 * self._random.randint(1, 250)

    def _trade(self, now: datetime) -> WireRow:
        book = self._random.choice(list(self._books.values()))
        buyer, seller = self._random.choices(list(DELIVERY_AREAS), k=2)
        price, quantity = self._price_cents(book, "BUY", now), self._quantity()
        aggressor = self._random.choice(_SIDES)
        trade = {
            "tradeId": str(next(self._trade_ids)),
            "tradeTime": wire_time(now),
            "state": "COMPLETED",
            "currency": "EUR",
            "eventSequenceNo": None,
            "revisionNo": 1,
            "mediumDisplayName": contract_name(book.delivery_start),
            "selfTrade": None,
            "updatedAt": wire_time(now),
            "legs": [
                {
                    "contractId": book.contract_id,
                    "side": side,
                    "unitPrice": price,
                    "quantity": quantity,
                    "deliveryAreaId": area,
                    "aggressor": side == aggressor,
                }
                for side, area in (("BUY", buyer), ("SELL", seller))
            ],
        }
        if self._random.random() < _CANCELLED_SHARE:
            after = timedelta(seconds=self._random.uniform(*_CANCELLED_AFTER_SECONDS))
            self._to_cancel.append((now + after, trade))
        return trade


def wire_time(instant: datetime) -> str:
    """Write an instant as Nord Pool does: milliseconds, UTC."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def contract_id(delivery_start: datetime) -> str:
    """Return the id of the quarter-hour that begins then."""
    return f"NX_{int(delivery_start.timestamp()) // 900}"


def contract_name(delivery_start: datetime) -> str:
    """Return the name of the quarter-hour that begins then."""
    return f"QH-{delivery_start:%Y%m%d-%H%M}"


def open_contracts(at: datetime) -> list[str]:
    """Return the ids of the contracts whose books are open at an instant of market time."""
    first = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0) + _QUARTER
    return [contract_id(first + number * _QUARTER) for number in range(_CONTRACTS)]


def book_rows(sent: Iterable[WireRow], sent_at: datetime, *, is_snapshot: bool) -> list[Row]:
    """Return LocalViewRows in the columns of the order book's table."""
    return [
        {
            "delivery_area_id": str(row["deliveryAreaId"]),
            "contract_id": row["contractId"],
            "side": side,
            "order_id": order["orderId"],
            "revision_no": row["revisionNo"],
            "is_snapshot": is_snapshot,
            "observed_at": datetime.fromisoformat(order["updatedAt"]),
            "published_at": sent_at,
            "price_eur_per_mwh": order["price"] / 100,
            "volume_mw": order["qty"] / 1000,
            "deleted": order["deleted"],
        }
        for row in sent
        for side, orders in (("BUY", row["buyOrders"]), ("SELL", row["sellOrders"]))
        for order in orders
    ]


def trade_rows(sent: Iterable[WireRow], sent_at: datetime) -> list[Row]:
    """Return PublicTradeRows in the columns of the trades' table, one for each leg."""
    return [
        {
            "trade_id": trade["tradeId"],
            "contract_id": leg["contractId"],
            "side": leg["side"],
            "delivery_area_id": str(leg["deliveryAreaId"]),
            "revision_no": trade["revisionNo"],
            "observed_at": datetime.fromisoformat(trade["tradeTime"]),
            "updated_at": datetime.fromisoformat(trade["updatedAt"]),
            "published_at": sent_at,
            "contract_name": trade["mediumDisplayName"],
            "state": trade["state"],
            "price_eur_per_mwh": leg["unitPrice"] / 100,
            "price_gbp_per_mwh": None,
            "volume_mw": leg["quantity"] / 1000,
            "is_aggressor": leg["aggressor"],
            "deleted": False,
        }
        for trade in sent
        for leg in trade["legs"]
    ]


def trades_on_the_wire(rows: Sequence[Mapping[str, Any]]) -> list[WireRow]:
    """Return journalled rows of the trades' table as they were sent: the legs of each together."""
    sent = []
    for _, grouped in itertools.groupby(rows, lambda row: (row["trade_id"], row["revision_no"])):
        legs = list(grouped)
        first = legs[0]
        sent.append(
            {
                "tradeId": first["trade_id"],
                "tradeTime": wire_time(datetime.fromisoformat(first["observed_at"])),
                "state": first["state"],
                "currency": "EUR",
                "eventSequenceNo": None,
                "revisionNo": first["revision_no"],
                "mediumDisplayName": first["contract_name"],
                "selfTrade": None,
                "updatedAt": wire_time(datetime.fromisoformat(first["updated_at"])),
                "legs": [
                    {
                        "contractId": leg["contract_id"],
                        "side": leg["side"],
                        "unitPrice": round(leg["price_eur_per_mwh"] * 100),
                        "quantity": round(leg["volume_mw"] * 1000),
                        "deliveryAreaId": int(leg["delivery_area_id"]),
                        "aggressor": leg["is_aggressor"],
                    }
                    for leg in legs
                ],
            }
        )
    return sent
