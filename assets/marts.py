"""The marts: what dbt builds from the market sources, with dbt's tests as asset checks.

    <source> ──▶ <mart>

The project's YAML lists the marts. So the workers need not import dbt, which costs seconds and
eighty megabytes; only the process of a run does.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Config,
    Failure,
    FreshnessPolicy,
    Output,
    multi_asset,
)
from pydantic import Field

from assets.columns import column_schema
from energy_platform.market.registry import unbroken
from energy_platform.market.timeliness import longest_silence
from energy_platform.marts.catalogue import Mart, project_folder
from energy_platform.marts.dbt_run import DBT, MartRun, mart_run, target_folder
from energy_platform.settings import settings
from resources import Platform

GROUP: Final = "marts"
_ONE_DAY: Final = timedelta(days=1)
_MAKING: Final = timedelta(minutes=30)
"""How much later than its sources a mart may be, the wait for a run included."""


class MartsConfig(Config):
    """What to build."""

    wholly: bool = Field(
        default=False, description="Make the marts anew, not only the days that have changed."
    )


def mart_assets(marts: Iterable[Mart]) -> AssetsDefinition:
    """Return the marts as assets that one run of dbt builds."""
    known = list(marts)

    @multi_asset(
        name=GROUP,
        specs=[_spec(mart) for mart in known],
        check_specs=[
            AssetCheckSpec(test.name, asset=mart.name, description="A test of dbt's.")
            for mart in known
            for test in mart.tests
        ],
        can_subset=True,
    )
    def make_marts(
        context: AssetExecutionContext, config: MartsConfig, platform: Platform
    ) -> Iterator[Output[None] | AssetCheckResult]:
        chosen = {key.to_user_string() for key in context.selected_asset_keys}
        warehouse = platform.micro_batches.warehouse
        with mart_run(settings(), warehouse, wholly=config.wholly, only=chosen) as run:
            if not run.stale:
                context.log.info("every mart is up to date")
                return
            said = list(_dbt_events(context, run))
            built = run.note()
        yield from (event for event in said if isinstance(event, Output | AssetCheckResult))
        failed = [f"{one.name}: {one.error}" for one in built if one.error is not None]
        if failed:
            raise Failure("\n".join(failed), allow_retries=False)

    return make_marts


def _dbt_events(context: AssetExecutionContext, run: MartRun) -> Iterator[object]:
    """Run dbt, and yield Dagster's events for the marts and their tests."""
    # Only this process needs it; it costs seconds, and eighty megabytes.
    from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation  # noqa: PLC0415
    from packaging.version import Version  # noqa: PLC0415

    target = target_folder(run.settings)
    invocation = DbtCliInvocation.run(
        args=[str(DBT), *run.arguments],
        env={**os.environ, **run.environment, "DBT_LOG_FORMAT": "json"},
        manifest={},
        dagster_dbt_translator=DagsterDbtTranslator(),
        project_dir=project_folder(),
        target_path=target,
        raise_on_error=False,
        context=None,
        adapter=None,
        cli_version=Version(version("dbt-core")),
    )
    ours = {each.mart.name for each in run.stale}
    ours |= {test.name for each in run.stale for test in each.mart.tests}
    for event in invocation.stream_raw_events():
        if event.raw_event["data"].get("node_info", {}).get("node_name") in ours:
            # dbt has written the manifest before its first event.
            yield from event.to_default_asset_events(target / "manifest.json", context=context)


def _spec(mart: Mart) -> AssetSpec:
    sources = unbroken(mart.upstream)
    return AssetSpec(
        mart.name,
        deps=[AssetKey(name) for name in sorted(mart.upstream)],
        description=mart.description,
        group_name=GROUP,
        owners=sorted({source.owner for source in sources}),
        kinds={"dbt", "sql"},
        metadata={
            "dagster/column_schema": column_schema(mart.columns),
            "key": ", ".join(mart.key),
        },
        # A mart is built whenever one of its sources has new rows.
        freshness_policy=FreshnessPolicy.time_window(
            fail_window=min(map(longest_silence, sources), default=_ONE_DAY) + _MAKING
        ),
        skippable=True,
    )
