"""BigQuery for assets that ask it themselves: dagster-gcp's resource, as the warehouse asks it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_gcp import BigQueryResource
from google.cloud import bigquery

from energy_platform.errors import UsageError
from energy_platform.stores import micro_batches
from energy_platform.warehouse.bigquery.warehouse import BigQueryWarehouse


class WarehouseBigQuery(BigQueryResource):
    """dagster-gcp's BigQuery resource, with the project, place and emulator of the settings."""

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Lend the client that this process's warehouse uses; it stays open, as the stores do."""
        warehouse = micro_batches().warehouse
        if not isinstance(warehouse, BigQueryWarehouse):
            raise UsageError("BigQuery is not the warehouse that the settings name")
        yield warehouse.client
