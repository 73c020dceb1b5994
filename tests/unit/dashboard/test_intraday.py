"""Ladder and tape show what stands and what counts, after each message and after a loss."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from energy_platform.dashboard.intraday import BOOK, TRADE
from tests.support.dashboard import Desk, Page

CONTRACT = "NX_1"
LADDER = f"book:DE-LU:{CONTRACT}"
TAPE = f"trades:DE-LU:{CONTRACT}"
NOW = (datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)).isoformat()


def order(name: str, price: float, mw: float, *, deleted: bool = False) -> dict[str, Any]:
    return {
        "orderId": name, "price": round(price * 100), "qty": round(mw * 1000), "updatedAt": NOW,
        "deleted": deleted,
    }  # fmt: skip


def send_book(
    desk: Desk, revision: int, *, buys: Any = (), sells: Any = (), snapshot: bool = False
) -> None:
    row = {
        "contractId": CONTRACT, "deliveryAreaId": 23, "revisionNo": revision, "updatedAt": NOW,
        "buyOrders": list(buys), "sellOrders": list(sells),
    }  # fmt: skip
    desk.receive(BOOK, [row], snapshot=str(snapshot).lower())


def send_trade(desk: Desk, name: str, state: str, revision: int) -> None:
    legs = [
        {"contractId": CONTRACT, "side": side, "unitPrice": 8000, "quantity": 2000,
         "deliveryAreaId": 23, "aggressor": side == "BUY"}
        for side in ("BUY", "SELL")
    ]  # fmt: skip
    row = {
        "tradeId": name, "tradeTime": NOW, "state": state, "currency": "EUR",
        "revisionNo": revision, "deleted": False, "mediumDisplayName": "PH", "updatedAt": NOW,
        "legs": legs,
    }  # fmt: skip
    desk.receive(TRADE, [row])


def ladder(page: Page) -> list[tuple[object, ...]]:
    rows = page.rows.get(LADDER, {}).values()
    return sorted(
        (one["side"], one["price_eur_per_mwh"], one["volume_mw"], one["orders"]) for one in rows
    )


def test_the_ladder_follows_each_change_of_the_book(desk: Desk) -> None:
    sells = [order("b", 51.0, 3.0), order("c", 51.0, 1.5)]
    send_book(desk, 1, buys=[order("a", 49.0, 5.0)], sells=sells, snapshot=True)
    with desk.page(**{LADDER: None}) as page:
        page.until(lambda: ladder(page) == [("BUY", 49.0, 5.0, 1), ("SELL", 51.0, 4.5, 2)])
        send_book(desk, 2, buys=[order("a", 49.0, 5.0, deleted=True)])
        page.until(lambda: ladder(page) == [("SELL", 51.0, 4.5, 2)])
        send_book(desk, 3, buys=[order("d", 50.0, 1.0)])
        page.until(lambda: ladder(page) == [("BUY", 50.0, 1.0, 1), ("SELL", 51.0, 4.5, 2)])
        assert page.snapshots == {LADDER: 1}
        [bid] = [one for one in page.rows[LADDER].values() if one["side"] == "BUY"]
        assert bid["landing_offset"] == 2
        # The exchange begins anew: the book is empty.
        send_book(desk, 4, snapshot=True)
        page.until(lambda: ladder(page) == [])


def test_a_book_that_changed_while_the_bus_was_down_is_right_afterwards(desk: Desk) -> None:
    send_book(desk, 1, buys=[order("a", 49.0, 5.0)], snapshot=True)
    with desk.page(**{LADDER: None}) as page:
        page.until(lambda: ladder(page) == [("BUY", 49.0, 5.0, 1)])
        desk.bus.kill()
        page.until(lambda: page.beats and page.beats[-1]["behind"])
        send_book(desk, 2, buys=[order("b", 48.0, 2.0)])
        send_book(desk, 3, buys=[order("a", 49.0, 5.0, deleted=True)])
        desk.bus.start()
        page.until(lambda: ladder(page) == [("BUY", 48.0, 2.0, 1)])
        page.until(lambda: not page.beats[-1]["behind"])


def test_a_cancelled_trade_is_shown_as_cancelled(desk: Desk) -> None:
    send_trade(desk, "t1", "COMPLETED", 1)
    with desk.page(**{TAPE: None}) as page:
        page.until(lambda: list(page.rows.get(TAPE, {})) == ["t1"])
        assert page.rows[TAPE]["t1"]["aggressor"] == "BUY"
        send_trade(desk, "t1", "CANCELLED", 2)
        send_trade(desk, "t2", "COMPLETED", 1)
        page.until(lambda: len(page.rows[TAPE]) == 2)
        row = page.rows[TAPE]["t1"]
        assert row["flags"] == ["revised"]
        assert (row["state"], row["was"]) == ("CANCELLED", {"state": "COMPLETED"})


@pytest.mark.parametrize("topic", ["book:XX:NX_1", "trades:DE-LU:", "book:DE-LU"])
def test_an_area_or_a_contract_that_can_not_be_is_no_topic(desk: Desk, topic: str) -> None:
    with desk.page(**{topic: None}) as page:
        page.until(lambda: topic in page.errors)
