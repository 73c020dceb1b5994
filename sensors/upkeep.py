"""The platform's upkeep: it deletes old runs and events, compacts tables, bounds simulated homes.

A group that runs every four seconds writes 21,600 runs a day, and Dagster deletes none by itself;
its UI and its database stay quick only if somebody does. A setting says how long runs are kept. The
batch history keeps what the batches did for longer.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    define_asset_job,
    job,
    op,
)
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.operations.home_bounds import bound_landing, bound_tables
from energy_platform.pipeline.stores import is_simulated_alone
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from energy_platform.settings import settings
from energy_platform.signals.catalogue import signals
from energy_platform.storage.landing import Merged
from resources import Platform
from sensors.history_size import give_back, takes_more
from sensors.run_snapshots import forget_snapshots

HISTORY_BYTES: Final = 2**30
"""The greatest size of Dagster's databases together."""

_LEAST_KEPT: Final = timedelta(minutes=5)
_STAGED_KEPT: Final = timedelta(days=2)
"""How long what a killed replay has staged waits for the next replay of its source."""
_BATCH: Final = 500
_SUCCEEDED: Final = [DagsterRunStatus.SUCCESS]
_FAILED: Final = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_HISTORY: Final = "batch_history"


def forget_finished_runs(
    instance: DagsterInstance, *, now: datetime, keep: timedelta, keep_failed: timedelta
) -> int:
    """Delete finished runs that are too old, with their events and check results.

    A run with an asset's newest materialization stays: a market that publishes once a day must not
    look as if it had never published.

    Args:
        instance: The Dagster instance.
        now: The time.
        keep: How long a successful run is kept.
        keep_failed: How long a run that failed or was ended is kept.

    Returns:
        How many runs were deleted.
    """
    own = [name for one in signals() for name in (one, f"{one}_model")]
    kept = [*market_sources(), *marts(), *own, _HISTORY]
    needed = _newest_runs(instance, [AssetKey(name) for name in kept])
    forgotten = 0
    for statuses, age in ((_SUCCEEDED, keep), (_FAILED, keep_failed)):
        old = RunsFilter(statuses=statuses, created_before=now - age)
        while run_ids := [
            run_id for run_id in instance.get_run_ids(old, limit=_BATCH) if run_id not in needed
        ]:
            for run_id in run_ids:
                instance.delete_run(run_id)
            _forget_check_results(instance, run_ids)
            forgotten += len(run_ids)
    return forgotten


