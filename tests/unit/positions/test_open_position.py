"""The open position per quarter-hour, and what it is worth."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_platform.market.instants import INSTANT
from energy_platform.positions import open_position, valued

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
BERLIN = ZoneInfo("Europe/Berlin")


def stated(  # noqa: PLR0913 (a row has as many columns)
    power_mw: float,
    *,
    kind: str = "contract",
    name: str = "base",
    start: datetime = NOON,
    lasts: timedelta = QUARTER,
    offset: int = 0,
    portfolio: str = "wind",
    by: str = "alice",
) -> pl.DataFrame:
    row = {
        "received_at": NOON - timedelta(hours=2) + timedelta(seconds=offset),
        "landing_offset": offset,
        "delivery_start": start,
        "delivery_end": start + lasts,
        "portfolio": portfolio,
        "area": "DE-LU",
        "kind": kind,
        "name": name,
        "power_mw": power_mw,
        "changed_by": by,
    }
    times = {"received_at": INSTANT, "delivery_start": INSTANT, "delivery_end": INSTANT}
    return pl.DataFrame([row], schema_overrides=times)


def test_all_that_is_stated_adds_up() -> None:
    rows = pl.concat(
        [
            stated(12.5, kind="generation_forecast", name="park 1"),
            stated(7.5, kind="generation_forecast", name="park 2"),
            stated(-15.0, offset=3, by="bob"),
            stated(2.0, kind="contract", name="peak"),
            stated(-3.0, kind="load_forecast", name="town"),
            stated(99.0, portfolio="sun"),
        ]
    )
    sun, wind = open_position(rows).to_dicts()
    assert sun["open_mw"] == sun["contract_mw"] == 99.0
    assert sun["schedule_mw"] is None
    assert (wind["generation_forecast_mw"], wind["contract_mw"]) == (20.0, -13.0)
    assert (wind["load_forecast_mw"], wind["open_mw"]) == (-3.0, 4.0)
    assert (wind["changed_by"], wind["changed_at"]) == ("bob", rows["received_at"].max())


@pytest.mark.parametrize(
    ("day", "quarters"),
    [((2026, 3, 28), 96), ((2026, 3, 29), 92), ((2026, 10, 25), 100)],
)
def test_a_local_day_has_its_quarter_hours(day: tuple[int, int, int], quarters: int) -> None:
    start = datetime(*day, tzinfo=BERLIN)
    end = (start + timedelta(days=1)).astimezone(UTC)
    lasts = end - start.astimezone(UTC)
    found = open_position(stated(5.0, start=start.astimezone(UTC), lasts=lasts))
    assert found.height == quarters
    assert found["open_mw"].unique().to_list() == [5.0]
    assert found["delivery_end"].max() == end


def test_a_newer_row_counts_whatever_its_length() -> None:
    hour = timedelta(hours=1)
    rows = pl.concat(
        [
            stated(10.0, lasts=hour, offset=1),
            stated(12.0, start=NOON + QUARTER, offset=2),
            stated(0.0, start=NOON + 3 * QUARTER, offset=3),
        ]
    )
    for given in (rows, rows.reverse()):
        assert open_position(given)["open_mw"].to_list() == [10.0, 12.0, 10.0, 0.0]
    again = pl.concat([rows, stated(8.0, lasts=hour, offset=4)])
    assert open_position(again)["open_mw"].to_list() == [8.0] * 4


def test_a_window_cuts_within_a_row() -> None:
    day = stated(1.0, lasts=timedelta(days=1))
    found = open_position(day, start=NOON + QUARTER, end=NOON + 4 * QUARTER)
    assert found["delivery_start"].to_list() == [NOON + n * QUARTER for n in (1, 2, 3)]


def test_nothing_stated_is_nothing_open() -> None:
    assert open_position(stated(1.0).clear()).is_empty()


def levels(*said: tuple[str, float, float], start: datetime = NOON) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"area": "DE-LU", "delivery_start": start, "delivery_end": start + QUARTER,
             "side": side, "price_eur_per_mwh": price, "volume_mw": volume}
            for side, price, volume in said
        ],
        schema_overrides={"delivery_start": INSTANT, "delivery_end": INSTANT},
    )  # fmt: skip


def price(eur_per_mwh: float, start: datetime, lasts: timedelta) -> pl.DataFrame:
    return pl.DataFrame(
        [{"area": "DE-LU", "delivery_start": start, "delivery_end": start + lasts,
          "price_eur_per_mwh": eur_per_mwh}],
        schema_overrides={"delivery_start": INSTANT, "delivery_end": INSTANT},
    )  # fmt: skip


BOOK = levels(
    ("SELL", 72.0, 5.0), ("BUY", 50.0, 4.0), ("BUY", 60.0, 6.0), ("SELL", 70.0, 2.0),
    ("BUY", -20.0, 100.0),
)  # fmt: skip
HOURLY = price(80.0, NOON, timedelta(hours=1))
LAST = pl.concat(
    price(eur_per_mwh, NOON - timedelta(hours=3), QUARTER).with_columns(is_long=pl.lit(is_long))
    for is_long, eur_per_mwh in ((True, -100.0), (False, 120.0))
)


def test_a_surplus_is_sold_to_the_best_bids() -> None:
    [row] = valued(open_position(stated(8.0)), BOOK, HOURLY, LAST).to_dicts()
    assert row["closing_price_eur_per_mwh"] == pytest.approx((6 * 60 + 2 * 50) / 8)
    assert row["close_cost_eur"] == pytest.approx(-(6 * 60 + 2 * 50) / 4)
    assert row["unfilled_mw"] == 0.0
    assert row["day_ahead_value_eur"] == pytest.approx(8 * 80 / 4)
    assert row["imbalance_cost_eur"] == pytest.approx(8 * 100 / 4)
    assert row["imbalance_from"] == NOON - timedelta(hours=3)
    assert row["imbalance_until"] == NOON - timedelta(hours=3) + QUARTER


def test_a_lack_is_bought_as_far_as_there_are_asks() -> None:
    [row] = valued(open_position(stated(-10.0)), BOOK, HOURLY, LAST).to_dicts()
    assert row["closing_price_eur_per_mwh"] == pytest.approx((2 * 70 + 5 * 72) / 7)
    assert row["close_cost_eur"] == pytest.approx((2 * 70 + 5 * 72) / 4)
    assert row["unfilled_mw"] == 3.0
    assert row["day_ahead_value_eur"] == pytest.approx(-10 * 80 / 4)
    assert row["imbalance_cost_eur"] == pytest.approx(10 * 120 / 4)


def test_without_book_and_prices_nothing_is_made_up() -> None:
    [row] = valued(
        open_position(stated(3.0)), BOOK.clear(), HOURLY.clear(), LAST.clear()
    ).to_dicts()
    assert row["unfilled_mw"] == 3.0
    for name in ("closing_price_eur_per_mwh", "close_cost_eur", "day_ahead_value_eur",
                 "imbalance_cost_eur", "imbalance_from"):  # fmt: skip
        assert row[name] is None, name


def test_a_price_does_not_hold_beyond_its_period() -> None:
    rows = open_position(stated(4.0, lasts=timedelta(hours=2)))
    priced = valued(rows, BOOK.clear(), HOURLY, LAST)
    assert priced["day_ahead_eur_per_mwh"].to_list() == [80.0] * 4 + [None] * 4
    assert priced["day_ahead_from"].to_list() == [NOON] * 4 + [None] * 4


def test_two_portfolios_are_valued_at_the_same_book_each() -> None:
    rows = open_position(
        pl.concat([stated(6.0), stated(6.0, portfolio="sun"), stated(0.0, name="x")])
    )
    found = valued(rows, BOOK, HOURLY, LAST)
    assert found["closing_price_eur_per_mwh"].to_list() == [60.0, 60.0]


def test_a_closed_position_costs_nothing() -> None:
    [row] = valued(open_position(stated(0.0)), BOOK, HOURLY, LAST).to_dicts()
    assert (row["unfilled_mw"], row["close_cost_eur"], row["day_ahead_value_eur"]) == (
        0.0,
        None,
        0.0,
    )
