"""Whoever follows what the hot lane announces has the books that the exchange has."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.books import StandingBooks
from energy_platform.formats.nord_pool_intraday import order_events, standing_orders
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.hot_lane.lane import HotLane
from tests.support.stores import batches_in, land

SOURCE = market_source("nord_pool_intraday_order_book")
BEGIN = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
CONTRACTS = ("NX_1", "NX_2", "NX_3")
WHERE = ["delivery_area_id", "contract_id", "side", "order_id"]

_Order = dict[str, Any]


@dataclass
class Exchange:
    """An exchange that sends what happens in its books, and forgets no revision."""

    chance: random.Random
    books: dict[str, dict[str, _Order]] = field(
        default_factory=lambda: {contract: {} for contract in CONTRACTS}
    )
    revisions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CONTRACTS, 0))
    sent: int = 0

    def change(self) -> RawMessage:
        """Place, change or take out an order, and tell of it."""
        contract = self.chance.choice(CONTRACTS)
        book = self.books[contract]
        self.revisions[contract] += 1
        name = self.chance.choice([*book, f"{self.sent}"])
        order = {"orderId": name, "qty": 100 * self.chance.randint(1, 9), "deleted": False}
        order |= {"price": self.chance.randint(4_000, 4_010), "updatedAt": self._now()}
        order["side"] = book[name]["side"] if name in book else self.chance.choice(["buy", "sell"])
        if name in book and self.chance.random() < 0.6:
            order |= {"qty": 0, "deleted": True}
            del book[name]
        else:
            book[name] = order
        return self._message([self._row(contract, [order])], snapshot="false")

    def snapshot(self) -> RawMessage:
        """Tell all books, as after a reconnect."""
        rows = [self._row(contract, self.books[contract].values()) for contract in CONTRACTS]
        return self._message(rows, snapshot="true")

    def _row(self, contract: str, orders: Iterable[_Order]) -> dict[str, Any]:
        told = list(orders)
        return {
            "contractId": contract,
            "deliveryAreaId": 22,
            "revisionNo": self.revisions[contract],
            "updatedAt": self._now(),
            **{f"{side}Orders": [one for one in told if one["side"] == side] for side in SIDES},
        }

    def _message(self, rows: list[dict[str, Any]], snapshot: str) -> RawMessage:
        self.sent += 1
        return RawMessage(
            body=json.dumps(rows).encode(),
            received_at=BEGIN + timedelta(seconds=self.sent),
            context={"snapshot": snapshot},
            landing_offset=self.sent - 1,
        )

    def _now(self) -> str:
        return (BEGIN + timedelta(seconds=self.sent)).isoformat()


SIDES = ("buy", "sell")


class Follower(Announcer):
    """Keeps books of what is announced to it."""

    def __init__(self) -> None:
        self.books = StandingBooks()

    def has_told(self, source: str) -> bool:
        """Be always up to date."""
        del source
        return True

    def announce(self, source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        """Follow the rows."""
        del source, copy, offsets
        self.books.follow(rows)


@pytest.mark.parametrize("seed", range(2))
def test_followed_books_are_the_exchanges_books(tmp_path: Path, seed: int) -> None:
    chance, follower = random.Random(seed), Follower()
    exchange, landed = Exchange(chance), list[RawMessage]()
    batches = replace(batches_in(tmp_path), announcer=follower)
    lane = HotLane(batches, SOURCE)
    for _ in range(30):
        coming = [exchange.change() for _ in range(chance.randint(1, 3))]
        match chance.random():
            case lost if lost < 0.2:
                coming = [exchange.snapshot()]
            case again if again < 0.3:
                coming += coming
            case empty if empty < 0.35:
                exchange.books = {contract: {} for contract in CONTRACTS}
                exchange.revisions = {name: at + 1 for name, at in exchange.revisions.items()}
                coming = [exchange.snapshot()]
            case anew if anew < 0.4:
                batches.run(SOURCE)
                lane = HotLane(batches, SOURCE)
        landed += [replace(one, landing_offset=len(landed) + at) for at, one in enumerate(coming)]
        land(batches, coming, source=SOURCE)
        lane.bring_up()
        orders = follower.books.orders().sort(WHERE)
        told = standing_orders(order_events(landed).lazy()).collect().sort(WHERE)
        said = [*WHERE, "revision_no", "price_eur_per_mwh", "volume_mw"]
        assert_frame_equal(orders.select(said), told.select(said))
    land(batches, [exchange.snapshot()], source=SOURCE)
    lane.bring_up()
    true = {(name, order) for name, book in exchange.books.items() for order in book}
    assert {*follower.books.orders().select("contract_id", "order_id").iter_rows()} == true
