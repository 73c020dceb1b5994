"""A matching engine: the orders of one contract, matched by price and then by time.

An incoming order that crosses trades with the best resting orders of the other side, one after the
other, each at the resting order's price. Its remainder rests. So a book is never crossed.
"""

import itertools
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

BUY: Final = "BUY"
SELL: Final = "SELL"
SIDES: Final = (BUY, SELL)
OTHER_SIDE: Final = {BUY: SELL, SELL: BUY}


class ShownOrder(NamedTuple):
    """The visible part of an order at some moment."""

    id: str
    side: str
    price_cents: int
    quantity_kw: int
    updated_at: datetime


@dataclass(slots=True, eq=False)
class Order:
    """One order.

    Attributes:
        id: The exchange's number of it.
        side: `BUY` or `SELL`.
        area: The delivery area of whoever placed it.
        price_cents: Its limit, EUR cents per MWh.
        quantity_kw: What is left to trade.
        updated_at: When it last changed.
        entered: Its place in time among the orders of its book; 0 before it is let in.
    """

    id: str
    side: str
    area: int
    price_cents: int
    quantity_kw: int
    updated_at: datetime
    entered: int = 0

    @property
    def shown(self) -> "ShownOrder":
        """Its visible part now."""
        return ShownOrder(self.id, self.side, self.price_cents, self.quantity_kw, self.updated_at)

    @property
    def rank(self) -> tuple[int, int]:
        """The sort key of one side's orders: the best price first, then the earliest."""
        return (-self.price_cents if self.side == BUY else self.price_cents, self.entered)

    def crosses(self, resting: "Order") -> bool:
        """Return whether it may trade at the price of an order of the other side."""
        if self.side == BUY:
            return self.price_cents >= resting.price_cents
        return self.price_cents <= resting.price_cents


@dataclass(frozen=True, slots=True)
class Match:
    """A trade between two orders.

    Attributes:
        price_cents: The resting order's limit.
        quantity_kw: How much.
        areas: The delivery area of each side.
        aggressor: The side of the order that came in.
    """

    price_cents: int
    quantity_kw: int
    areas: dict[str, int]
    aggressor: str


@dataclass(slots=True)
class OrderBook:
    """The resting orders of one contract."""

    _sides: dict[str, list[Order]] = field(default_factory=lambda: {side: [] for side in SIDES})
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def side(self, side: str) -> Sequence[Order]:
        """Return the orders of a side, the best first."""
        return self._sides[side]

    def orders(self) -> list[Order]:
        """Return all orders."""
        return [order for side in SIDES for order in self._sides[side]]

    def submit(self, order: Order, now: datetime) -> tuple[list[Match], list[Order]]:
        """Match an incoming order; its remainder rests in the book.

        Returns:
            What was traded, and the resting orders that it was traded with.
        """
        order.entered, order.updated_at = next(self._count), now
        against = self._sides[OTHER_SIDE[order.side]]
        matches, traded = [], []
        while order.quantity_kw and against and order.crosses(against[0]):
            resting = against[0]
            quantity = min(order.quantity_kw, resting.quantity_kw)
            order.quantity_kw -= quantity
            resting.quantity_kw -= quantity
            resting.updated_at = now
            areas = {order.side: order.area, resting.side: resting.area}
            matches.append(Match(resting.price_cents, quantity, areas, order.side))
            traded.append(resting)
            if not resting.quantity_kw:
                del against[0]
        if order.quantity_kw:
            insort(self._sides[order.side], order, key=lambda each: each.rank)
        return matches, traded

    def take_out(self, order: Order) -> None:
        """Remove a resting order; if it is submitted again, it is the last in time."""
        self._sides[order.side].remove(order)
