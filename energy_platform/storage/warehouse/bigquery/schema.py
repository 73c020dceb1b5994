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

_TYPES: Final[dict[pl.DataType, tuple[str, pa.DataType]]] = {
    INSTANT: ("TIMESTAMP", pa.timestamp("us", "UTC")),
    pl.Int64(): ("INT64", pa.int64()),
    pl.Float64(): ("FLOAT64", pa.float64()),
    pl.String(): ("STRING", pa.string()),
    pl.Boolean(): ("BOOL", pa.bool_()),
}
"""The types that BigQuery gives back unchanged; in its own terms and in Arrow's."""

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


def placed(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a table's columns, and each row's place within its message."""
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("landing_offset")
    return rows.select(*table.dtypes, place.alias(PLACE))


def arrow_batch(table: Table, rows: pl.DataFrame) -> pa.RecordBatch:
    """Return rows as they are sent to BigQuery, `PLACE` the last column."""
    columns = arrow_fields({**table.dtypes, PLACE: pl.Int64()}, of=table.name)
    [batch] = placed(table, rows).to_arrow().cast(columns).combine_chunks().to_batches()
    return batch


def fields(table: Table) -> list[bigquery.SchemaField]:
    """Return a table's columns in BigQuery's terms, with their descriptions.

    Raises:
        IncompatibleTableError: BigQuery would not give a column's type back unchanged.
    """
    described = {**table.descriptions, PLACE: "The row's place among those of its message"}
    return bigquery_fields({**table.dtypes, PLACE: pl.Int64()}, described, of=table.name)


def arrow_fields(dtypes: Mapping[str, pl.DataType], *, of: str) -> pa.Schema:
    """Return columns in Arrow's terms; an error's message names their owner, `of`."""
    return pa.schema([(name, _type(name, dtype, of)[1]) for name, dtype in dtypes.items()])


def bigquery_fields(
    dtypes: Mapping[str, pl.DataType], descriptions: Mapping[str, str] | None = None, *, of: str
) -> list[bigquery.SchemaField]:
    """Return columns in BigQuery's terms; an error's message names their owner, `of`."""
    described = descriptions or {}
    return [
        bigquery.SchemaField(name, _type(name, dtype, of)[0], description=described.get(name, ""))
        for name, dtype in dtypes.items()
    ]


def ensure(clients: Clients, table: Table) -> None:
    """Create the table if there is none, and add the columns that it lacks.

    Raises:
        IncompatibleTableError: A column's type differs from the table's.
    """
    ensure_table(clients, definition(clients.dataset, table))


def definition(dataset: bigquery.DatasetReference, table: Table) -> bigquery.Table:
    """Return a table as it is created: its columns, partitions, clusters and labels.

    Raises:
        IncompatibleTableError: BigQuery would not give a column's type back unchanged.
    """
    wanted = bigquery.Table(dataset.table(table_id(table.name)), schema=fields(table))
    wanted.description = table.description or None
    wanted.labels = _labels(table.labels)
    wanted.time_partitioning = bigquery.TimePartitioning(
        type_=bigquery.TimePartitioningType.DAY, field=table.event_time
    )
    wanted.clustering_fields = _clustering(table) or None
    wanted.require_partition_filter = table.is_large
    return wanted


def stored_table(clients: Clients, table: Table) -> bigquery.Table | None:
    """Return what BigQuery says of a table; None if there is none."""
    return _stored(clients, reference(clients, table))


def ensure_table(clients: Clients, wanted: bigquery.Table) -> bigquery.Table:
    """Create a table, and its dataset, if there is none, or add the columns that it lacks.

    Raises:
        IncompatibleTableError: A column's type differs from the table's.
    """
    stored = _stored(clients, wanted.reference) or _create(clients, wanted)
    while missing := _missing(wanted, stored.schema):
        stored.schema = [*stored.schema, *missing]
        try:
            # The table's etag is sent along, so a change made meanwhile isn't overwritten.
            stored = patiently(clients.rest.update_table, stored, ["schema"])
        except exceptions.PreconditionFailed:
            stored = patiently(clients.rest.get_table, stored.reference)
    return stored


def _stored(clients: Clients, table: bigquery.TableReference) -> bigquery.Table | None:
    try:
        return patiently(clients.rest.get_table, table)
    except exceptions.NotFound:
        return None


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
    types = {field.name: _standard(field.field_type) for field in stored}
    for field in wanted.schema:
        if types.get(field.name, field.field_type) != field.field_type:
            raise IncompatibleTableError(
                f"column {field.name} of {wanted.table_id} is {field.field_type}, "
                f"its table has {types[field.name]}"
            )
    return [field for field in wanted.schema if field.name not in types]


def _standard(field_type: str) -> str:
    return _STANDARD_NAMES.get(field_type, field_type)


def _type(name: str, dtype: pl.DataType, of: str) -> tuple[str, pa.DataType]:
    if dtype not in _TYPES:
        raise IncompatibleTableError(
            f"column {name} of {of} is {dtype}, which BigQuery would not give back as it is"
        )
    return _TYPES[dtype]


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
