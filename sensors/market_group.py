"""One sensor per market group: it asks for one run over all its sources with new data.

The cost of a run grows with groups, not with sources, and a group never has two runs at once: a
tick that finds one under way leaves the new data to the next.
"""

from collections.abc import Iterable
from typing import Final

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    sensor,
)

from energy_platform.market.source import MarketGroup, MarketSource
from resources import Platform

TICK_SECONDS: Final = 1
"""Less than the daemon's own five seconds between two looks: asked for five, a look that comes a
moment early passes the sensor over, and it ticks every ten.
"""

UNFINISHED: Final = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def market_group_sensors(sources: Iterable[MarketSource]) -> list[SensorDefinition]:
    """Return the sensor of every market group that has a source."""
    by_group: dict[MarketGroup, list[MarketSource]] = {}
    for source in sources:
        by_group.setdefault(source.group, []).append(source)
    return [_group_sensor(group, members) for group, members in sorted(by_group.items())]


def _group_sensor(group: MarketGroup, members: list[MarketSource]) -> SensorDefinition:
    keys = [AssetKey(source.name) for source in members]
    job = define_asset_job(
        f"{group}_micro_batch",
        selection=AssetSelection.assets(*keys),
        description=f"The next micro-batch of every {group} source with new data.",
        tags={"market_group": group.value},
    )

    @sensor(
        name=f"{group}_sensor",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Starts a run when a source of the {group} group has landed new data.",
    )
    def group_sensor(
        context: SensorEvaluationContext, platform: Platform
    ) -> RunRequest | SkipReason:
        unfinished = RunsFilter(job_name=job.name, statuses=UNFINISHED)
        if context.instance.get_runs_count(unfinished):
            return SkipReason("a run of this group is under way")
        behind = [
            AssetKey(source.name) for source in members if platform.micro_batches.is_behind(source)
        ]
        if not behind:
            return SkipReason("nothing new has landed")
        return RunRequest(asset_selection=behind)

    return group_sensor
