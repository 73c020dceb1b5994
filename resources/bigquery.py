"""BigQuery for assets that query it themselves: dagster-gcp's resource, the warehouse's client."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_gcp import BigQueryResource
from google.cloud import bigquery

from energy_platform.pipeline.stores import bigquery_clients
from energy_platform.settings import settings


class WarehouseBigQuery(BigQueryResource):
    """dagster-gcp's BigQuery resource, with the project, location and emulator of the settings."""

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Yield the client of this process's warehouse, which stays open."""
        yield bigquery_clients(settings()).rest
