"""Lets the simulated intraday market trade in the past, and keeps what a collector is sent.

The market is the simulator's own, at instants some minutes apart instead of all the time: at each
of them some orders are placed, and some match. So prices, contracts and gates are those of the
world, and trades are fewer. The order book of one delivery area is kept for the last hours alone,
since it is by far the densest; there the market moves each few seconds.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from demo.windows import Window
from energy_platform.market.raw_message import RawMessage
from simulator.providers.nord_pool.market import CONTRACT, ORDER_BOOK, TRADE, IntradayMarket
from simulator.world import World

TOLD: Final = (CONTRACT, TRADE, ORDER_BOOK)
"""The sources that are told of the intraday market."""

_EACH: Final = timedelta(minutes=10)
_ORDERS: Final = 20
"""Acts of all traders each time; most are about near deliveries."""
_BOOK_LASTS: Final = timedelta(hours=4)
_EACH_OF_THE_BOOK: Final = timedelta(seconds=10)
_ORDERS_OF_THE_BOOK: Final = 20
_AREA: Final = 24
"""The delivery area whose view of the books is kept: that of TenneT."""
_TOPICS: Final = {
    CONTRACT: "v1/streaming/contracts",
    TRADE: "v2/streaming/ticker",
    ORDER_BOOK: f"v1/streaming/localview/{_AREA}",
}


def told(windows: Iterable[Window], world: World) -> Iterator[tuple[str, RawMessage]]:
    """Yield what the intraday market tells, each message with its source, in order of receipt.

    A collector is connected from the start of each window. The book is sent at the end of the last.
    """
    chosen = list(windows)
    for window in chosen:
        book_from = window.end_at - _BOOK_LASTS if window is chosen[-1] else window.end_at
        yield from _told_in(window, book_from, world)


def _told_in(window: Window, book_from: datetime, world: World) -> Iterator[tuple[str, RawMessage]]:
    at = world.clock.frozen_at = window.start_at
    market, line = IntradayMarket(world), _Line()
    yield line.snapshot(CONTRACT, market.contract_snapshot(), at)
    yield line.snapshot(TRADE, [], at)
    while at < book_from:
        at += _EACH
        moves = market.move(_ORDERS, at)
        yield from line.deltas({CONTRACT: moves.contracts, TRADE: moves.trades}, at)
    if at < window.end_at:
        rows = [book.on_the_wire(_AREA) for book in market.book_snapshot(at)]
        yield line.snapshot(ORDER_BOOK, rows, at)
    while at < window.end_at:
        at += _EACH_OF_THE_BOOK
        moves = market.move(_ORDERS_OF_THE_BOOK, at)
        books = [book.on_the_wire(_AREA) for book in moves.books]
        sent = {CONTRACT: moves.contracts, TRADE: moves.trades, ORDER_BOOK: books}
        yield from line.deltas(sent, at)


class _Line:
    """The line to one collector, which numbers the messages of each topic."""

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(TOLD, 0)

    def snapshot(self, source: str, rows: Sequence[Any], at: datetime) -> tuple[str, RawMessage]:
        """Return the message that a topic begins with."""
        return self._message(source, rows, at, is_snapshot=True)

    def deltas(
        self, sent: Mapping[str, Sequence[Any]], at: datetime
    ) -> Iterator[tuple[str, RawMessage]]:
        """Yield what is sent at an instant, a message for each topic with news."""
        for source, rows in sent.items():
            if rows:
                yield self._message(source, rows, at, is_snapshot=False)

    def _message(
        self, source: str, rows: Sequence[Any], at: datetime, *, is_snapshot: bool
    ) -> tuple[str, RawMessage]:
        self._numbers[source] += 1
        context = {
            "destination": _TOPICS[source],
            "sequence_no": str(self._numbers[source]),
            "snapshot": str(is_snapshot).lower(),
            "sent_at": str(int(at.timestamp() * 1000)),
        }
        return source, RawMessage(body=json.dumps(rows).encode(), received_at=at, context=context)
