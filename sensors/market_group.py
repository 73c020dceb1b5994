"""One sensor per market group: it requests one run over all its sources with new data.

The number of runs grows with groups, not with sources. A group never has two runs at once: a tick
during a run leaves the new data to the next tick, and a run that was lost on its way to a worker is
failed. A source that can't be read is left out, and one whose batches fail is tried less often;
neither holds up the others.
"""

import logging
import sqlite3
from collections.abc import Iterable
from typing import Final

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DagsterRun,
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
from polars.exceptions import PanicException

from energy_platform.errors import EnergyPlatformError, WarehouseUnavailableError
from energy_platform.market.source import MarketGroup, MarketSource
from resources import Platform
from resources.launcher import WarmCeleryRunLauncher

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1
"""Less than the seconds between two of the daemon's checks (`resources.sensor_pace`): if it were as
many, a check that comes a moment early would skip the sensor.
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
        if _is_under_way(context.instance, context.instance.get_runs(unfinished)):
            return SkipReason("a run of this group is under way")
        behind, unreadable = _behind(members, platform)
        for name, reason in unreadable.items():
            context.log.warning("%s is left out: %s", name, reason)
        if not behind:
            return SkipReason("nothing new has landed")
        return RunRequest(asset_selection=behind)

    return group_sensor


def _is_under_way(instance: DagsterInstance, runs: Iterable[DagsterRun]) -> bool:
    """Return whether one of these unfinished runs may still do something; fail the lost ones."""
    launcher, is_under_way = instance.run_launcher, False
    for run in runs:
        if isinstance(launcher, WarmCeleryRunLauncher) and launcher.has_lost(run):
            instance.report_run_failed(run, "No worker has this run, and it waits for none.")
        else:
            is_under_way = True
    return is_under_way


def _behind(
    members: Iterable[MarketSource], platform: Platform
) -> tuple[list[AssetKey], dict[str, str]]:
    """Return the sources with new data, and those for which that can't be told, with the reason.

    A source whose newest batches failed waits before its next one, so that it doesn't fill the
    event log with failed runs.

    Raises:
        WarehouseUnavailableError: It can't be told for any source.
    """
    behind: list[AssetKey] = []
    unreadable: dict[str, str] = {}
    pausing = _pausing(platform)
    for source in members:
        try:
            if source.name not in pausing and platform.micro_batches.is_behind(source):
                behind.append(AssetKey(source.name))
        except WarehouseUnavailableError:
            raise
        except (Exception, PanicException) as error:  # noqa: BLE001 (the other sources have their turn)
            unreadable[source.name] = f"{type(error).__name__}: {error}"
    return behind, unreadable


def _pausing(platform: Platform) -> frozenset[str]:
    """Return the sources that wait; none if the history can't be read."""
    try:
        return platform.history.pausing()
    except (sqlite3.Error, EnergyPlatformError, OSError) as error:
        _log.warning("no source waits after a failure: %s", error)
        return frozenset()
