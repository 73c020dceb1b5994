"""The sensor that rebuilds the marts when a source has new rows, and the nightly schedule.

A run of dbt costs a quarter of a minute of a core, most of it start-up: too much for each
micro-batch. So the sensor looks every few minutes. The run has a process of its own, so no warm
worker waits for it.
"""

from collections.abc import Iterable
from typing import Final

from dagster import (
    AssetKey,
    AssetSelection,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    sensor,
)

from energy_platform.marts.catalogue import Mart
from energy_platform.marts.changes import Progress, are_behind
from energy_platform.settings import settings
from resources import Platform
from resources.launcher import OWN_PROCESS
from sensors.market_group import UNFINISHED

GROUP: Final = "marts"
"""The name of the op that builds them."""
JOB: Final = "make_marts"
LOOK_SECONDS: Final = 300
_EVERY_NIGHT: Final = "15 2 * * *"
_LONGEST: Final = {"dagster/max_runtime": "3600"}


def mart_automation(
    marts: Iterable[Mart],
) -> tuple[list[SensorDefinition], list[ScheduleDefinition]]:
    """Return the sensor and the schedule that build the marts, on by default."""
    job = define_asset_job(
        JOB,
        selection=AssetSelection.assets(*(AssetKey(mart.name) for mart in marts)),
        description="The days of the marts of which the sources have said something new.",
        tags={**OWN_PROCESS, **_LONGEST},
    )

    @sensor(
        name="marts_sensor",
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when the sources of a mart have brought something.",
    )
    def marts_sensor(
        context: SensorEvaluationContext, platform: Platform
    ) -> RunRequest | SkipReason:
        if context.last_tick_completion_time is None:
            return SkipReason("a platform that has only just begun has the cores to itself")
        if context.instance.get_runs_count(RunsFilter(job_name=job.name, statuses=UNFINISHED)):
            return SkipReason("a run is under way")
        if not are_behind(platform.micro_batches.warehouse, Progress(settings())):
            return SkipReason("no source has brought anything")
        return RunRequest()

    nightly = ScheduleDefinition(
        name="marts_whole",
        job=job,
        cron_schedule=_EVERY_NIGHT,
        run_config={"ops": {GROUP: {"config": {"wholly": True}}}},
        default_status=DefaultScheduleStatus.RUNNING,
        description="Makes every mart anew, whatever has changed.",
    )
    return [marts_sensor], [nightly]
