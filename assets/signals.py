"""The trading signals: a model that is trained each night, and what it says each quarter-hour.

    <sources> ──▶ <signal>_model ──▶ <signal> ──(inbox, landing)──▶ trading_signal

What a signal says is handed in to the source `trading_signal`, and lands, is checked and is kept as
all else. A signal that is silent is no failure: its row, a check and an alert say why.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    Output,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
)

from energy_platform.errors import UsageError
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.formats.trading_signals import document
from energy_platform.operations.signal_silence import note
from energy_platform.operations.status import market_clock
from energy_platform.reading.platform import here
from energy_platform.settings import settings
from energy_platform.signals.live import reader_of
from energy_platform.signals.registry import Manifest
from energy_platform.signals.signal import Signal
from energy_platform.signals.speaking import NO_MODEL, said
from energy_platform.signals.training import train
from energy_platform.signals.walk_forward import Walk

GROUP: Final = "signals"
SPEAKS: Final = "speaks"
BEATS: Final = "beats_the_baselines"
_MODEL_STALE: Final = timedelta(days=2)
"""A night may fail; a model that is a week old no longer speaks."""
_SILENT_STALE: Final = timedelta(hours=1)
_TABLE: Final = "trading_signal"
_SCORE_COLUMNS: Final = ("hit_rate", "pinball", "money_eur_per_day", "drawdown_eur")


def model_key(signal: Signal) -> AssetKey:
    """Return the key of a signal's model."""
    return AssetKey(f"{signal.name}_model")


def signal_assets(signals: Iterable[Signal]) -> list[AssetsDefinition]:
    """Return the assets of these signals."""
    return [make(signal) for signal in signals for make in (_model_asset, _spoken_asset)]


def _model_asset(signal: Signal) -> AssetsDefinition:
    @asset(
        key=model_key(signal),
        deps=[AssetKey(name) for name in signal.sources],
        group_name=GROUP,
        description=f"The model of {signal.name}, trained on what was known, with the score of a"
        f" walk through its past. {signal.description}",
        kinds={"scikitlearn"},
        owners=["team:market-data"],
        freshness_policy=FreshnessPolicy.time_window(fail_window=_MODEL_STALE),
        output_required=False,
        check_specs=[
            AssetCheckSpec(
                BEATS,
                asset=model_key(signal),
                description="Its loss is smaller than both baselines', with 90 % confidence.",
            )
        ],
    )
    def trained(context: AssetExecutionContext) -> Iterator[Output[None] | AssetCheckResult]:
        configured = settings()
        now = market_clock(configured).now()
        reader = reader_of(here, configured, configured.signals_known)
        walk = Walk(
            first=timedelta(days=configured.signals_first_days),
            every=timedelta(days=max(1.0, configured.signals_first_days / 3)),
        )
        try:
            manifest = train(signal, reader, configured.home, now, walk)
        except (UsageError, ModuleNotFoundError) as error:
            # A young platform has nothing to compare yet; one without the extra never will.
            context.log.warning("%s is not trained: %s", signal.name, error)
            yield AssetCheckResult(
                passed=isinstance(error, UsageError),
                check_name=BEATS,
                asset_key=model_key(signal),
                severity=AssetCheckSeverity.WARN,
                description=f"not trained: {error}",
            )
            return
        yield Output(None, metadata=_about(manifest))
        yield _beats(signal, manifest)

    return trained


def _beats(signal: Signal, manifest: Manifest) -> AssetCheckResult:
    """Say whether the loss is smaller than that of each baseline, day by day."""
    own = manifest.scores[0] if manifest.scores else None
    better = own["pinball_less_by"] if own is not None else {}
    return AssetCheckResult(
        passed=manifest.beats_baselines,
        check_name=BEATS,
        asset_key=model_key(signal),
        severity=AssetCheckSeverity.WARN,
        description=None if better else "the past is too short for a score",
        metadata={name: MetadataValue.json(dict(one)) for name, one in better.items()},
    )


def _about(manifest: Manifest) -> Mapping[str, Any]:
    """Return a manifest as metadata, with the scores as a table."""
    columns = TableSchema(
        [
            TableColumn("maker", "string"),
            *(TableColumn(name, "string") for name in _SCORE_COLUMNS),
        ]
    )
    records = [
        TableRecord({"maker": one["name"], **{name: _told(one[name]) for name in _SCORE_COLUMNS}})
        for one in manifest.scores
    ]
    return {
        "model_version": manifest.version,
        "recipe": manifest.recipe,
        "features": ", ".join(manifest.features),
        "learned_from_rows": manifest.rows,
        "learned_from": f"{manifest.first_delivery:%Y-%m-%d} to {manifest.last_delivery:%Y-%m-%d}",
        "outcomes_known_until": manifest.outcomes_known_until.isoformat(),
        "sha256": manifest.sha256,
        "scores": MetadataValue.table(records=records, schema=columns),
    }


def _told(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:,.3f} ({figure['low']:,.3f} to {figure['high']:,.3f})"


def _spoken_asset(signal: Signal) -> AssetsDefinition:
    @asset(
        name=signal.name,
        deps=[model_key(signal)],
        group_name=GROUP,
        description=f"{signal.description} Gate: {signal.gate}. Handed in to {_TABLE}.",
        kinds={"scikitlearn", "polars"},
        owners=["team:market-data"],
        freshness_policy=FreshnessPolicy.time_window(fail_window=_SILENT_STALE),
        check_specs=[
            AssetCheckSpec(
                SPEAKS,
                asset=signal.name,
                description="It says something of every delivery, once it has a model.",
            )
        ],
    )
    def spoken() -> Iterator[MaterializeResult[None]]:
        configured = settings()
        now = market_clock(configured).now()
        reader = reader_of(here, configured, configured.signals_known)
        rows = said(signal, reader, configured.home, now)
        if not rows.is_empty():
            Inbox.of(configured.home, _TABLE).put(document(rows), sender=signal.name)
        silent = rows["silent_because"].drop_nulls().unique().sort().to_list()
        note(configured.home, signal.name, silent)
        yield MaterializeResult(
            metadata={
                "dagster/row_count": rows.height,
                "market_time": now.isoformat(timespec="seconds"),
                "silent": rows["silent_because"].count(),
                "latest": MetadataValue.md(_latest(rows)),
            },
            check_results=[
                AssetCheckResult(
                    passed=set(silent) <= {NO_MODEL},
                    check_name=SPEAKS,
                    severity=AssetCheckSeverity.WARN,
                    description="; ".join(silent) or None,
                )
            ],
        )

    return spoken


def _latest(rows: pl.DataFrame) -> str:
    """Return the next deliveries as a table."""
    lines = [f"| {' | '.join(rows.columns)} |", "|" + " --- |" * rows.width]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows.head(4).iter_rows()]
    return "\n".join(lines)
