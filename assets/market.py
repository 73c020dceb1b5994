"""Three assets per market source: what landed, the table, and the hot copy.

    <source>_landing ──▶ <source> ──▶ <source>_hot

Dagster materializes only `<source>`. The collector lands the messages and the micro-batch writes
the hot copy; `sensors.neighbours` reports both to Dagster.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.columns import column_schema
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.settings import WarehouseKind, settings
from resources import Platform
from resources.neighbours import REPORTED_EVERY, hot_copy_key, landing_key

ROWS_VALID: Final = "rows_valid"
BATCH_PARSED: Final = "batch_parsed"
LAYOUT_KNOWN: Final = "layout_known"

_WAREHOUSE_KINDS: Final = {WarehouseKind.DELTA: "deltalake", WarehouseKind.BIGQUERY: "bigquery"}
"""Dagster's names for the warehouses, for which it has icons."""

_SAMPLES: Final = 10
_SHORTEST_FRESHNESS: Final = timedelta(minutes=2)
"""Dagster checks freshness twice a minute and requires windows of at least one."""
_EARLY: Final = timedelta(hours=1)
"""Data that comes this long before a publication's time still belongs to it."""
_LONGEST_LOOK_BACK: Final = timedelta(hours=20)
"""Dagster requires less than the shortest day of a schedule."""
_A_MONDAY: Final = date(2026, 1, 5)
_WEEK_DAYS: Final = 7


def market_assets(sources: Iterable[MarketSource]) -> list[AssetsDefinition | AssetSpec]:
    """Return the assets of these sources, with the landing and the hot copy of each table."""
    known = list(sources)
    return [
        *(make(source) for source in known for make in (_landing, _hot_copy)),
        *(_market_asset(source) for source in known),
    ]


def _landing(source: MarketSource) -> AssetSpec:
    return AssetSpec(
        landing_key(source),
        description=f"What {source.provider.name} sends, raw as received and kept for good; replay"
        f" starts here. Terms: {source.terms}",
        group_name=source.group.value,
        kinds={source.feed.protocol.lower(), "arrow"},
        owners=[source.owner],
        metadata={
            "provider": source.provider.name,
            "terms": source.terms,
            "expected_lag_seconds": source.expected_lag.total_seconds(),
        },
        freshness_policy=freshness_policy(source, told_after=REPORTED_EVERY),
    )


def _hot_copy(source: MarketSource) -> AssetSpec:
    return AssetSpec(
        hot_copy_key(source),
        deps=[landing_key(source)],
        description="The latest value per series and time, for dashboards. The hot lane makes it of"
        " what lands; it can be made again from the table.",
        group_name=source.group.value,
        kinds={settings().hot_store.value},
        owners=[source.owner],
        metadata={"hot_days": settings().hot_days},
        freshness_policy=freshness_policy(source, told_after=REPORTED_EVERY),
    )


def _market_asset(source: MarketSource) -> AssetsDefinition:
    @asset(
        name=source.name,
        deps=[landing_key(source)],
        group_name=source.group.value,
        description=source.description,
        owners=[source.owner],
        kinds={"polars", _WAREHOUSE_KINDS[settings().warehouse], source.feed.protocol.lower()},
        metadata={
            "dagster/column_schema": column_schema(source.columns),
            "provider": source.provider.name,
            "key": ", ".join(source.key),
            "expected_lag_seconds": source.expected_lag.total_seconds(),
        },
        freshness_policy=freshness_policy(source),
        check_specs=[
            AssetCheckSpec(
                ROWS_VALID, asset=source.name, description="Every row passes the source's checks."
            ),
            AssetCheckSpec(
                BATCH_PARSED, asset=source.name, description="Every message could be parsed."
            ),
            AssetCheckSpec(
                LAYOUT_KNOWN,
                asset=source.name,
                description="What the provider sends has the accepted layout; see"
                f" `energy-platform layout {source.name}`.",
            ),
        ],
    )
    def market_asset(
        context: AssetExecutionContext, platform: Platform
    ) -> Iterator[MaterializeResult[None]]:
        require_unfinished(context)
        report = platform.run(source)
        yield MaterializeResult(
            metadata=batch_metadata(report), check_results=list(check_results(source, report))
        )

    return market_asset


