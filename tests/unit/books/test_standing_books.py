"""Standing books equal the definition, `standing_orders`, after any rows in any order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.books import StandingBooks, rows_that_count
from energy_platform.formats.nord_pool_intraday import EMPTY, standing_orders
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from tests.support.effort import examples

BEGIN = datetime(2026, 10, 25, tzinfo=UTC)
DTYPES = market_table(market_source("nord_pool_intraday_order_book")).dtypes
WHERE = ["delivery_area_id", "contract_id", "side", "order_id"]


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return rows of the order book's table, received a second apart."""
    return pl.DataFrame([an_event(number) | row for number, row in enumerate(rows)], schema=DTYPES)


def an_event(number: int) -> dict[str, Any]:
    at = BEGIN + timedelta(seconds=number)
    return {
        "delivery_area_id": "22",
        "contract_id": "NX_1",
        "side": "BUY",
        "order_id": "1",
        "revision_no": number + 1,
        "is_snapshot": False,
        "observed_at": at,
        "published_at": at,
        "price_eur_per_mwh": 50.0,
        "volume_mw": 1.0,
        "deleted": False,
        "received_at": at,
        "landing_offset": number,
        "withdrawn": False,
    }


def books_of(*frames: pl.DataFrame) -> StandingBooks:
    books = StandingBooks()
    for frame in frames:
        books.follow(frame)
    return books


def assert_equal_to_the_definition(books: StandingBooks, rows: pl.DataFrame) -> None:
    expected = standing_orders(rows.lazy()).collect().sort(WHERE)
    orders = books.orders()
    assert_frame_equal(orders.sort(WHERE), expected.select(orders.columns))


