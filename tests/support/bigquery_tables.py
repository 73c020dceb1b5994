"""BigQuery tables that a test fills by itself, not by micro-batches."""

import io

import polars as pl
from google.cloud import bigquery

from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery import schema
from energy_platform.storage.warehouse.bigquery.client import Clients


def fill(clients: Clients, table: Table, rows: pl.DataFrame) -> None:
    """Create the table and append rows, by one load job; `rows` are in landing order."""
    schema.ensure(clients, table)
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("landing_offset").alias(schema.PLACE)
    # The rows are stored out of landing order, since BigQuery keeps no order.
    shuffled = rows.with_columns(place).sample(fraction=1.0, shuffle=True, seed=7)
    file = io.BytesIO()
    shuffled.write_parquet(file)
    file.seek(0)
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=[field for field in schema.fields(table) if field.name in shuffled.columns],
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
    )
    clients.rest.load_table_from_file(
        file, schema.reference(clients, table), job_config=config
    ).result(timeout=60)
