"""The platform's upkeep: finished runs and ticks are forgotten, tables compacted.

A group that runs every five seconds writes 17,000 runs a day, and Dagster forgets none by
itself; its UI and its database stay quick only if somebody does.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    job,
    op,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.pipeline.tables import market_table, quarantine_table
from resources import Platform

KEPT: Final = timedelta(hours=2)
"""How long a finished run stays, some 45 KB each; failed ones stay ten times as long."""

_BATCH: Final = 500
_FINISHED: Final = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def forget_finished_runs(instance: DagsterInstance, *, now: datetime, keep: timedelta) -> int:
    """Delete finished runs older than `keep`, with their events and check results.

    A run that holds an asset's newest materialization stays: a market that speaks once a day must
    not look as if it had never spoken. Returns how many runs were deleted.
    """
    needed = _newest_runs(instance, [AssetKey(name) for name in (*market_sources(), *marts())])
    forgotten = 0
    for statuses, age in (([DagsterRunStatus.SUCCESS], keep), (_FINISHED, 10 * keep)):
        old = RunsFilter(statuses=statuses, created_before=now - age)
        while run_ids := [
            run_id for run_id in instance.get_run_ids(old, limit=_BATCH) if run_id not in needed
        ]:
            for run_id in run_ids:
                instance.delete_run(run_id)
            _forget_check_results(instance, run_ids)
            forgotten += len(run_ids)
    return forgotten


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


@op
def forget_history(context: OpExecutionContext) -> None:
    """Forget old runs."""
    count = forget_finished_runs(context.instance, now=datetime.now(UTC), keep=KEPT)
    context.log.info("%d finished runs forgotten", count)


@op
def maintain_tables(context: OpExecutionContext, platform: Platform) -> None:
    """Compact and clear every table of the warehouse, and drop hot points past their days."""
    batches = platform.micro_batches
    tables = [
        make(source)
        for source in market_sources().values()
        for make in (market_table, quarantine_table)
    ]
    batches.warehouse.maintain(tables)
    expired = batches.hot_copies.expire(market_sources().values())
    context.log.info("%d tables maintained, %d hot points expired", len(tables), expired)


@job(description="Forgets finished runs and their events.")
def history_upkeep() -> None:
    """Forget old runs."""
    forget_history()


@job(description="Compacts the warehouse and expires hot points.")
def table_upkeep() -> None:
    """Maintain every table."""
    maintain_tables()


def upkeep_schedules() -> list[ScheduleDefinition]:
    """Return the upkeep's schedules, on by default."""
    return [
        ScheduleDefinition(
            job=upkeep, cron_schedule=cron, default_status=DefaultScheduleStatus.RUNNING
        )
        for upkeep, cron in ((history_upkeep, "*/15 * * * *"), (table_upkeep, "*/10 * * * *"))
    ]
