"""The matching engine of the simulated intraday exchange, and what is traded in it when."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from simulator.providers.nord_pool.contracts import Contract, contracts_open_at
from simulator.providers.nord_pool.order_book import BUY, SELL, Match, Order, OrderBook

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
_IDS = itertools.count(1)


def an_order(side: str, price_cents: int, quantity_kw: int, area: int = 22) -> Order:
    return Order(str(next(_IDS)), side, area, price_cents, quantity_kw, NOW)


def a_book(*orders: Order) -> OrderBook:
    book = OrderBook()
    for order in orders:
        book.submit(order, NOW)
    return book


def test_the_best_price_trades_first_and_of_one_price_the_earliest() -> None:
    dear, early, late = (an_order(SELL, price, 1_000) for price in (5_100, 5_000, 5_000))
    book = a_book(dear, early, late)
    matches, traded = book.submit(an_order(BUY, 5_100, 2_500, area=25), NOW)
    assert traded == [early, late, dear]
    assert [(match.price_cents, match.quantity_kw) for match in matches] == [
        (5_000, 1_000),
        (5_000, 1_000),
        (5_100, 500),
    ]
    assert [order.quantity_kw for order in book.side(SELL)] == [500]
    assert not book.side(BUY)


@pytest.mark.parametrize(("side", "limit"), [(BUY, 5_500), (SELL, 4_500)])
def test_a_trade_is_made_at_the_resting_price_and_has_both_sides(side: str, limit: int) -> None:
    resting = an_order(SELL if side == BUY else BUY, 5_000, 1_000, area=23)
    [match], _ = a_book(resting).submit(an_order(side, limit, 400, area=24), NOW)
    assert match == Match(5_000, 400, {side: 24, resting.side: 23}, aggressor=side)
    assert resting.quantity_kw == 600


def test_what_is_left_of_an_order_rests() -> None:
    book = a_book(an_order(BUY, 5_000, 300))
    came = an_order(SELL, 4_900, 1_000)
    book.submit(came, NOW)
    assert book.orders() == [came]
    assert came.quantity_kw == 700


def test_orders_that_do_not_cross_both_rest() -> None:
    book = a_book(an_order(BUY, 4_999, 100), an_order(SELL, 5_000, 100))
    assert [len(book.side(side)) for side in (BUY, SELL)] == [1, 1]


def test_an_order_let_in_again_has_lost_its_place_in_time() -> None:
    first, second = an_order(BUY, 5_000, 100), an_order(BUY, 5_000, 100)
    book = a_book(first, second)
    book.take_out(first)
    book.submit(first, NOW)
    assert [*book.side(BUY)] == [second, first]


@pytest.mark.parametrize("seed", range(20))
def test_no_book_is_crossed_and_nothing_is_lost(seed: int) -> None:
    drawn = random.Random(seed)
    book, came, traded = OrderBook(), 0, 0
    for _ in range(500):
        quantity = drawn.randrange(100, 5_000, 100)
        order = an_order(drawn.choice((BUY, SELL)), drawn.randrange(4_000, 6_000, 50), quantity)
        matches, _ = book.submit(order, NOW)
        came += quantity
        traded += sum(match.quantity_kw for match in matches)
        for side in (BUY, SELL):
            ranks = [each.rank for each in book.side(side)]
            assert ranks == sorted(ranks)
            assert all(each.quantity_kw > 0 for each in book.side(side))
        if book.side(BUY) and book.side(SELL):
            assert book.side(BUY)[0].price_cents < book.side(SELL)[0].price_cents
    assert came == 2 * traded + sum(order.quantity_kw for order in book.orders())
    assert traded > 0


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 7, 1), 24), (date(2026, 10, 25), 25)],
)
def test_a_day_has_as_many_contracts_as_its_clock(day: date, hours: int) -> None:
    eve = datetime(day.year, day.month, day.day, 15, tzinfo=BERLIN) - timedelta(days=1)
    opening = eve.astimezone(UTC)
    before = contracts_open_at(opening - timedelta(seconds=1))
    after = contracts_open_at(opening)
    new = [contract for contract in after if contract not in before]
    for product, count in (("QH", 4 * hours), ("HH", 2 * hours), ("PH", hours)):
        starts = [one.delivery_start for one in new if one.product == product]
        assert len(starts) == count
        assert starts[0].astimezone(BERLIN).replace(tzinfo=None) == datetime.combine(
            day, datetime.min.time()
        )
        assert len({later - start for start, later in itertools.pairwise(starts)}) == 1
    assert len({contract.id for contract in after}) == len(after)
    assert len({contract.name for contract in after}) == len(after)


def test_a_contract_closes_five_minutes_before_delivery() -> None:
    contract = Contract("HH", datetime(2026, 7, 1, 12, 30, tzinfo=UTC))
    gate = datetime(2026, 7, 1, 12, 25, tzinfo=UTC)
    assert contract in contracts_open_at(gate - timedelta(microseconds=1))
    assert contract not in contracts_open_at(gate)
    assert contract.name == "HH-20260701-1230"
