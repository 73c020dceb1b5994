"""A change feed brings every row at least once, from a cursor on, and tells of a replay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

PRICES = "energy_charts_price"
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def prices(*values: float) -> list[dict[str, Any]]:
    return [
        {
            "bidding_zone": "FR",
            "delivery_start": START,
            "delivery_end": START + HOUR,
            "price_eur_per_mwh": value,
            "received_at": START,
        }
        for value in values
    ]


def told(changes: ep.Changes) -> list[float]:
    return changes.rows["price_eur_per_mwh"].to_list()


def test_every_revision_comes_once_in_order() -> None:
    store(PRICES, prices(1.0, 2.0, 3.0))
    first = ep.changes(PRICES)
    assert told(first) == [1.0, 2.0, 3.0]
    assert first.is_last
    assert told(ep.changes(PRICES, since=first.cursor)) == []
    store(PRICES, prices(4.0))
    assert told(ep.changes(PRICES, since=first.cursor)) == [4.0]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limited_feed_goes_on_to_the_end(limit: int) -> None:
    store(PRICES, prices(1.0, 2.0, 3.0, 4.0, 5.0))
    found, cursor, is_last = [], None, False
    while not is_last:
        changes = ep.changes(PRICES, since=cursor, limit=limit)
        assert 0 < changes.rows.height <= limit
        found += told(changes)
        cursor, is_last = changes.cursor, changes.is_last
    assert found == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_replay_is_announced_and_begins_anew() -> None:
    store(PRICES, prices(1.0, 2.0))
    before = ep.changes(PRICES)
    warehouse, table = micro_batches().warehouse, market_table(market_source(PRICES))
    position = warehouse.position(table)
    corrected = before.rows.with_columns(price_eur_per_mwh=pl.col("price_eur_per_mwh") * 10)
    warehouse.replace(table, corrected, range(2), before=position, after=position.replaced())
    after = ep.changes(PRICES, since=before.cursor)
    assert after.is_replay
    assert told(after) == [10.0, 20.0]
    assert not ep.changes(PRICES, since=after.cursor).is_replay


@pytest.mark.parametrize("cursor", ["", "{}", "[1]", '["smard_price", 3, 0]', '["x", "y", "z"]'])
def test_what_is_no_cursor_of_the_source_is_refused(cursor: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        ep.changes(PRICES, since=cursor)


def test_a_mart_has_no_changes() -> None:
    with pytest.raises(UsageError, match="mart"):
        ep.changes("zone_spread")
