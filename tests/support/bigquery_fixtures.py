"""One BigQuery emulator for all tests of a process, and a dataset in it for each of them."""

from collections.abc import Iterator

import pytest

from energy_platform.storage.warehouse.bigquery.client import Clients
from tests.support.bigquery_server import (
    MISSING,
    PROJECT,
    BigQueryServer,
    bigquery_server,
    is_installed,
)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    """The emulator of this process."""
    if not is_installed():
        pytest.skip(MISSING)
    with bigquery_server(tmp_path_factory.mktemp("bigquery")) as server:
        yield server


@pytest.fixture
def clients(emulator: BigQueryServer) -> Iterator[Clients]:
    """Clients of the emulator, and a dataset for this test."""
    with emulator.dataset() as dataset:
        opened = Clients.open(
            project=PROJECT,
            dataset=dataset,
            location="EU",
            emulator=emulator.address,
            emulator_grpc=emulator.grpc_address,
        )
        yield opened
        opened.close()
