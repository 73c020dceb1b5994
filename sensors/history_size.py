"""How much Dagster's history takes of the disk, in SQLite files or in a Postgres.

`upkeep` decides what is deleted; here is measured what is left.
"""

from functools import reduce
from operator import add
from pathlib import Path
from typing import Final

import sqlalchemy
from dagster import DagsterInstance
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from sqlalchemy import Connection, Table, func

from energy_platform.storage import sqlite_space
from resources.postgres_storage import PooledEventLogStorage

_TABLES: Final[list[Table]] = [
    table
    for known in (
        SqlEventLogStorageMetadata,
        RunStorageSqlMetadata,
        ScheduleStorageSqlMetadata,
    )
    for table in known.tables.values()
]


def takes_more(instance: DagsterInstance, most_bytes: int) -> bool:
    """Return whether the rows of Dagster's databases take more than so much.

    The rows of a Postgres are only looked at if its tables are larger: what deleted rows took, it
    keeps for new ones, and its autovacuum sees to that.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, PooledEventLogStorage):
        return sum(map(sqlite_space.used_bytes, _files(instance))) > most_bytes
    with storage.index_connection() as connection:
        taken = sum(_taken(connection, table) for table in _TABLES)
        return taken > most_bytes and sum(_used(connection, one) for one in _TABLES) > most_bytes


def give_back(instance: DagsterInstance) -> None:
    """Give the disk back what deleted rows took in SQLite files."""
    for file in _files(instance):
        sqlite_space.give_back(file)


def _files(instance: DagsterInstance) -> list[Path]:
    return sorted(Path(instance.root_directory).rglob("*.db"))


def _taken(connection: Connection, table: Table) -> int:
    """Return the size of a table with its indexes, also of what is free in it."""
    size = sqlalchemy.select(func.pg_total_relation_size(table.name))
    return int(connection.execute(size).scalar_one())


def _used(connection: Connection, table: Table) -> int:
    """Return the size of a table's values as they are stored."""
    sizes = [func.coalesce(func.pg_column_size(column), 0) for column in table.columns]
    size = sqlalchemy.select(func.coalesce(func.sum(reduce(add, sizes)), 0)).select_from(table)
    return int(connection.execute(size).scalar_one())
