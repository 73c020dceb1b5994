"""One sensor per market group: it requests a run over all its sources with new data.

The number of runs grows with groups, not with sources. A group that one worker can't carry is split
into several runs (`run_parts`), at most as many as there are workers. A source is never in two of
them: a tick during a run leaves the new data of its sources to a later tick, and a run that was
lost on its way to a worker is failed. A source that can't be read is left out, and one whose
batches fail is tried less often; neither holds up the others.
"""

import logging
import sqlite3
from collections.abc import Iterable, Mapping
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
from energy_platform.settings import settings
from resources import Platform
from resources.launcher import WarmCeleryRunLauncher
from sensors.run_parts import run_parts

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1
"""Less than the seconds between two of the daemon's checks (`resources.sensor_pace`): if it were as
many, a check that comes a moment early would skip the sensor.
"""

_BY_HAND: Final = "__ASSET_JOB"
"""How Dagster calls the job of assets that a person materializes."""

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
    ) -> list[RunRequest] | SkipReason:
        under_way = _under_way(context.instance, job.name, frozenset(key.path[0] for key in keys))
        busy = frozenset().union(*under_way)
        free_workers = settings().workers - len(under_way)
        if free_workers < 1 or len(busy) == len(members):
            return SkipReason("all that may run of this group is under way")
        behind, unreadable = _behind([one for one in members if one.name not in busy], platform)
        for name, reason in unreadable.items():
            context.log.warning("%s is left out: %s", name, reason)
        if not behind:
            return SkipReason("nothing new has landed")
        parts = run_parts(behind, _usual_seconds(platform), most=free_workers)
        return [RunRequest(asset_selection=[AssetKey(name) for name in part]) for part in parts]

    return group_sensor


def _under_way(
    instance: DagsterInstance, job: str, members: frozenset[str]
) -> list[frozenset[str]]:
    """Return the group's sources of each run that may still do something; fail the lost runs."""
    launcher = instance.run_launcher
    under_way = []
    for run in instance.get_runs(RunsFilter(statuses=UNFINISHED)):
        taken = _sources_of(run, job, members)
        if not taken:
            continue
        if isinstance(launcher, WarmCeleryRunLauncher) and launcher.has_lost(run):
            instance.report_run_failed(run, "No worker has this run, and it waits for none.")
        else:
            under_way.append(taken)
    return under_way


def _sources_of(run: DagsterRun, job: str, members: frozenset[str]) -> frozenset[str]:
    """Return which of these sources a run has, also one that a person started in the UI."""
    if run.asset_selection is not None:
        return members & {key.path[0] for key in run.asset_selection}
    is_whole = run.job_name == job or run.job_name.startswith(_BY_HAND)
    return members if is_whole else frozenset()


def _behind(
    members: Iterable[MarketSource], platform: Platform
) -> tuple[list[str], dict[str, str]]:
    """Return the sources with new data, and those for which that can't be told, with the reason.

    A source whose newest batches failed waits before its next one, so that it doesn't fill the
    event log with failed runs.

    Raises:
        WarehouseUnavailableError: It can't be told for any source.
    """
    behind: list[str] = []
    unreadable: dict[str, str] = {}
    pausing = _pausing(platform)
    for source in members:
        try:
            if source.name not in pausing and platform.micro_batches.is_behind(source):
                behind.append(source.name)
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


def _usual_seconds(platform: Platform) -> Mapping[str, float]:
    """Return how long each source's batches take; nothing if the history can't be read."""
    try:
        return platform.history.usual_seconds()
    except (sqlite3.Error, EnergyPlatformError, OSError) as error:
        _log.warning("no group is split: %s", error)
        return {}
