"""Tables in BigQuery: their names, columns, types and partitions.

This module creates tables and adds columns to them. `appends` and `jobs` write rows.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery

from energy_platform.errors import IncompatibleTableError, UsageError
from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery.client import Clients, patiently

PLACE: Final = "landing_place"
"""A row's place among the rows of its message. BigQuery keeps no order, and the order of revisions
depends on the place: every read sorts by `landing_offset` and this column, and leaves the column
out of its result.
"""

_TYPES: Final[dict[pl.DataType, str]] = {
    INSTANT: "TIMESTAMP",
    pl.Int64(): "INT64",
    pl.Float64(): "FLOAT64",
    pl.String(): "STRING",
    pl.Boolean(): "BOOL",
}
"""The types that BigQuery gives back unchanged."""

_STANDARD_NAMES: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
"""The service answers with its older names of types."""

_MOST_CLUSTERING_COLUMNS: Final = 4
_NAME: Final = re.compile(r"(?!.*__)[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*")
_NO_LABEL: Final = re.compile(r"[^\w-]+")


def table_id(name: str) -> str:
    """Return a table's name in its dataset; two tables never share one.

    >>> table_id("quarantine/ote_day_ahead_price")
    'quarantine__ote_day_ahead_price'

    Raises:
        UsageError: No table can have this name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't name a table")
    return name.replace("/", "__")


def reference(clients: Clients, table: Table) -> bigquery.TableReference:
    """Return a table's address."""
    return clients.dataset.table(table_id(table.name))


def is_landed(table: Table) -> bool:
    """Return whether a table's rows come from messages, which give them an order."""
    return "landing_offset" in table.dtypes


def stored_dtypes(table: Table) -> dict[str, pl.DataType]:
    """Return the columns of a table as it is stored: `PLACE` is the last one of messages' rows."""
    return {**table.dtypes, PLACE: pl.Int64()} if is_landed(table) else dict(table.dtypes)


def placed(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows as they are stored."""
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("landing_offset").alias(PLACE)
    return rows.select(*table.dtypes, *([place] if is_landed(table) else []))


def arrow_batch(table: Table, rows: pl.DataFrame) -> pa.RecordBatch:
    """Return rows as they are sent to BigQuery."""
    made = pa.RecordBatch.from_struct_array(placed(table, rows).to_struct().to_arrow())
    columns = [
        field.with_type(pa.string()) if field.type == pa.large_string() else field
        for field in made.schema
    ]
    return made.cast(pa.schema(columns))


def fields(table: Table) -> list[bigquery.SchemaField]:
    """Return a table's columns in BigQuery's terms, with their descriptions.

    Raises:
        IncompatibleTableError: BigQuery would not give a column's type back unchanged.
    """
    described = {**table.descriptions, PLACE: "The row's place among those of its message"}
    columns = stored_dtypes(table)
    for name, dtype in columns.items():
        if dtype not in _TYPES:
            raise IncompatibleTableError(
                f"column {name} of {table.name} is {dtype}, which BigQuery would change"
            )
    return [
        bigquery.SchemaField(name, _TYPES[dtype], description=described.get(name, ""))
        for name, dtype in columns.items()
    ]


def definition(
    dataset: bigquery.DatasetReference,
    table: Table,
    period: str = bigquery.TimePartitioningType.DAY,
) -> bigquery.Table:
    """Return a table as it is created: its columns, clusters and labels, a partition a period.

    Raises:
        IncompatibleTableError: BigQuery would not give a column's type back unchanged.
    """
    wanted = bigquery.Table(dataset.table(table_id(table.name)), schema=fields(table))
    wanted.description = table.description or None
    wanted.labels = _labels(table.labels)
    wanted.time_partitioning = bigquery.TimePartitioning(type_=period, field=table.event_time)
    wanted.clustering_fields = _clustering(table) or None
    wanted.require_partition_filter = table.is_large
    return wanted


def stored_table(clients: Clients, table: Table) -> bigquery.Table | None:
    """Return what BigQuery says of a table; None if there is none."""
    try:
        return patiently(clients.rest.get_table, reference(clients, table))
    except exceptions.NotFound:
        return None


def ensure(
    clients: Clients, table: Table, period: str = bigquery.TimePartitioningType.DAY
) -> bigquery.Table:
    """Create a table, and its dataset, if there is none, or add the columns that it lacks.

    Raises:
        IncompatibleTableError: A column's type differs from the table's.
    """
    wanted = definition(clients.dataset, table, period)
    stored = stored_table(clients, table) or _create(clients, wanted)
    while missing := _missing(wanted, stored.schema):
        stored.schema = [*stored.schema, *missing]
        try:
            # The table's etag is sent along, so a change made meanwhile isn't overwritten.
            stored = patiently(clients.rest.update_table, stored, ["schema"])
        except exceptions.PreconditionFailed:
            stored = patiently(clients.rest.get_table, stored.reference)
    return stored


def _create(clients: Clients, wanted: bigquery.Table) -> bigquery.Table:
    # Another process may be faster; then its table is used.
    make = partial(patiently, clients.rest.create_table, wanted, exists_ok=True)
    try:
        return make()
    except exceptions.NotFound:
        # Created only on this error, since a writer of a dataset need not have the right to create
        # one.
        dataset = bigquery.Dataset(clients.dataset)
        dataset.location = clients.location
        patiently(clients.rest.create_dataset, dataset, exists_ok=True)
        return make()


def _missing(
    wanted: bigquery.Table, stored: list[bigquery.SchemaField]
) -> list[bigquery.SchemaField]:
    types = {
        field.name: _STANDARD_NAMES.get(field.field_type, field.field_type) for field in stored
    }
    for field in wanted.schema:
        if types.get(field.name, field.field_type) != field.field_type:
            raise IncompatibleTableError(
                f"column {field.name} of {wanted.table_id} is {field.field_type}, "
                f"its table has {types[field.name]}"
            )
    return [field for field in wanted.schema if field.name not in types]


def _clustering(table: Table) -> list[str]:
    """Return the key's first columns that can be clustered by, times last: partitions are days."""
    able = [name for name in table.key if not table.dtypes[name].is_float()]
    return sorted(able, key=lambda name: table.dtypes[name].is_temporal())[
        :_MOST_CLUSTERING_COLUMNS
    ]


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Write values as labels must be: lower-case letters, digits and dashes, at most 63."""
    return {
        name: _NO_LABEL.sub("-", value.lower()).strip("-")[:63] for name, value in labels.items()
    }
