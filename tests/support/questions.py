"""Every question that a platform answers, put to a few small tables.

The same tables are stored in a home, in a bare folder and in BigQuery; who asks each question of
each place compares the answers. A new public function needs a line in `QUESTIONS`.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.reading.dataset import dataset
from energy_platform.reading.platform import Platform
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
PRICES: Final = "energy_charts_price"
WIND: Final = "noaa_gfs_wind_forecast"

TABLES: Final[Mapping[str, list[dict[str, Any]]]] = {
    PRICES: [
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
    ],
    WIND: [
        {"run_at": run_at, "valid_at": run_at + n * HOUR, "received_at": run_at + 4 * HOUR}
        | {"latitude": 50.0, "longitude": 10.0, "height_m": 100.0, "wind_speed_m_per_s": float(n)}
        for run_at, hours in ((NOON, 12), (NOON + 6 * HOUR, 12), (NOON + 12 * HOUR, 4))
        for n in range(hours)
    ],
    "nord_pool_intraday_contract": [
        {"contract_id": "C1", "delivery_area_id": "23", "product_type": "P15MIN", "state": "ACTI"}
        | {"delivery_start": NOON, "delivery_end": NOON + QUARTER, "deleted": False}
        | {"opens_at": NOON - 20 * HOUR, "closes_at": NOON, "updated_at": NOON}
        | {"received_at": NOON}
    ],
    "nord_pool_intraday_trade": [
        {"trade_id": str(n), "contract_id": "C1", "side": side, "delivery_area_id": "23"}
        | {"revision_no": 1 + late, "observed_at": NOON - n * HOUR}
        | {"state": "CANCELLED" if late else "COMPLETED", "deleted": False}
        | {"price_eur_per_mwh": 40.0 + n, "volume_mw": 4.0, "received_at": NOON + late * HOUR}
        for late in (0, 1)
        for n in (range(1, 6) if not late else [2])
        for side in ("BUY", "SELL")
    ],
    "nord_pool_intraday_order_book": [
        {"delivery_area_id": "23", "contract_id": "C1", "side": side, "order_id": str(n)}
        | {"revision_no": n + 1, "is_snapshot": n == 0, "deleted": False, "withdrawn": False}
        | {"observed_at": NOON + (n - 10) * HOUR, "received_at": NOON + (n - 10) * HOUR}
        | {"price_eur_per_mwh": 50.0 + n, "volume_mw": 1.0}
        for n, side in enumerate(["BUY", "SELL", "SELL"])
    ],
}
"""The rows of each table; each is a message of its own."""

_DAY: Final[dict[str, Any]] = {"start": NOON, "end": NOON + 24 * HOUR}
_ZONE: Final = {"bidding_zone": "DE-LU"}


def fill(warehouse: Warehouse) -> None:
    """Store all tables, each by one micro-batch."""
    for name in TABLES:
        rows = whole(name)
        warehouse.commit(dataset(name).table, rows, start=0, stop=rows.height)


def fill_home(home: Path) -> Path:
    """Store all tables in a home."""
    fill(DeltaWarehouse(home / "warehouse"))
    return home


def whole(name: str) -> pl.DataFrame:
    """Return a table's rows with all of its columns."""
    dtypes = dataset(name).table.dtypes
    told = [
        dict.fromkeys(dtypes) | row | {"landing_offset": n} for n, row in enumerate(TABLES[name])
    ]
    return pl.DataFrame(told, schema=dtypes)


def _frame(desk: Platform) -> pl.DataFrame:
    price = desk.series(PRICES, "price_eur_per_mwh", area="DE-LU")
    lagged = desk.series(PRICES, "price_eur_per_mwh", area="DE-LU", lag="24h")
    window: dict[str, Any] = {"start": NOON + 24 * HOUR, "end": NOON + 40 * HOUR}
    gate = "D-1 12:00 Europe/Berlin"
    return desk.frame(price=price, lagged=lagged, every="1h", as_of=gate, **window)


async def _first(desk: Platform) -> object:
    """Return the first update that comes: none, where no platform runs."""
    try:
        async for update in desk.follow(PRICES):
            return update
    except LiveBusUnavailableError:
        return None
    return None


QUESTIONS: Final[Mapping[str, Callable[[Platform], Any]]] = {
    "aload": lambda desk: asyncio.run(desk.aload(PRICES, where=_ZONE)),
    "areas": lambda desk: desk.areas(),
    "bars": lambda desk: desk.bars("C1", index="ID3"),
    "batch_history": lambda desk: desk.batch_history(),
    "batches": lambda desk: list(desk.batches(PRICES, rows=50)),
    "book": lambda desk: desk.book(NOON, "C1", "DE-LU"),
    "book_path": lambda desk: desk.book_path("C1", "DE-LU"),
    "catalog": lambda desk: desk.catalog("wind"),
    "changes": lambda desk: desk.changes(PRICES, limit=30),
    "contracts": lambda desk: desk.contracts(area="DE-LU", **_DAY),
    "describe": lambda desk: desk.describe(PRICES),
    "development": lambda desk: desk.development(PRICES, at=NOON + QUARTER),
    "estimate": lambda desk: desk.estimate(PRICES, where=_ZONE, count=True),
    "follow": lambda desk: asyncio.run(_first(desk)),
    "frame": _frame,
    "latest": lambda desk: desk.latest(PRICES),
    "load": lambda desk: desk.load(PRICES, as_of="D-1 12:00 Europe/Berlin", where=_ZONE),
    "named": lambda desk: desk.named(desk.load(PRICES, limit=3), PRICES),
    "productions": lambda desk: desk.productions(),
    "revisions": lambda desk: desk.revisions(PRICES, **_DAY),
    "runs": lambda desk: desk.runs(WIND),
    "scan": lambda desk: desk.scan(WIND, run="latest_complete").sort("valid_at").collect(),
    "search": lambda desk: desk.search("price france"),
    "series": lambda desk: desk.series(PRICES, "price_eur_per_mwh", **_ZONE),
    "sql": lambda desk: desk.sql(f"select count(*) as n, max(bidding_zone) as z from {PRICES}"),
    "stations": lambda desk: desk.stations().sort(pl.all()),
    "trades": lambda desk: desk.trades(start=NOON - 4 * HOUR, end=NOON),
    "values": lambda desk: desk.values(PRICES, "bidding_zone"),
    "vintages": lambda desk: desk.vintages(
        WIND, lead_times=[HOUR, 3 * HOUR], run="latest", known="published"
    ),
}
"""What is asked by each public function of a platform."""