def require_unfinished(context: AssetExecutionContext) -> None:
    """Refuse a batch of a run that was given up meanwhile.

    A worker that hung was taken for dead. Its run has failed, and another one has its sources.

    Raises:
        Failure: It was.
    """
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.is_finished:
        raise Failure("this run was given up: its worker was taken for dead")


def freshness_policy(
    source: MarketSource, *, told_after: timedelta = timedelta()
) -> FreshnessPolicy:
    """Return when Dagster shows a source as stale, by the same rules as `timeliness`.

    Dagster sees materializations, not their content. So a publication counts as complete when
    something came around its time; `energy-platform status` and the alerts check that it is the
    right day's.

    Args:
        source: The market source.
        told_after: The longest delay with which Dagster learns of new data.
    """
    if source.publication is None:
        return FreshnessPolicy.time_window(
            fail_window=max(source.expected_lag, _SHORTEST_FRESHNESS) + told_after
        )
    # The date is any day without a clock change, since a cron schedule is in wall time.
    out = datetime.combine(_A_MONDAY, source.publication.at)
    late = out + source.expected_lag + told_after
    weekdays = {
        (day + (late.date() - _A_MONDAY).days) % _WEEK_DAYS for day in source.publication.weekdays
    }
    # Cron counts from Sunday.
    days = (
        ",".join(str((day + 1) % _WEEK_DAYS) for day in sorted(weekdays))
        if len(weekdays) < _WEEK_DAYS
        else "*"
    )
    return FreshnessPolicy.cron(
        deadline_cron=f"{late.minute} {late.hour} * * {days}",
        lower_bound_delta=min(source.expected_lag + told_after + _EARLY, _LONGEST_LOOK_BACK),
        timezone=source.publication.zone,
    )


def batch_metadata(report: BatchReport) -> dict[str, MetadataValue[Any]]:
    """Return the metadata of a micro-batch's materialization."""
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


def check_results(source: MarketSource, report: BatchReport) -> Iterator[AssetCheckResult]:
    """Return the check results of a micro-batch, with samples of what failed."""
    samples = _samples if source.entitlement is None else _traces
    bad_rows = report.quarantined.filter(pl.col("row").is_not_null())
    yield AssetCheckResult(
        check_name=ROWS_VALID,
        passed=bad_rows.is_empty(),
        severity=AssetCheckSeverity.WARN,
        metadata={"quarantined_rows": bad_rows.height, "samples": samples(bad_rows)},
    )
    yield AssetCheckResult(
        check_name=BATCH_PARSED,
        passed=report.unparsed == 0,
        severity=AssetCheckSeverity.ERROR,
        metadata={
            "unparsed_messages": report.unparsed,
            "samples": samples(report.quarantined.filter(pl.col("row").is_null())),
        },
    )
    yield AssetCheckResult(
        check_name=LAYOUT_KNOWN,
        passed=not report.drift,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(report.drift[:_SAMPLES]) or None,
        metadata={"differences": MetadataValue.json(list(report.drift))},
    )


def _samples(failures: pl.DataFrame) -> MetadataValue[Any]:
    shown = failures.head(_SAMPLES).select("landing_offset", "check", "reason", "row")
    return MetadataValue.json(shown.to_dicts())


def _traces(failures: pl.DataFrame) -> MetadataValue[Any]:
    """Return what may be told of a portfolio's rows: where they are, and which check they failed.

    Everybody who may open the Dagster UI reads this. A reason would quote the row.
    """
    counted = failures.group_by("landing_offset", "check", maintain_order=True).len("rows")
    return MetadataValue.json(counted.head(_SAMPLES).to_dicts())
