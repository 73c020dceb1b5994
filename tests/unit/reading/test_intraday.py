"""Contracts, trades, books and bars as a trader asks for them; contracts say what they deliver."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UsageError
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
TTG, AMP = "24", "23"


def a_contract(
    name: str, start: datetime = NOON, length: timedelta = QUARTER, **about: Any
) -> list[dict[str, Any]]:
    """Return a contract in two delivery areas; its name says nothing of its delivery."""
    return [
        {
            "contract_id": name,
            "delivery_area_id": area,
            "contract_name": "a name without a time",
            "product_type": {QUARTER: "P15MIN", HOUR: "P60MIN"}[length],
            "delivery_start": start,
            "delivery_end": start + length,
            "opens_at": start - timedelta(hours=20),
            "closes_at": start - timedelta(minutes=5),
            "state": "ACTI",
            "deleted": False,
            "updated_at": start - timedelta(hours=30),
            "received_at": start - timedelta(hours=30),
            **about,
        }
        for area in (TTG, AMP)
    ]


def a_trade(
    number: int, at: datetime, price: float, volume: float = 4.0, **about: Any
) -> list[dict[str, Any]]:
    """Return both legs of a trade."""
    common = {
        "trade_id": str(number),
        "contract_id": "C1",
        "revision_no": 1,
        "observed_at": at,
        "state": "COMPLETED",
        "price_eur_per_mwh": price,
        "volume_mw": volume,
        "deleted": False,
        "received_at": at,
        **about,
    }
    return [
        common | {"side": "BUY", "delivery_area_id": TTG, "is_aggressor": True},
        common | {"side": "SELL", "delivery_area_id": AMP, "is_aggressor": False},
    ]


def orders(at: datetime, revision: int, *said: tuple[str, str, float | None, float]) -> list[Any]:
    """Return rows of one message: side, order, price (None: gone) and volume."""
    return [
        {
            "delivery_area_id": AMP,
            "contract_id": "C1",
            "side": side,
            "order_id": order,
            "revision_no": revision,
            "is_snapshot": revision == 1,
            "observed_at": at,
            "published_at": at,
            "price_eur_per_mwh": price or 0.0,
            "volume_mw": volume,
            "deleted": price is None,
            "received_at": at,
            "withdrawn": False,
            "landing_offset": revision - 1,
        }
        for side, order, price, volume in said
    ]


def test_contracts_of_a_zone_have_one_row_and_the_shown_areas_gate() -> None:
    gone = a_contract("C3", NOON + HOUR, deleted=True)
    rows = [*a_contract("C1"), *a_contract("C2", NOON, HOUR), *gone]
    rows[1]["closes_at"] = NOON - timedelta(minutes=30)  # Amprion's
    store("nord_pool_intraday_contract", rows)
    found = ep.contracts(area="DE-LU", day="2026-03-01", zone="Europe/Berlin")
    assert found["contract_id"].to_list() == ["C1", "C2"]
    assert found["closes_at"][0] == NOON - timedelta(minutes=30)
    assert found["area"].to_list() == ["DE(Amprion)"] * 2
    assert found.schema["delivery_start"] == pl.Datetime("us", "Europe/Berlin")
    assert ep.contracts(product="QH", start=NOON, end=NOON + HOUR)["area"].to_list() == [
        "DE(Amprion)",
        "DE(TenneT GER)",
    ]
    assert ep.contracts(area="TTG", product="H", start=NOON).height == 1


def test_a_trade_is_one_row_with_its_energy_and_a_cancelled_one_none() -> None:
    store("nord_pool_intraday_contract", a_contract("C1"))
    made = NOON - 2 * HOUR
    cancelled = a_trade(3, made, 99.0, state="CANCELLED", revision_no=2, received_at=made + HOUR)
    store(
        "nord_pool_intraday_trade",
        [
            *a_trade(2, made + timedelta(minutes=1), 52.0),
            *a_trade(1, made, 50.0),
            *a_trade(3, made, 99.0),
            *cancelled,
            *a_trade(4, made + timedelta(minutes=2), 10.0, contract_id="unlisted"),
        ],
    )
    found = ep.trades(start=made, end=NOON)
    assert found["trade_id"].to_list() == ["1", "2", "4"]
    assert found.row(0, named=True) | {"received_at": None} == {
        "trade_id": "1",
        "observed_at": made,
        "contract_id": "C1",
        "contract_name": "a name without a time",
        "product": "P15MIN",
        "delivery_start": NOON,
        "delivery_end": NOON + QUARTER,
        "price_eur_per_mwh": 50.0,
        "volume_mw": 4.0,
        "volume_mwh": 1.0,
        "buy_area": "DE(TenneT GER)",
        "sell_area": "DE(Amprion)",
        "aggressor": "BUY",
        "received_at": None,
    }
    assert found["volume_mwh"].to_list() == [1.0, 1.0, None]
    assert ep.trades(contract="C1")["trade_id"].to_list() == ["1", "2"]
    assert ep.trades(product="QH", area="TTG", start=made, end=NOON).height == 2
    assert ep.trades(area="TBW", start=made, end=NOON).is_empty()
    before = ep.trades(contract="C1", as_of=made + timedelta(minutes=5))
    assert before["trade_id"].to_list() == ["1", "3", "2"]


def test_bars_and_the_indices_of_a_contract() -> None:
    """ID3 has trades from three hours before delivery on, ID1 from one; delivery ends both."""
    store("nord_pool_intraday_contract", [*a_contract("C1"), *a_contract("C2", NOON, HOUR)])
    said = [
        *a_trade(1, NOON - 3 * HOUR - timedelta(microseconds=1), 1_000.0),
        *a_trade(2, NOON - 3 * HOUR, 40.0, 2.0),
        *a_trade(3, NOON - HOUR - timedelta(microseconds=1), 60.0, 2.0),
        *a_trade(4, NOON - HOUR, 80.0, 4.0),
        *a_trade(5, NOON - QUARTER, 70.0, 12.0, state="CANCELLED"),
        *a_trade(6, NOON, 2_000.0),
    ]
    store("nord_pool_intraday_trade", said)
    [id3] = ep.bars("C1", index="ID3").rows(named=True)
    assert (id3["price_eur_per_mwh"], id3["trades"], id3["volume_mwh"]) == (65.0, 3, 2.0)
    [id1] = ep.bars("C1", index="ID1").rows(named=True)
    assert (id1["price_eur_per_mwh"], id1["trades"], id1["volume_mwh"]) == (80.0, 1, 1.0)
    of_day = ep.bars(index="ID3", area="DE-LU", day="2026-03-01", zone="Europe/Berlin")
    assert of_day.select("contract_id", "price_eur_per_mwh", "trades").rows() == [
        ("C1", 65.0, 3),
        ("C2", None, 0),
    ]
    bars = ep.bars("C1", "1h")
    assert bars["bar_start"].to_list() == [NOON + n * HOUR for n in (-4, -3, -2, -1, 0)]
    second = bars.row(2, named=True)
    assert (second["open_eur_per_mwh"], second["trades"], second["volume_mwh"]) == (60.0, 1, 0.5)
    assert second["bar_end"] == NOON - HOUR


def test_the_indices_on_the_day_of_a_change_of_clocks() -> None:
    """Three hours before delivery are three hours, whatever the clocks show."""
    start = datetime(2026, 10, 25, 2, tzinfo=UTC)  # 03:00 in Berlin, after the clocks went back
    store("nord_pool_intraday_contract", a_contract("C1", start))
    store(
        "nord_pool_intraday_trade",
        [*a_trade(1, start - 3 * HOUR, 10.0), *a_trade(2, start - 4 * HOUR, 90.0)],
    )
    found = ep.bars(index="ID3", day="2026-10-25", zone="Europe/Berlin", product="QH")
    assert found["price_eur_per_mwh"].to_list() == [10.0]


@pytest.fixture
def a_book() -> datetime:
    """Two bids and an ask; then the best bid goes, and a better ask comes."""
    store("nord_pool_intraday_contract", a_contract("C1"))
    opened = NOON - 10 * HOUR
    store(
        "nord_pool_intraday_order_book",
        orders(opened, 1, ("BUY", "a", 50.0, 5.0), ("BUY", "b", 50.0, 2.5), ("BUY", "c", 49.0, 1.0))
        + orders(opened + HOUR, 2, ("SELL", "d", 55.0, 3.0))
        + orders(opened + 2 * HOUR, 3, ("BUY", "a", None, 0.0), ("BUY", "b", None, 0.0))
        + orders(opened + 3 * HOUR, 4, ("SELL", "e", 52.0, 1.0)),
    )
    return opened


def test_a_book_at_an_instant(a_book: datetime) -> None:
    first = ep.book(a_book, "C1", "DE-LU")
    assert first.select(pl.exclude("changed_at")).rows() == [
        ("BUY", 1, 50.0, 7.5, 2),
        ("BUY", 2, 49.0, 1.0, 1),
    ]
    last = ep.book(NOON, "C1", "AMP", 1)
    assert last.select("side", "price_eur_per_mwh", "volume_mw").rows() == [
        ("BUY", 49.0, 1.0),
        ("SELL", 52.0, 1.0),
    ]
    assert ep.book(a_book + 2 * HOUR - timedelta(microseconds=1), "C1", "DE-LU").height == 3
    with pytest.raises(UsageError, match="nothing was known of the book of C1"):
        ep.book(a_book - timedelta(microseconds=1), "C1", "DE-LU")
    with pytest.raises(UsageError, match="nothing was known of the book of C1 in TBW"):
        ep.book(NOON, "C1", "TBW")


def test_the_path_of_a_book_has_a_row_for_each_change(a_book: datetime) -> None:
    path = ep.book_path("C1", "DE-LU")
    assert path["at"].to_list() == [a_book + n * HOUR for n in range(4)]
    assert path["bid_eur_per_mwh"].to_list() == [50.0, 50.0, 49.0, 49.0]
    assert path["ask_eur_per_mwh"].to_list() == [None, 55.0, 55.0, 52.0]
    assert path["spread_eur_per_mwh"].to_list() == [None, 5.0, 6.0, 3.0]
    part = ep.book_path("C1", "DE-LU", a_book + HOUR * 1.5, a_book + 3 * HOUR)
    assert part["at"].to_list() == [a_book + HOUR * 1.5, a_book + 2 * HOUR]
    for at, bid, ask in path.select("at", "bid_eur_per_mwh", "ask_eur_per_mwh").rows():
        book = ep.book(at, "C1", "DE-LU", 1)
        best = dict(book.select("side", "price_eur_per_mwh").rows())
        assert (best.get("BUY"), best.get("SELL")) == (bid, ask)


def test_what_there_is_not_is_named_with_what_is_near() -> None:
    store("nord_pool_intraday_contract", [*a_contract("NX_12345"), *a_contract("NX_99999")])
    with pytest.raises(UsageError, match="no contract 'NX_12346'; did you mean NX_12345"):
        ep.trades(contract="NX_12346")


@pytest.mark.parametrize(
    ("ask", "asked", "why"),
    [
        (ep.contracts, {"area": "FR"}, "no area 'FR' here"),
        (ep.contracts, {"product": "quarter"}, "no product 'quarter'"),
        (ep.trades, {"area": "DE-LU"}, "say start and end"),
        (ep.bars, {"contract": "C1"}, "say how long a bar is"),
        (ep.bars, {"contract": "C1", "every": "15m", "index": "ID3"}, "say how long a bar is"),
        (ep.bars, {"contract": "C1", "every": "1d"}, "shorter than a day"),
        (ep.bars, {"index": "ID3"}, "say start and end"),
        (ep.bars, {"contract": "C1", "index": "ID2"}, "index is ID1 or ID3"),
        (ep.book, {"at": NOON, "contract": "C1", "area": "DE-LU", "depth": 0}, "1 or more"),
    ],
)
def test_questions_that_are_refused(
    ask: Callable[..., pl.DataFrame], asked: dict[str, Any], why: str
) -> None:
    store("nord_pool_intraday_contract", a_contract("C1"))
    with pytest.raises(UsageError, match=why):
        ask(**asked)