def forget_reports(instance: DagsterInstance, *, before: datetime) -> int:
    """Delete events that belong to no run, such as the reports of landings and hot copies.

    The newest event of each kind stays for each asset. Returns how many were deleted.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    event = SqlEventLogStorageTable.c
    of_no_run = event.run_id == RUNLESS_RUN_ID
    newest = (
        sqlalchemy.select(sqlalchemy.func.max(event.id))
        .where(of_no_run)
        .group_by(event.asset_key, event.dagster_event_type)
    )
    old = SqlEventLogStorageTable.delete().where(
        of_no_run, event.timestamp < before.replace(tzinfo=None), event.id.not_in(newest)
    )
    with storage.index_connection() as connection:
        return int(connection.execute(old).rowcount)


def _newest_runs(instance: DagsterInstance, keys: Iterable[AssetKey]) -> set[str]:
    events = (instance.get_latest_materialization_event(key) for key in keys)
    return {event.run_id for event in events if event is not None}


def _forget_check_results(instance: DagsterInstance, run_ids: list[str]) -> None:
    """Delete check results too: Dagster keeps them when it deletes their run."""
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        gone = AssetCheckExecutionsTable.c.run_id.in_(run_ids)
        with storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(gone))


def bound_history(
    instance: DagsterInstance,
    *,
    keep: timedelta,
    keep_failed: timedelta,
    most_bytes: int = HISTORY_BYTES,
) -> tuple[int, int]:
    """Delete what is too old, and ever younger runs while Dagster's databases are too large.

    The free pages of SQLite files are given back to the disk.

    Args:
        instance: The Dagster instance.
        keep: How long a successful run, or an event without a run, is kept.
        keep_failed: How long a run that failed or was ended is kept.
        most_bytes: The greatest size of the databases.

    Returns:
        How many runs and how many events without a run were deleted.
    """
    now, runs, reports = datetime.now(UTC), 0, 0
    while True:
        runs += forget_finished_runs(instance, now=now, keep=keep, keep_failed=keep_failed)
        reports += forget_reports(instance, before=now - keep)
        if max(keep, keep_failed) < _LEAST_KEPT or not takes_more(instance, most_bytes):
            break
        keep, keep_failed = keep / 2, keep_failed / 2
    give_back(instance)
    return runs, reports


@op
def forget_history(context: OpExecutionContext) -> None:
    """Delete old runs, old events without a run, and the snapshots of runs that are gone."""
    runs, reports = bound_history(
        context.instance,
        keep=timedelta(hours=settings().runs_kept_hours),
        keep_failed=timedelta(hours=settings().failed_runs_kept_hours),
    )
    snapshots = forget_snapshots(context.instance)
    context.log.info(
        "%d finished runs, %d reports and %d snapshots forgotten", runs, reports, snapshots
    )


@op
def maintain_tables(context: OpExecutionContext, platform: Platform) -> None:
    """Compact and clear every table of the warehouse, and drop hot points that are too old."""
    batches = platform.micro_batches
    tables = [
        make(source)
        for source in market_sources().values()
        for make in (market_table, quarantine_table)
    ]
    if is_simulated_alone(settings()):
        removed = bound_tables(batches, now=datetime.now(UTC))
        context.log.info("%d rows of simulated markets removed", removed)
    batches.warehouse.maintain(tables)
    sources = market_sources().values()
    expired = batches.hot_copies.expire(sources)
    expired += batches.hot_store.compact([measurement(source) for source in sources])
    context.log.info("%d tables maintained, %d hot points expired", len(tables), expired)


@op
def merge_raw_messages(context: OpExecutionContext, platform: Platform) -> None:
    """Merge the small segments of every landing log, so that a day isn't half a million files."""
    zone, done = platform.micro_batches.landing, Merged()
    for name in market_sources():
        try:
            done += zone.merge(name, now=datetime.now(UTC))
        except Exception:
            context.log.exception("the log of %s can't be merged", name)
    context.log.info(
        "%d segments merged into %d, %d removed that were merged earlier",
        done.merged, done.into, done.removed,
    )  # fmt: skip


@op
def forget_simulated_messages(context: OpExecutionContext, platform: Platform) -> None:
    """Delete old raw messages of a home that is only simulated, to bound its disk."""
    if is_simulated_alone(settings()):
        age = timedelta(days=settings().simulated_days)
        removed = bound_landing(platform.micro_batches, now=datetime.now(UTC), age=age)
        context.log.info("%d segments of simulated messages removed", removed)


@op
def forget_staged(context: OpExecutionContext, platform: Platform) -> None:
    """Remove what killed replays have staged: it takes the room of other sources' replays."""
    staging = platform.micro_batches.landing.staging
    for name in staging.forget(now=datetime.now(UTC), unused=_STAGED_KEPT):
        context.log.info("what a replay of %s had staged is removed", name)


@job(description="Forgets finished runs and their events.")
def history_upkeep() -> None:
    """Delete old runs."""
    forget_history()


@job(description="Compacts the warehouse and expires hot points.")
def table_upkeep() -> None:
    """Maintain every table."""
    maintain_tables()


@job(
    description="Merges raw messages into large files, and removes what killed replays have staged"
    " and old messages of simulated markets; those of real markets stay for good."
)
def landing_upkeep() -> None:
    """Bound the landing zone in files, and that of a simulated market in bytes."""
    merge_raw_messages()
    forget_simulated_messages()
    forget_staged()


batch_history_upkeep: Final = define_asset_job(
    "batch_history_upkeep",
    selection=AssetSelection.assets(AssetKey(_HISTORY)),
    description="Sums old lines of the batch history up, and shows the last day.",
)


def upkeep_schedules() -> list[ScheduleDefinition]:
    """Return the upkeep's schedules, on by default."""
    jobs = (
        (history_upkeep, "*/15 * * * *"),
        (table_upkeep, "*/10 * * * *"),
        (batch_history_upkeep, "7-59/15 * * * *"),
        (landing_upkeep, "3-59/10 * * * *"),
    )
    return [
        ScheduleDefinition(
            job=upkeep, cron_schedule=cron, default_status=DefaultScheduleStatus.RUNNING
        )
        for upkeep, cron in jobs
    ]
