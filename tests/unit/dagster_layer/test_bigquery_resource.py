"""Assets that ask BigQuery themselves ask the one that the settings name, by the same client."""

import pytest

from definitions import build_definitions
from energy_platform.pipeline.stores import bigquery_clients
from energy_platform.settings import settings
from resources.bigquery import WarehouseBigQuery
from tests.support.environment import forget_cached

pytestmark = pytest.mark.usefixtures("home")


def test_there_is_none_where_the_warehouse_is_another() -> None:
    assert set(build_definitions([]).resources or {}) == {"platform"}


def test_it_lends_the_warehouses_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WAREHOUSE": "bigquery",
        "BIGQUERY_PROJECT": "desk",
        "BIGQUERY_EMULATOR": "http://127.0.0.1:9",
        "BIGQUERY_EMULATOR_GRPC": "127.0.0.1:9",
    }.items():
        monkeypatch.setenv(f"ENERGY_PLATFORM_{name}", value)
    forget_cached()
    resource = (build_definitions([]).resources or {})["bigquery"]
    assert isinstance(resource, WarehouseBigQuery)
    with resource.get_client() as client:
        assert client is bigquery_clients(settings()).rest
        assert client.project == "desk"
