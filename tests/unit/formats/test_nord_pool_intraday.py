"""Nord Pool Intraday's messages: units, legs, snapshots, and books made from events."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from energy_platform.errors import ParseError
from energy_platform.formats.nord_pool_intraday import order_events, standing_orders, trade_legs
from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.nord_pool_intraday_order_book import NORD_POOL_INTRADAY_ORDER_BOOK
from energy_platform.sources.nord_pool_intraday_trade import NORD_POOL_INTRADAY_TRADE

AT = "2026-10-25T02:30:00.000+02:00"


def a_message(rows: object, offset: int = 0, **context: str) -> RawMessage:
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    received_at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    return RawMessage(
        body=body,
        received_at=received_at,
        context={"snapshot": "false", **context},
        landing_offset=offset,
    )


def an_order(identity: str, **fields: Any) -> dict[str, Any]:
    return {
        "orderId": identity,
        "price": 4150,
        "qty": 1500,
        "updatedAt": AT,
        "deleted": False,
    } | fields


def a_book(
    revision: int, buy: list[Any] | None = None, sell: list[Any] | None = None, **fields: Any
) -> dict[str, Any]:
    return {
        "contractId": "NX_1",
        "deliveryAreaId": 22,
        "revisionNo": revision,
        "buyOrders": buy or [],
        "sellOrders": sell or [],
        "updatedAt": AT,
    } | fields


def a_trade(**fields: Any) -> dict[str, Any]:
    leg = {"contractId": "NX_1", "side": "BUY", "unitPrice": -501, "quantity": 700}
    legs = [leg | {"deliveryAreaId": 22}, leg | {"side": "SELL", "deliveryAreaId": 24}]
    return {
        "tradeId": "7",
        "tradeTime": AT,
        "state": "COMPLETED",
        "currency": "EUR",
        "revisionNo": 1,
        "updatedAt": AT,
        "legs": legs,
    } | fields


def test_cents_kilowatts_and_offsets_become_ours() -> None:
    message = a_message([a_book(5, [an_order("1", price=-12)])], sent_at="1792888200123")
    [only] = order_events([message]).rows(named=True)
    assert (only["price_eur_per_mwh"], only["volume_mw"]) == (-0.12, 1.5)
    assert only["observed_at"] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert only["published_at"] == datetime(2026, 10, 25, 0, 30, 0, 123000, tzinfo=UTC)


def test_prices_are_the_nearest_floats() -> None:
    cents = np.arange(-20_000, 20_000, 7)
    orders = [an_order(str(number), price=int(price)) for number, price in enumerate(cents)]
    prices = order_events([a_message([a_book(5, orders)])])["price_eur_per_mwh"]
    assert prices.to_list() == [int(price) / 100 for price in cents]


def test_the_repeated_hour_stays_two_instants() -> None:
    winter = AT.replace("+02:00", "+01:00")
    book = a_book(5, [an_order("1"), an_order("2", updatedAt=winter)])
    first, second = order_events([a_message([book])])["observed_at"]
    assert (second - first).total_seconds() == 3600


def test_many_messages_are_read_at_once_and_rows_know_theirs() -> None:
    messages = [
        a_message([a_book(n, [an_order("1")], [an_order("2")])], offset=100 + n) for n in range(3)
    ]
    events = order_events(messages)
    assert events["landing_offset"].to_list() == [100, 100, 101, 101, 102, 102]
    assert events["side"].to_list() == ["BUY", "SELL"] * 3


def test_an_empty_book_is_said_by_a_snapshot_and_not_by_a_delta() -> None:
    snapshot = order_events([a_message([a_book(5)], snapshot="true")])
    assert snapshot.select("side", "order_id", "deleted").rows() == [("EMPTY", "EMPTY", True)]
    assert order_events([a_message([a_book(5)], snapshot="false")]).is_empty()


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"5", b"[{]", b"[{}],[{}]", b"\xff\xfe"])
@pytest.mark.parametrize("parse", [order_events, trade_legs])
def test_what_is_no_array_of_rows_is_refused(parse: Any, body: bytes) -> None:
    with pytest.raises(ParseError):
        parse([a_message(body)])


@pytest.mark.parametrize("parse", [order_events, trade_legs])
def test_two_halves_of_a_message_are_not_a_message(parse: Any) -> None:
    with pytest.raises(ParseError, match="not JSON"):
        parse([a_message(b"[{}"), a_message(b"{}]")])


def test_nothing_odd_vanishes() -> None:
    odd = [
        *(None, 1, "a", {}, a_book(1, [None]), a_book(2, [an_order("1", orderId=None)])),
        *(a_book(3, [an_order("1", qty=-1)]), a_book(4, [an_order("1", updatedAt="soon")])),
    ]
    messages = [a_message([row], offset=n) for n, row in enumerate(odd)]
    checked = check_messages(NORD_POOL_INTRADAY_ORDER_BOOK, messages)
    assert checked.rows.height + checked.quarantined.height >= len(odd)
    assert checked.quarantined["landing_offset"].to_list() == [*range(8)]
    trades = [a_trade(legs=[]), a_trade(legs=None), a_trade(currency="NOK"), a_trade(state="NEW")]
    checked = check_messages(
        NORD_POOL_INTRADAY_TRADE, [a_message([row], offset=n) for n, row in enumerate(trades)]
    )
    assert checked.rows.is_empty()
    assert set(checked.quarantined["landing_offset"]) == {0, 1, 2, 3}


def test_a_trade_is_a_row_for_each_leg() -> None:
    legs = trade_legs([a_message([a_trade()])])
    said = legs.select("trade_id", "side", "delivery_area_id", "price_eur_per_mwh", "volume_mw")
    assert said.rows() == [("7", "BUY", "22", -5.01, 0.7), ("7", "SELL", "24", -5.01, 0.7)]
    assert legs.select(NORD_POOL_INTRADAY_TRADE.key).is_unique().all()


def test_pounds_are_not_euros() -> None:
    legs = trade_legs([a_message([a_trade(currency="GBP")])])
    assert legs["price_gbp_per_mwh"].to_list() == [-5.01, -5.01]
    assert legs["price_eur_per_mwh"].null_count() == 2


def test_version_1_numbers_events_in_place_of_revisions() -> None:
    old = a_trade(revisionNo=None, eventSequenceNo=42, deleted=True)
    legs = trade_legs([a_message([old])])
    assert legs.select("revision_no", "deleted").unique().rows() == [(42, True)]


def standing(*messages: RawMessage) -> list[tuple[str, str, float]]:
    orders = standing_orders(order_events(messages).lazy()).sort("side", "order_id").collect()
    return orders.select("side", "order_id", "volume_mw").rows()


def test_a_book_is_its_snapshot_and_the_changes_after_it() -> None:
    old = a_message([a_book(1, [an_order("0")])], snapshot="true")
    lost = a_message([a_book(2, [an_order("9")])])
    snapshot = a_message(
        [a_book(5, [an_order("1")], [an_order("2"), an_order("3")])], snapshot="true"
    )
    changed = a_message([a_book(6, [an_order("1", qty=900)])])
    removed = a_message([a_book(7, [], [an_order("2", deleted=True, qty=0)])])
    expected = [("BUY", "1", 0.9), ("SELL", "3", 1.5)]
    assert standing(old, lost, snapshot, changed, removed) == expected
    assert standing(removed, changed, snapshot, lost, old) == expected, "in whichever order"
    assert standing(old, lost, snapshot, changed, removed, changed) == expected, "or twice"


def test_an_empty_snapshot_empties_the_book() -> None:
    full = a_message([a_book(1, [an_order("1")])], snapshot="true")
    empty = a_message([a_book(4)], snapshot="true")
    assert standing(full, empty) == []


def test_a_book_without_a_snapshot_is_what_the_changes_left() -> None:
    assert standing(a_message([a_book(1, [an_order("1")])])) == [("BUY", "1", 1.5)]