ONE_ROW = st.fixed_dictionaries(
    {
        "delivery_area_id": st.sampled_from(["22", "23"]),
        "contract_id": st.sampled_from(["NX_1", "NX_2"]),
        "side": st.sampled_from(["BUY", "SELL"]),
        "order_id": st.sampled_from(["1", "2", "3"]),
        "revision_no": st.integers(0, 12),
        "is_snapshot": st.booleans(),
        "deleted": st.booleans(),
        "volume_mw": st.sampled_from([1.0, 2.0]),
    }
)
AN_EMPTY_BOOK = ONE_ROW.map(
    lambda row: (
        row
        | {"side": EMPTY, "order_id": EMPTY, "is_snapshot": True, "deleted": True}
        | {"price_eur_per_mwh": None, "volume_mw": None}
    )
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.one_of(ONE_ROW, ONE_ROW, AN_EMPTY_BOOK), min_size=1, max_size=24), st.data())
def test_after_any_rows_the_books_are_what_stands(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    told, books = events(*rows), StandingBooks()
    for end in range(1, told.height + 1):
        books.follow(told[end - 1 : end])
        if data.draw(st.booleans(), label="look"):
            assert_equal_to_the_definition(books, told[:end])
    books.follow(told)
    assert_equal_to_the_definition(books, pl.concat([told, told]))


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.one_of(ONE_ROW, AN_EMPTY_BOOK), min_size=1, max_size=24))
def test_rows_that_come_hours_late_make_a_doubt_or_are_right(rows: list[dict[str, Any]]) -> None:
    hour = timedelta(hours=1)
    told = events(*(row | {"received_at": BEGIN + n * hour} for n, row in enumerate(rows)))
    books = StandingBooks()
    for number in range(told.height):
        books.follow(told[number : number + 1])
        if books.are_doubtful:
            break
        assert_equal_to_the_definition(books, told[: number + 1])


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.one_of(ONE_ROW, AN_EMPTY_BOOK), min_size=2, max_size=24), st.data())
def test_the_rows_that_count_make_the_same_books(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Of rows two minutes apart, those of the first half are many and may be forgotten."""
    minutes = timedelta(minutes=2)
    told = events(*(row | {"received_at": BEGIN + n * minutes} for n, row in enumerate(rows)))
    half = data.draw(st.integers(1, told.height - 1), label="half")
    few = rows_that_count(told[:half].lazy()).sort("landing_offset").collect()
    books = books_of(few)
    assert_equal_to_the_definition(books, told[:half])
    for number in range(half, told.height):
        books.follow(told[number : number + 1])
        if books.are_doubtful:
            break
        assert_equal_to_the_definition(books, told[: number + 1])


def test_what_is_recent_is_so_in_all_books() -> None:
    """An order gone in a quiet book is forgotten, so a late row about it makes a doubt."""
    minute = timedelta(minutes=1)
    told = events(
        {"order_id": "1", "revision_no": 1, "deleted": True, "received_at": BEGIN},
        {"order_id": "2", "contract_id": "NX_2", "received_at": BEGIN + 12 * minute},
    )
    books = books_of(rows_that_count(told.lazy()).sort("landing_offset").collect())
    books.follow(events({"order_id": "1", "revision_no": 0, "received_at": BEGIN + 13 * minute}))
    assert books.are_doubtful


def test_of_a_long_day_few_rows_count() -> None:
    minute = timedelta(minutes=1)
    told = events(
        *(
            {"order_id": str(number // 2), "deleted": number % 2 == 1,
             "received_at": BEGIN + number * minute}
            for number in range(1_000)
        )
    )  # fmt: skip
    assert rows_that_count(told.lazy()).collect().height <= 12


def test_a_change_of_a_forgotten_order_makes_a_doubt() -> None:
    hours = [BEGIN + number * timedelta(hours=1) for number in range(4)]
    books = books_of(
        events(
            {"revision_no": 1, "received_at": hours[0]},
            {"revision_no": 3, "received_at": hours[0], "deleted": True},
            {"revision_no": 4, "received_at": hours[1], "order_id": "2"},
        )
    )
    before = books.are_doubtful
    books.follow(events({"revision_no": 2, "received_at": hours[2]}))
    assert (before, books.are_doubtful) == (False, True)
    assert books.orders()["order_id"].to_list() == ["2"]


def test_a_ladder_is_the_same_object_until_its_book_changes() -> None:
    books = books_of(events({}, {"contract_id": "NX_2"}))
    before, changes = books.ladder("22", "NX_1"), books.changes
    books.follow(events({"contract_id": "NX_2", "revision_no": 9, "order_id": "2"}))
    assert books.ladder("22", "NX_1") is before
    assert books.changed_since(changes, "22") == {"NX_2"}
    assert books.changed_since(changes, "23") == set()
    books.follow(events({"revision_no": 9, "deleted": True}))
    assert books.ladder("22", "NX_1") == ()
    assert books.top("22", "NX_3") is None


def test_withdrawn_rows_do_not_stand() -> None:
    assert books_of(events({"withdrawn": True}, {"order_id": "2"})).orders()[
        "order_id"
    ].to_list() == ["2"]


def test_a_snapshot_after_a_reconnect_leaves_only_its_orders() -> None:
    before = events({"order_id": "1"}, {"order_id": "2"}, {"order_id": "3"})
    after = events({"order_id": "2", "is_snapshot": True, "revision_no": 9})
    books = books_of(before, after)
    assert books.orders()["order_id"].to_list() == ["2"]
    books.follow(events({"order_id": "1", "revision_no": 4}))
    assert books.orders()["order_id"].to_list() == ["2"], "a change from before it arrives late"


def test_levels_add_the_orders_of_a_price_up_and_begin_with_the_best() -> None:
    books = books_of(
        events(
            {"order_id": "1", "price_eur_per_mwh": 49.0, "volume_mw": 0.1},
            {"order_id": "2", "price_eur_per_mwh": 50.0, "volume_mw": 1.0},
            {"order_id": "3", "price_eur_per_mwh": 49.0, "volume_mw": 0.2},
            {"order_id": "4", "price_eur_per_mwh": 51.5, "side": "SELL"},
            {"order_id": "5", "price_eur_per_mwh": 51.0, "side": "SELL"},
            {"order_id": "6", "contract_id": "NX_2", "side": "SELL"},
        )
    )
    shown = ["side", "price_eur_per_mwh", "volume_mw", "orders"]
    assert books.levels("22", "NX_1").select(shown).rows() == [
        ("BUY", 50.0, 1.0, 1),
        ("BUY", 49.0, 0.3, 2),
        ("SELL", 51.0, 1.0, 1),
        ("SELL", 51.5, 1.0, 1),
    ]
    assert books.levels("23").is_empty()
    best = ["contract_id", "bid_eur_per_mwh", "bid_mw", "ask_eur_per_mwh", "ask_mw", "revision_no"]
    assert books.tops("22").select(best).rows() == [
        ("NX_1", 50.0, 1.0, 51.0, 1.0, 5),
        ("NX_2", None, None, 50.0, 1.0, 6),
    ]


def test_an_empty_book_is_a_book_without_a_best_price() -> None:
    emptied = {"side": EMPTY, "order_id": EMPTY, "is_snapshot": True, "deleted": True}
    books = books_of(events({}, emptied | {"price_eur_per_mwh": None, "volume_mw": None}))
    assert books.orders().is_empty()
    assert books.tops().select("contract_id", "bid_eur_per_mwh").rows() == [("NX_1", None)]


def test_gone_orders_and_books_of_past_contracts_are_forgotten() -> None:
    books, hour = StandingBooks(), timedelta(hours=1)
    for number in range(60):
        at = BEGIN + number * hour
        books.follow(
            events(
                {"contract_id": f"NX_{number}", "received_at": at},
                {"contract_id": f"NX_{number}", "order_id": "2", "received_at": at},
                {"contract_id": f"NX_{number}", "received_at": at, "deleted": True},
            )
        )
        assert books.orders().height <= 49
    assert books.tops().height == 49
    assert sum(len(book.orders) for book in books._books.values()) == 49 + 1, "the last one gone"


def test_of_many_rows_with_one_revision_the_last_counts() -> None:
    """polars joins many rows in several threads, and keeps their order only if told to."""
    rows, orders = 200_000, 77
    told = pl.DataFrame({"landing_offset": range(rows)}).with_columns(
        delivery_area_id=pl.lit("22"),
        contract_id=pl.col("landing_offset").mod(7).cast(pl.String),
        side=pl.lit("BUY"),
        order_id=pl.col("landing_offset").mod(11).cast(pl.String),
        revision_no=1,
        is_snapshot=False,
        deleted=False,
    )
    for _ in range(20):
        last = standing_orders(told.lazy()).collect()["landing_offset"]
        assert sorted(last) == [*range(rows - orders, rows)]
