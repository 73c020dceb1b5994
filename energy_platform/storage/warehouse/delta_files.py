"""What the log of a Delta table says of its files: their sizes, row counts and newest times."""

from datetime import datetime
from typing import cast

import polars as pl
from deltalake import DeltaTable

from energy_platform.market.table import Table
from energy_platform.storage.warehouse.protocol import TableSummary


def files(delta: DeltaTable) -> pl.DataFrame:
    """Return one row per file of this version, with its statistics."""
    return pl.DataFrame(delta.get_add_actions(flatten=True))


def summary(delta: DeltaTable | None, table: Table, *, committed_offset: int) -> TableSummary:
    """Return a table's row count and newest times; times are cut to milliseconds."""
    if delta is None:
        return TableSummary(rows=0, last_event_at=None, last_received_at=None, committed_offset=0)
    found = files(delta)
    return TableSummary(
        rows=int(found.get_column("num_records").sum()),
        last_event_at=_last(found, table.event_time),
        last_received_at=_last(found, "received_at"),
        committed_offset=committed_offset,
    )


def _last(found: pl.DataFrame, column: str) -> datetime | None:
    name = f"max.{column}"
    last = found.get_column(name).max() if name in found.columns else None
    return cast("datetime | None", last)
