"""The batch history as an asset: what the platform's batches did, long after their runs are gone.

A run every quarter of an hour sums old lines and shows the last day, source by source.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from dagster import (
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
)

from energy_platform.operations.batch_history import KEPT, SCHEMA, by_source
from resources import Platform

_SHOWN: Final = timedelta(days=1)
_STALE: Final = timedelta(hours=1)
_COLUMNS: Final = TableSchema([TableColumn(name, str(dtype)) for name, dtype in SCHEMA.items()])


@asset(
    group_name="platform",
    kinds={"sqlite", "polars"},
    owners=["team:market-data"],
    description=f"What each micro-batch did, for {KEPT.days} days: offsets, messages, rows,"
    " quarantine, seconds, drift, errors. `energy-platform history` and"
    " `energy_platform.batch_history()` read all of it; the newest materialization shows the last"
    " day.",
    metadata={"dagster/column_schema": _COLUMNS},
    freshness_policy=FreshnessPolicy.time_window(fail_window=_STALE),
)
def batch_history(platform: Platform) -> MaterializeResult[None]:
    """Sum old lines, and show the last day."""
    now = datetime.now(UTC)
    lines = platform.history.compact(now=now)
    last_day = by_source(platform.history.lines(since=now - _SHOWN))
    return MaterializeResult(
        metadata={
            "dagster/row_count": MetadataValue.int(lines),
            "stored_bytes": MetadataValue.int(platform.history.stored_bytes()),
            "batches_of_the_last_day": MetadataValue.int(int(last_day["batches"].sum())),
            "failed_batches_of_the_last_day": MetadataValue.int(int(last_day["failed"].sum())),
            "last_day": MetadataValue.table(records=_records(last_day), schema=_COLUMNS),
        }
    )


def _records(lines: pl.DataFrame) -> list[TableRecord]:
    shown: list[dict[str, Any]] = lines.with_columns(
        pl.col("finished_at").dt.to_string("%Y-%m-%d %H:%M:%S"), pl.col("seconds").round(3)
    ).to_dicts()
    return [TableRecord(row) for row in shown]
