"""Frames and the intraday market are the same from BigQuery as from Delta Lake."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.testing import assert_frame_equal

from energy_platform.reading.dataset import dataset
from energy_platform.reading.place import Missing, Place, StoredTables
from energy_platform.reading.platform import Platform
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support.bigquery_tables import fill

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
PRICES: Final = [
    {
        "bidding_zone": zone,
        "delivery_start": NOON + n * HOUR,
        "delivery_end": NOON + (n + 1) * HOUR,
        "price_eur_per_mwh": 10.0 * n + revision,
        "received_at": NOON + (n - 20 + 12 * revision) * HOUR,
    }
    for revision in range(2)
    for n in range(48)
    for zone in ("DE-LU", "FR")
]
CONTRACTS: Final = [
    {"contract_id": "C1", "delivery_area_id": "23", "product_type": "P15MIN", "state": "ACTI"}
    | {"delivery_start": NOON, "delivery_end": NOON + QUARTER, "deleted": False}
    | {"opens_at": NOON - 20 * HOUR, "closes_at": NOON, "updated_at": NOON, "received_at": NOON}
]
TRADES: Final = [
    {"trade_id": str(n), "contract_id": "C1", "side": side, "delivery_area_id": "23"}
    | {"revision_no": 1 + late, "observed_at": NOON - n * HOUR, "received_at": NOON + late * HOUR}
    | {"state": "CANCELLED" if late else "COMPLETED", "deleted": False}
    | {"price_eur_per_mwh": 40.0 + n, "volume_mw": 4.0}
    for late in (0, 1)
    for n in (range(1, 6) if not late else [2])
    for side in ("BUY", "SELL")
]
ORDERS: Final = [
    {"delivery_area_id": "23", "contract_id": "C1", "side": side, "order_id": str(n)}
    | {"revision_no": n + 1, "is_snapshot": n == 0, "deleted": False, "withdrawn": False}
    | {"observed_at": NOON + (n - 10) * HOUR, "received_at": NOON + (n - 10) * HOUR}
    | {"price_eur_per_mwh": 50.0 + n, "volume_mw": 1.0}
    for n, side in enumerate(["BUY", "SELL", "SELL"])
]


@dataclass(frozen=True)
class Opened(Place):
    """A place whose warehouse is open."""

    opened: Any = None

    def warehouse(self, *, missing: Missing = "raise") -> StoredTables:
        return StoredTables(self, self.opened, missing)


def whole(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows with all columns of their table, each a message of its own."""
    dtypes = dataset(name).table.dtypes
    told = [dict.fromkeys(dtypes) | row | {"landing_offset": n} for n, row in enumerate(rows)]
    return pl.DataFrame(told, schema=dtypes)


def test_both_give_the_same(clients: Clients, tmp_path: Path) -> None:
    delta = DeltaWarehouse(tmp_path)
    tables: dict[str, list[dict[str, Any]]] = {
        "energy_charts_price": PRICES,
        "nord_pool_intraday_contract": CONTRACTS,
        "nord_pool_intraday_trade": TRADES,
        "nord_pool_intraday_order_book": ORDERS,
    }
    for name, rows in tables.items():
        table, stored = dataset(name).table, whole(name, rows)
        delta.commit(table, stored, start=0, stop=stored.height)
        fill(clients, table, stored)
    answers = []
    for warehouse in (delta, BigQueryWarehouse(clients)):
        here = Platform(Opened(opened=warehouse))
        price = here.series("energy_charts_price", "price_eur_per_mwh", area="DE-LU")
        lagged = here.series(
            "energy_charts_price", "price_eur_per_mwh", area="DE-LU", lag=timedelta(hours=24)
        )
        answers.append(
            [
                here.frame(
                    price=price,
                    lagged=lagged,
                    every="1h",
                    start=NOON + 24 * HOUR,
                    end=NOON + 40 * HOUR,
                    as_of="D-1 12:00 Europe/Berlin",
                ),
                here.trades(start=NOON - 4 * HOUR, end=NOON),
                here.bars("C1", index="ID3"),
                here.book(NOON, "C1", "DE-LU"),
                here.book_path("C1", "DE-LU"),
            ]
        )
    for ours, theirs in zip(*answers, strict=True):
        assert not ours.is_empty()
        assert_frame_equal(ours, theirs)
    frame, trades, id3, *_ = answers[0]
    assert frame["lagged"].drop_nulls().len() > frame["price"].drop_nulls().len()
    assert trades["trade_id"].to_list() == ["4", "3", "1"]
    assert id3["trades"].to_list() == [2]
