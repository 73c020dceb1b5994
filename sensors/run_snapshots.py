"""Forgets what Dagster keeps of the shape of runs that are gone.

A run is started for just the sources with new data, and Dagster stores a description of each such
combination, of some kilobytes, once and for good: a group of fifteen sources has 32,767 of them.
`upkeep` forgets the runs themselves.
"""

from collections.abc import Iterator
from typing import Final

import sqlalchemy
from dagster import DagsterInstance
from dagster._core.storage.runs.schema import SnapshotsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from resources.fewer_statements import NEWEST_SNAPSHOTS

MOST_SNAPSHOTS: Final = 5_000
"""Beyond this number, those that no run needs are deleted."""

_AT_ONCE: Final = 500


def forget_snapshots(instance: DagsterInstance, *, most: int = MOST_SNAPSHOTS) -> int:
    """Delete the snapshots of jobs and plans that no run needs, if there are more than `most`.

    The newest stay: a run that is being created asks for its snapshots before it is stored, and
    what is asked for is among the newest (`SnapshotsInOrderOfUse`). Returns how many were deleted.
    """
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    columns = (SnapshotsTable.c.id, SnapshotsTable.c.snapshot_id)
    with storage.connect() as connection:
        stored = connection.execute(sqlalchemy.select(*columns).order_by(columns[0])).all()
    if len(stored) <= most:
        return 0
    needed = set(_needed(instance))
    older = stored[: max(len(stored) - NEWEST_SNAPSHOTS, 0)]
    old = [number for number, name in older if name not in needed]
    for start in range(0, len(old), _AT_ONCE):
        gone = SnapshotsTable.c.id.in_(old[start : start + _AT_ONCE])
        with storage.connect() as connection:
            connection.execute(SnapshotsTable.delete().where(gone))
    return len(old)


def _needed(instance: DagsterInstance) -> Iterator[str]:
    """Yield the snapshots of all runs; that of a part of a job needs the whole job's."""
    runs = instance.get_runs()
    yield from {run.execution_plan_snapshot_id for run in runs if run.execution_plan_snapshot_id}
    for name in {run.job_snapshot_id for run in runs if run.job_snapshot_id}:
        yield name
        lineage = instance.get_job_snapshot(name).lineage_snapshot
        if lineage is not None:
            yield lineage.parent_snapshot_id
