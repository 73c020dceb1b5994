"""One asset per market source, on its way from the provider's feed to the hot copy.

    <source>_feed ──▶ <source>_landing ──▶ <source> ──▶ <source>_hot

Only `<source>` is made by Dagster; the others are external assets that make the lineage whole.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
    asset,
)

from energy_platform.market_source import MarketSource
from energy_platform.micro_batch import BatchReport
from resources import Platform

ROWS_VALID: Final = "rows_valid"
BATCH_PARSED: Final = "batch_parsed"

_SAMPLES: Final = 10
_SHORTEST_FRESHNESS: Final = timedelta(minutes=2)


def market_assets(sources: Iterable[MarketSource]) -> list[AssetsDefinition | AssetSpec]:
    """Return the assets of these sources, with their external neighbours."""
    known = list(sources)
    neighbours = [spec for source in known for spec in _neighbours(source)]
    return [*neighbours, *(_market_asset(source) for source in known)]


def landing_key(source: MarketSource) -> AssetKey:
    """Return the key of a source's raw messages."""
    return AssetKey(f"{source.name}_landing")


def _neighbours(source: MarketSource) -> Iterator[AssetSpec]:
    feed = AssetKey(f"{source.name}_feed")
    yield AssetSpec(
        feed,
        description=f"What {source.provider.name} sends. Terms: {source.terms}",
        group_name=source.group.value,
        kinds={source.feed.protocol.lower()},
        owners=[source.owner],
        metadata={"provider": source.provider.name, "terms": source.terms},
    )
    yield AssetSpec(
        landing_key(source),
        deps=[feed],
        description="Raw messages as received, kept for good; replay starts here.",
        group_name=source.group.value,
        kinds={"arrow"},
        owners=[source.owner],
    )
    yield AssetSpec(
        AssetKey(f"{source.name}_hot"),
        deps=[AssetKey(source.name)],
        description="The latest value per series and time, for dashboards.",
        group_name=source.group.value,
        kinds={"sqlite"},
        owners=[source.owner],
    )


def _market_asset(source: MarketSource) -> AssetsDefinition:
    @asset(
        name=source.name,
        deps=[landing_key(source)],
        group_name=source.group.value,
        description=source.description,
        owners=[source.owner],
        kinds={"polars", "deltalake", source.feed.protocol.lower()},
        metadata={
            "dagster/column_schema": column_schema(source),
            "provider": source.provider.name,
            "key": ", ".join(source.key),
            "expected_lag_seconds": source.expected_lag.total_seconds(),
        },
        freshness_policy=FreshnessPolicy.time_window(
            fail_window=max(source.expected_lag, _SHORTEST_FRESHNESS)
        ),
        check_specs=[
            AssetCheckSpec(
                ROWS_VALID, asset=source.name, description="Every row passes the source's checks."
            ),
            AssetCheckSpec(
                BATCH_PARSED, asset=source.name, description="Every message could be parsed."
            ),
        ],
    )
    def market_asset(platform: Platform) -> Iterator[MaterializeResult[None]]:
        report = platform.micro_batches.run(source)
        yield MaterializeResult(
            metadata=batch_metadata(report), check_results=list(check_results(report))
        )

    return market_asset


def column_schema(source: MarketSource) -> TableSchema:
    """Return the table's columns as Dagster's catalogue shows them, units included."""
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=column.type,
                description=" ".join(
                    part
                    for part in (column.description, f"[{column.unit}]" if column.unit else "")
                    if part
                ),
                constraints=TableColumnConstraints(nullable=column.nullable),
                tags={"unit": column.unit} if column.unit else {},
            )
            for column in source.columns
        ]
    )


def batch_metadata(report: BatchReport) -> dict[str, MetadataValue[Any]]:
    """Return what a materialization says of its micro-batch."""
    metadata: dict[str, MetadataValue[Any]] = {
        "dagster/row_count": MetadataValue.int(report.rows_new),
        "rows_parsed": MetadataValue.int(report.rows_parsed),
        "rows_quarantined": MetadataValue.int(report.quarantined.height),
        "messages": MetadataValue.int(report.messages),
        "landing_offsets": MetadataValue.text(f"[{report.start}, {report.stop})"),
        "batch_seconds": MetadataValue.float(round(report.seconds, 4)),
    }
    if report.last_received_at is not None:
        lag = datetime.now(UTC) - report.last_received_at
        metadata["lag_seconds"] = MetadataValue.float(round(lag.total_seconds(), 3))
        metadata["last_received_at"] = MetadataValue.timestamp(report.last_received_at)
    return metadata


def check_results(report: BatchReport) -> Iterator[AssetCheckResult]:
    """Return the two verdicts on a micro-batch, with samples of what failed."""
    bad_rows = report.quarantined.filter(pl.col("row").is_not_null())
    yield AssetCheckResult(
        check_name=ROWS_VALID,
        passed=bad_rows.is_empty(),
        severity=AssetCheckSeverity.WARN,
        metadata={"quarantined_rows": bad_rows.height, "samples": _samples(bad_rows)},
    )
    yield AssetCheckResult(
        check_name=BATCH_PARSED,
        passed=report.unparsed == 0,
        severity=AssetCheckSeverity.ERROR,
        metadata={
            "unparsed_messages": report.unparsed,
            "samples": _samples(report.quarantined.filter(pl.col("row").is_null())),
        },
    )


def _samples(failures: pl.DataFrame) -> MetadataValue[Any]:
    shown = failures.head(_SAMPLES).select("landing_offset", "check", "reason", "row")
    return MetadataValue.json(shown.to_dicts())
