"""What our storages do with fewer statements than Dagster's, or in another order, on each database.

`sqlite_storage` and `postgres_storage` say how a database is connected to.
"""

from functools import cached_property
from typing import Final

import sqlalchemy
from dagster import EventLogEntry
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import SnapshotsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import ColumnElement, Connection, ScalarSelect

NEWEST_SNAPSHOTS: Final = 100
"""So many snapshots of jobs and plans are never deleted: their runs may be on their way."""

_NUMBER: Final = SnapshotsTable.c.id


class FewerEventStatements(SqlEventLogStorage):
    """An event log that remembers which tables there are, and leaves out events that say nothing.

    It stands before one of Dagster's event logs among the bases of a class.
    """

    @cached_property
    def _seen(self) -> set[str]:
        """The tables, and columns of the assets' table, that the database has; they stay."""
        return set()

    def has_table(self, table_name: str) -> bool:
        """Return whether the database has a table; Dagster asks at each event of a check."""
        if table_name not in self._seen:
            with self.index_connection() as connection:
                if not connection.dialect.has_table(connection, table_name):
                    return False
            self._seen.add(table_name)
        return True

    def has_asset_key_col(self, column_name: str) -> bool:
        """Return whether the assets' table has a column; Dagster asks at each event of an asset."""
        with self.index_connection() as connection:
            return self._has_asset_key_col_on_connection(connection, column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._seen:
            if not super()._has_asset_key_col_on_connection(conn, column_name):
                return False
            self._seen.add(column_name)
        return True

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, unless it says only that a step has an output of no further meaning.

        Each result of a check is such an output, and has an event of its own with all that the UI
        shows of it.
        """
        if not _is_bare_output(event):
            super().store_event(event)


def _is_bare_output(event: EventLogEntry) -> bool:
    said = event.dagster_event
    if said is None or not said.is_successful_output:
        return False
    output = said.step_output_data
    checked = output.type_check_data
    return not output.metadata and (checked is None or checked.success)


class SnapshotsInOrderOfUse(SqlRunStorage):
    """A storage of runs in which a snapshot that is asked for becomes one of the newest.

    It stands before one of Dagster's storages of runs among the bases of a class.
    """

    def has_execution_plan_snapshot(self, execution_plan_snapshot_id: str) -> bool:
        """Return whether a plan is stored; Dagster unpacks it to tell."""
        return self._has_snapshot_id(execution_plan_snapshot_id)

    def _has_snapshot_id(self, snapshot_id: str) -> bool:
        """Return whether a snapshot is stored, and make it one of the newest.

        Dagster asks just before it stores a run that needs the snapshot. Its number changes, so
        that an upkeep that has found it to be old deletes nothing.
        """
        of_it = SnapshotsTable.c.snapshot_id == snapshot_id
        with self.connect() as connection:
            behind = connection.execute(
                sqlalchemy.select(_newest() - _NUMBER).where(of_it)
            ).scalar()
            if behind is None or behind < NEWEST_SNAPSHOTS // 2:
                return behind is not None
            moved = SnapshotsTable.update().where(of_it).values(id=self._next_number())
            return bool(connection.execute(moved).rowcount)

    def _next_number(self) -> ColumnElement[int]:
        """Return the number that the next snapshot would get."""
        return _newest() + 1


def _newest() -> ScalarSelect[int]:
    return sqlalchemy.select(sqlalchemy.func.max(_NUMBER)).scalar_subquery()


def next_of_sequence() -> ColumnElement[int]:
    """Return the next number of the sequence from which Postgres numbers the snapshots."""
    sequence = sqlalchemy.func.pg_get_serial_sequence(SnapshotsTable.name, _NUMBER.name)
    return sqlalchemy.func.nextval(sequence, type_=_NUMBER.type)
