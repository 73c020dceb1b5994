"""Ladder and tape show what stands and what counts, after each message and after a loss."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from energy_platform.books import standing
from energy_platform.dashboard import intraday
from energy_platform.dashboard.intraday import BOOK, TRADE
from energy_platform.dashboard.intraday import CONTRACT as CONTRACTS
from energy_platform.pipeline.hot_lane import missed_rows
from tests.support.dashboard import Desk, Page

CONTRACT = "NX_1"
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
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


def send_contract(desk: Desk, name: str, start: datetime, state: str = "ACTI", **said: Any) -> None:
    area = {"dlvryAreaId": 23, "state": state, "openAt": (start - 30 * HOUR).isoformat(),
            "closedAt": (start - timedelta(minutes=5)).isoformat()}  # fmt: skip
    row = {
        "contractId": name, "contractName": f"QH {name}", "durationSeconds": 900,
        "resolutionSeconds": 900, "predefined": True, "deleted": False, "marketId": "XBID",
        "productId": "QH", "productType": "P15MIN", "dlvryStart": start.isoformat(),
        "dlvryEnd": (start + QUARTER).isoformat(), "dlvryAreaState": [area],
        "updatedAt": datetime.now(UTC).isoformat(), **said,
    }  # fmt: skip
    desk.receive(CONTRACTS, [row])


def send_day_ahead(desk: Desk, start: datetime, price: float) -> None:
    seconds = [int((start + number * QUARTER).timestamp()) for number in range(4)]
    said = {"unix_seconds": seconds, "price": [price] * 4, "unit": "EUR / MWh",
            "deprecated": False}  # fmt: skip
    desk.receive("energy_charts_price", said, bzn="DE-LU")


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


def test_a_change_that_comes_very_late_makes_the_books_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "_REMEMBERED", timedelta())
    monkeypatch.setattr(standing, "_FORGETS_EVERY", timedelta())
    monkeypatch.setattr(intraday, "_DOUBT_SECONDS", 0.0)
    send_book(desk, 1, buys=[order("a", 49.0, 5.0)], snapshot=True)
    with desk.page(**{LADDER: None}) as page:
        page.until(lambda: ladder(page) == [("BUY", 49.0, 5.0, 1)])
        send_book(desk, 3, buys=[order("a", 49.0, 5.0, deleted=True)])
        page.until(lambda: ladder(page) == [])
        send_book(desk, 4, buys=[order("b", 48.0, 2.0)])
        page.until(lambda: ladder(page) == [("BUY", 48.0, 2.0, 1)])
        # Nobody but the stores knows whether this order went meanwhile.
        send_book(desk, 2, buys=[order("c", 47.0, 1.0)])
        page.until(lambda: ladder(page) == [("BUY", 47.0, 1.0, 1), ("BUY", 48.0, 2.0, 1)])


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_book_of_many_changes_is_made_of_what_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_stored: bool
) -> None:
    """The rows before the newest snapshot, and those of orders that went, don't count."""
    monkeypatch.setattr(missed_rows, "MOST_ROWS", 6)
    for revision in range(1, 9):
        send_book(desk, revision, buys=[order(f"old {revision}", 40.0, 1.0)])
    send_book(desk, 10, buys=[order("a", 49.0, 5.0), order("b", 48.0, 1.0)], snapshot=True)
    for revision in range(11, 16):
        send_book(desk, revision, buys=[order("a", 49.0, float(revision))])
    if is_stored:
        desk.batch(BOOK)
    with desk.page(**{LADDER: None}) as page:
        page.until(lambda: ladder(page) == [("BUY", 48.0, 1.0, 1), ("BUY", 49.0, 15.0, 1)])
        assert LADDER not in page.errors


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


def test_a_contract_has_its_market_in_one_row(desk: Desk) -> None:
    topic = "contracts:DE-LU:QH"
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + 2 * HOUR
    send_day_ahead(desk, start, 77.5)
    desk.batch("energy_charts_price")
    send_contract(desk, CONTRACT, start)
    send_contract(desk, "NX_0", start - 2 * HOUR)
    send_book(desk, 1, buys=[order("a", 49.0, 5.0)], sells=[order("b", 51.5, 3.0)], snapshot=True)
    with desk.page(**{topic: None}) as page:

        def row() -> dict[str, Any]:
            return page.rows.get(topic, {}).get(CONTRACT, {})

        page.until(lambda: row().get("bid_eur_per_mwh") == 49.0)
        # The gate of the other one is closed.
        assert list(page.rows[topic]) == [CONTRACT]
        assert row()["name"] == f"QH {CONTRACT}"
        assert (row()["ask_eur_per_mwh"], row()["spread_eur_per_mwh"]) == (51.5, 2.5)
        assert row()["day_ahead_eur_per_mwh"] == 77.5
        send_day_ahead(desk, start, -3.5)
        page.until(lambda: row()["day_ahead_eur_per_mwh"] == -3.5)
        assert row()["last_eur_per_mwh"] is None
        send_trade(desk, "t1", "COMPLETED", 1)
        page.until(lambda: row()["last_eur_per_mwh"] == 80.0)
        assert (row()["volume_mwh"], row()["vwap_eur_per_mwh"]) == (0.5, 80.0)
        send_trade(desk, "t1", "CANCELLED", 2)
        page.until(lambda: row()["last_eur_per_mwh"] is None)
        send_book(desk, 2, snapshot=True)
        page.until(lambda: row()["bid_eur_per_mwh"] is None)
        told = desk.get("/api/contracts", product="QH").json()["rows"]
        assert [one["contract_id"] for one in told] == [CONTRACT]
        send_contract(desk, CONTRACT, start, "IACT", deleted=True)
        page.until(lambda: page.rows[topic] == {})


def test_book_trades_and_bars_over_http_are_as_of_any_moment(desk: Desk) -> None:
    send_book(desk, 1, buys=[order("a", 49.0, 5.0)], snapshot=True)
    send_trade(desk, "t1", "COMPLETED", 1)
    desk.batch(BOOK, TRADE)
    then = datetime.now(UTC).isoformat()
    send_book(desk, 2, buys=[order("a", 49.0, 5.0, deleted=True), order("b", 48.0, 1.0)])
    send_trade(desk, "t1", "CANCELLED", 2)

    def told(resource: str, column: str, **query: str) -> list[object]:
        answer = desk.get(f"/api/{resource}/DE-LU/{CONTRACT}", **query)
        assert answer.status_code == 200, answer.text
        return [row[column] for row in answer.json()["rows"]]

    assert told("book", "price_eur_per_mwh") == [48.0]
    assert told("book", "price_eur_per_mwh", as_of=then) == [49.0]
    assert told("trades", "state") == ["CANCELLED"]
    assert told("trades", "state", as_of=then) == ["COMPLETED"]
    assert told("bars", "close_eur_per_mwh", every="PT1M") == []
    assert told("bars", "close_eur_per_mwh", every="PT1M", as_of=then) == [80.0]


@pytest.mark.parametrize("topic", ["book:XX:NX_1", "trades:DE-LU:", "book:DE-LU"])
def test_an_area_or_a_contract_that_can_not_be_is_no_topic(desk: Desk, topic: str) -> None:
    with desk.page(**{topic: None}) as page:
        page.until(lambda: topic in page.errors)
