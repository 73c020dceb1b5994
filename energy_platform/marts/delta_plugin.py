"""A dbt-duckdb plugin that shows Delta tables as views and writes marts back as Delta tables.

A view reads the files of one version of a table by DuckDB's Parquet scan. Filters and column
choices therefore reach the row groups, and all models of a run see the same rows. `_place` is a
row's place in its file; it orders two rows of one message that share a key.

A mart is one Delta commit, so readers see the table before it or after it. The database is in
memory and is discarded.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from duckdb import DuckDBPyConnection

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.table import Table
from energy_platform.marts.catalogue import Mart, marts, source_tables
from energy_platform.marts.dbt_run import spill_folder
from energy_platform.settings import settings
from energy_platform.storage.warehouse import delta_damage
from energy_platform.storage.warehouse.delta_files import files
from energy_platform.storage.warehouse.local_table import LocalDeltaTable

SOURCES: Final = "sources"
"""The schema of the market sources' views."""

_TYPES: Final[Mapping[pl.DataType, str]] = {
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.Boolean(): "BOOLEAN",
}
_CONFIGURATION: Final = {
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 1 day",
    # How long a reader may use the files of an earlier version.
    "delta.deletedFileRetentionDuration": "interval 6 hours",
}
_MEMORY: Final = "2GB"
"""The share of the machine's memory that a run may use."""
_SPILL: Final = "4GB"
"""How much data beyond its memory a run may put on disk beside the marts."""
_WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=2**17)

_log = logging.getLogger(__name__)


class MartError(EnergyPlatformError):
    """A model's columns differ from those in its YAML."""


class Plugin(BasePlugin):
    """Shows Delta tables to dbt-duckdb, and stores its marts as Delta tables."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Create a view of every market source, and of every existing mart."""
        self._connection = conn
        # Data that exceeds the memory is put beside the marts, not in dbt's working directory.
        conn.execute(f"set temp_directory = {_quoted(spill_folder(settings()))}")
        conn.execute(f"set max_temp_directory_size = '{_SPILL}'")
        conn.execute(f"set memory_limit = '{_MEMORY}'")
        show_sources(conn)
        schema = self._schema
        conn.execute(f'create schema if not exists "{schema}"')
        for mart in marts().values():
            if _files(mart.table):
                conn.execute(_view(schema, mart.name, mart.table))

    def store(self, target_config: TargetConfig) -> None:
        """Commit a model's result, and show the whole mart in its place.

        The location names the model's table; `days` of the configuration are the days that it
        holds, or None if it holds all.
        """
        assert target_config.location is not None, "the materialization names the table"
        mart, made = marts()[str(target_config.relation.identifier)], target_config.location.path
        with self._connection.cursor() as cursor:
            _write(cursor, made, mart, target_config.config["days"])
            cursor.execute(f"drop table {made}")
            cursor.execute(_view(self._schema, mart.name, mart.table))

    @property
    def _schema(self) -> str:
        """The schema that the profile gives to the marts."""
        assert self.creds is not None, "dbt-duckdb hands a plugin its profile"
        return self.creds.schema


def show_sources(connection: DuckDBPyConnection) -> None:
    """Create a view of every market source, in a database whose time zone is UTC."""
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute(f'create schema "{SOURCES}"')
    for name, table in source_tables().items():
        connection.execute(_view(SOURCES, name, table, place=", file_row_number as _place"))


def _write(cursor: DuckDBPyConnection, made: str, mart: Mart, days: Sequence[str] | None) -> None:
    """Commit a table of the database as the whole mart, or as some days of it."""
    columns = cursor.execute(f"describe {made}").fetchall()
    found = {name: dtype for name, dtype, *_ in columns}
    wanted = {name: _TYPES[dtype] for name, dtype in mart.dtypes.items()}
    if found != wanted:
        wrong = sorted(found.items() ^ wanted.items())
        raise MartError(f"{mart.name} and its YAML differ in {wrong}")
    rows = cursor.table(made).select(*mart.dtypes).order(mart.event_time)
    folder = _folder(mart.table)
    if days is None or not DeltaTable.is_deltatable(str(folder)):
        write_deltalake(
            folder,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            configuration=_CONFIGURATION,
            writer_properties=_WRITER,
        )
    elif days:
        write_deltalake(
            folder,
            rows,
            mode="overwrite",
            predicate=" OR ".join(_ranges(mart.event_time, days)),
            writer_properties=_WRITER,
        )


def _ranges(event_time: str, days: Sequence[str]) -> Iterator[str]:
    """Yield a condition for each run of consecutive days."""
    ordered = sorted({date.fromisoformat(day) for day in days})
    firsts = [day for day in ordered if day - timedelta(days=1) not in ordered]
    lasts = [day for day in ordered if day + timedelta(days=1) not in ordered]
    for first, last in zip(firsts, lasts, strict=True):
        until = last + timedelta(days=1)
        yield (f"({event_time} >= '{first}T00:00:00Z' AND {event_time} < '{until}T00:00:00Z')")


def _view(schema: str, name: str, table: Table, *, place: str = "") -> str:
    """Return the statement that shows a Delta table; a missing table has no rows."""
    files = _files(table)
    if files:
        listed = ", ".join(map(_quoted, files))
        there = set(DeltaTable(_folder(table)).schema().to_arrow().names)
        rows = f"from read_parquet([{listed}], union_by_name=true, file_row_number=true)"
    else:
        there, rows = set(), "from (select 0 as file_row_number) where false"
    columns = ", ".join(
        f'"{column}"' if column in there else f'cast(null as {_TYPES[dtype]}) as "{column}"'
        for column, dtype in table.dtypes.items()
    )
    return f'create or replace view "{schema}"."{name}" as select {columns}{place} {rows}'


def _files(table: Table) -> list[str]:
    """Return the files of a table's newest version; none if there is no table, or a damaged one.

    What reads a damaged source is not built, and a damaged mart is built anew.
    """
    folder = _folder(table)
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    try:
        stored = LocalDeltaTable(folder)
    except DeltaError as error:
        _log.error("%s has no rows here: %s can't be read: %s", table.name, folder, error)
        return []
    damaged = delta_damage.of_files(folder, files(stored), wholly=False)
    for one in damaged:
        _log.error("%s has no rows here: %s: %s", table.name, one.place, one.why)
    return [] if damaged else stored.file_uris()


def _folder(table: Table) -> Path:
    return _home() / "warehouse" / table.name


def _home() -> Path:
    return settings().home.absolute()


def _quoted(text: object) -> str:
    """Return text as SQL writes it."""
    return "'{}'".format(str(text).replace("'", "''"))
