"""The tape: cancelled trades leave bars, means and volumes; a trade counts once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from energy_platform.books import TradeTape
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table

BEGIN = datetime(2026, 10, 25, 0, 55, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DTYPES = market_table(market_source("nord_pool_intraday_trade")).dtypes


def legs(*trades: dict[str, Any]) -> pl.DataFrame:
    """Return both legs of trades that are made a minute apart."""
    rows = []
    for number, trade in enumerate(trades):
        at = BEGIN + number * timedelta(minutes=1)
        about = {
            "trade_id": str(number),
            "contract_id": "NX_1",
            "contract_name": "QH 3",
            "revision_no": 1,
            "observed_at": at,
            "state": "COMPLETED",
            "price_eur_per_mwh": 50.0 + number,
            "volume_mw": 1.0,
            "deleted": False,
            "received_at": at,
            "landing_offset": number,
        } | trade
        rows += [
            about | {"side": "BUY", "delivery_area_id": "22", "is_aggressor": True},
            about | {"side": "SELL", "delivery_area_id": "24", "is_aggressor": False},
        ]
    return pl.DataFrame(rows, schema=DTYPES)


def tape_of(*frames: pl.DataFrame) -> TradeTape:
    tape = TradeTape()
    for frame in frames:
        tape.follow(frame)
    return tape


def test_bars_hold_each_trade_once() -> None:
    prices = [50.0, 48.0, 53.0, 51.0, 60.0, 61.0]
    trades = [{"price_eur_per_mwh": price} for price in prices]
    trades[2]["volume_mw"] = 2.0
    first, second = tape_of(legs(*trades)).bars(QUARTER).rows(named=True)
    assert first == {
        "contract_id": "NX_1",
        "bar_start": BEGIN - timedelta(minutes=10),
        "open_eur_per_mwh": 50.0,
        "high_eur_per_mwh": 60.0,
        "low_eur_per_mwh": 48.0,
        "close_eur_per_mwh": 60.0,
        "vwap_eur_per_mwh": (50 + 48 + 2 * 53 + 51 + 60) / 6,
        "volume_mw": 6.0,
        "trades": 5,
    }
    assert (second["bar_start"], second["trades"]) == (BEGIN + timedelta(minutes=5), 1)


@pytest.mark.parametrize("first", [0, 1], ids=["in order", "the cancellation comes first"])
def test_a_cancelled_trade_leaves_bars_mean_and_last_price(first: int) -> None:
    made = legs({}, {}, {"price_eur_per_mwh": 90.0})
    cancelled = legs({}, {}, {"price_eur_per_mwh": 90.0, "state": "CANCELLED", "revision_no": 2})
    told = [made, cancelled[4:]]
    tape = tape_of(told[first], told[1 - first])
    [bar] = tape.bars(QUARTER).rows(named=True)
    assert (bar["high_eur_per_mwh"], bar["trades"], bar["volume_mw"]) == (51.0, 2, 2.0)
    traded = tape.traded("NX_1")
    assert traded is not None
    assert (traded.last_eur_per_mwh, traded.vwap_eur_per_mwh, traded.trades) == (51.0, 50.5, 2)
    assert (traded.last_mw, traded.volume_mw) == (1.0, 2.0)
    assert traded.last_at == BEGIN + timedelta(minutes=1)
    assert tape.legs("22")["state"].to_list() == ["CANCELLED", "COMPLETED", "COMPLETED"]


def test_a_corrected_time_moves_a_trade_to_another_bar() -> None:
    corrected = legs({"revision_no": 2, "observed_at": BEGIN + QUARTER})
    tape = tape_of(legs({}), corrected)
    assert tape.bars(QUARTER)["bar_start"].to_list() == [BEGIN + timedelta(minutes=5)]


def test_trades_that_are_old_or_in_pounds() -> None:
    tape = tape_of(legs({"deleted": True}, {"price_eur_per_mwh": None}, {"contract_id": "NX_2"}))
    assert tape.bars(QUARTER)["contract_id"].to_list() == ["NX_1", "NX_2"]
    assert tape.bars(QUARTER, "NX_2").height == 1
    assert tape.traded("NX_3") is None
    assert tape.price_before("NX_1", BEGIN) == 50.0
    assert tape.price_before("NX_1", BEGIN - timedelta(seconds=1)) is None
    assert tape.price_before("NX_3", BEGIN) is None


def test_only_the_contracts_that_were_traded_have_changed() -> None:
    tape = tape_of(legs({}, {"contract_id": "NX_2"}))
    changes = tape.changes
    tape.follow(legs({"trade_id": "9", "contract_id": "NX_2", "price_eur_per_mwh": 70.0}))
    assert tape.changed_since(changes) == {"NX_2"}
    traded = tape.traded("NX_2")
    assert traded is not None
    # The trade of earlier is told of later.
    assert (traded.last_eur_per_mwh, traded.trades) == (51.0, 2)


def test_contracts_without_news_are_forgotten() -> None:
    tape, day = tape_of(legs({})), timedelta(days=2)
    tape.follow(legs({"contract_id": "NX_2", "received_at": BEGIN + day}))
    assert tape.traded("NX_1") is None
    assert tape.legs()["contract_id"].unique().to_list() == ["NX_2"]


def test_old_trades_are_forgotten() -> None:
    tape, day = tape_of(legs({})), timedelta(days=2)
    tape.follow(legs({"trade_id": "9", "received_at": BEGIN + day, "observed_at": BEGIN + day}))
    assert tape.legs("22")["trade_id"].to_list() == ["9"]


def test_a_market_of_another_year_is_kept_like_todays() -> None:
    """A simulated market may have any clock; the time of receipt is always ours."""
    now = datetime.now(UTC)
    tape = tape_of(legs({"received_at": now, "observed_at": now - timedelta(days=900)}))
    tape.follow(
        legs({"trade_id": "9", "received_at": now, "observed_at": datetime(2100, 1, 1, tzinfo=UTC)})
    )
    assert tape.legs("22")["trade_id"].to_list() == ["9", "0"]
