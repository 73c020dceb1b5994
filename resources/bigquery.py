"""BigQuery for assets that ask it themselves: dagster-gcp's resource, as the warehouse asks it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_gcp import BigQueryResource
from google.cloud import bigquery

from energy_platform.pipeline.stores import bigquery_clients
from energy_platform.settings import settings


class WarehouseBigQuery(BigQueryResource):
    """dagster-gcp's BigQuery resource, with the project, place and emulator of the settings."""

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Lend the client that this process's warehouse uses; it stays open, as the stores do."""
        yield bigquery_clients(settings()).rest
