"""The BigQuery warehouse as the platform opens it."""

import polars as pl

from energy_platform.warehouse.bigquery import reads
from energy_platform.warehouse.bigquery.client import Clients
from energy_platform.warehouse.protocol import Table


class BigQueryWarehouse:
    """A `Warehouse` of BigQuery tables in one dataset. Threads may share it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""
        return reads.scan(self._clients, table)
