"""The way out: every revision of a table's rows, by the Storage Read API."""

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from energy_platform.warehouse.bigquery.client import Clients, patiently
from energy_platform.warehouse.bigquery.schema import PLACE, reference
from energy_platform.warehouse.protocol import Table


def scan(clients: Clients, table: Table) -> pl.LazyFrame:
    """Return every revision in landing order; nothing where there is no table yet."""
    where = reference(clients, table)
    try:
        stored = {field.name for field in patiently(clients.rest.get_table, where).schema}
    except exceptions.NotFound:
        return pl.LazyFrame(schema=table.dtypes)
    session = patiently(
        clients.reader.create_read_session,
        parent=f"projects/{clients.rest.project}",
        read_session=types.ReadSession(
            table=f"projects/{where.project}/datasets/{where.dataset_id}/tables/{where.table_id}",
            data_format=types.DataFormat.ARROW,
            read_options=types.ReadSession.TableReadOptions(
                selected_fields=[*(name for name in table.dtypes if name in stored), PLACE]
            ),
        ),
        max_stream_count=1,
    )
    batches: list[pa.RecordBatch] = []
    for stream in session.streams:
        rows = clients.reader.read_rows(stream.name).rows(session)
        batches += [page.to_arrow() for page in rows.pages]
    dtypes = {**table.dtypes, PLACE: pl.Int64()}
    frame = (
        pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)))
        if batches
        else pl.DataFrame(schema=dtypes)
    )
    return (
        frame.lazy()
        .with_columns(
            pl.lit(None, dtype=dtypes[n]).alias(n) for n in dtypes if n not in frame.columns
        )
        .cast(dtypes)
        .sort("landing_offset", PLACE)
        .select(*table.dtypes)
    )
