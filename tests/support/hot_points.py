"""Points of a measurement with a field of every type in use, for tests of hot stores."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.storage.hot_store.protocol import HotStore, Measurement

EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
PRICES = Measurement(
    name="ote_intraday_price",
    tags=("bidding_zone", "product"),
    fields={
        "price_eur_per_mwh": pl.Float64(),
        "trades": pl.Int32(),
        "is_final": pl.Boolean(),
        "status": pl.String(),
        "published_at": INSTANT,
    },
    time="delivery_start",
)
SCHEMA = {
    "bidding_zone": pl.String(),
    "product": pl.String(),
    "delivery_start": INSTANT,
    **PRICES.fields,
}


def point(minutes: float = 0, *, zone: str | None = "CZ", **fields: object) -> dict[str, Any]:
    """Return a point a number of minutes after the epoch; fields that aren't given are null."""
    return {
        "bidding_zone": zone,
        "product": "QH",
        "delivery_start": EPOCH + timedelta(minutes=minutes),
        **dict.fromkeys(PRICES.fields),
        **fields,
    }


def points(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return points in the columns of the measurement."""
    return pl.DataFrame(rows, schema=SCHEMA)


def prices(frame: pl.DataFrame) -> list[float | None]:
    """Return the prices of some points, in order."""
    return frame["price_eur_per_mwh"].to_list()


def put(store: HotStore, measurement: Measurement, frame: pl.DataFrame, *, stop: int) -> None:
    """Write points, none of which may be refused, and record their offset, as a batch does."""
    refused = store.write(measurement, frame, stop=stop)
    assert refused.is_empty(), refused
    store.commit_offset(measurement, stop=stop)
