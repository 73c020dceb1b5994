"""The marts on BigQuery's emulator and on DuckDB, of the same rows: they agree row for row."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from google.cloud import bigquery
from polars.testing import assert_frame_equal

from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.marts.dbt_run import build_marts, call_dbt, common_arguments, dbt_environment
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from energy_platform.storage.warehouse.bigquery import reads, schema
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support import bigquery_server
from tests.support.landed_market import land, late_revisions, the_market
from tests.support.stores import batches_in

SHIM = Path(bigquery_server.__file__).parent / "dbt_on_emulator"


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not bigquery_server.is_installed(), reason=bigquery_server.MISSING)
def test_marts_of_both_engines_agree(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [*the_market(), *late_revisions()])
    on_duckdb = build_marts(Settings(home=tmp_path), batches.warehouse)
    assert [one.error for one in on_duckdb] == [None] * len(marts())
    wanted = {mart.name: batches.warehouse.scan(mart.table).collect() for mart in marts().values()}

    (tmp_path / "emulator").mkdir()
    with bigquery_server.bigquery_server(tmp_path / "emulator") as server:
        chosen = Settings.model_validate(
            {
                "home": tmp_path,
                "warehouse": "bigquery",
                "bigquery_project": bigquery_server.PROJECT,
                "bigquery_location": "US",
                "bigquery_emulator": server.address,
                "bigquery_emulator_grpc": server.grpc_address,
            }
        )
        clients = Clients.open(
            project=bigquery_server.PROJECT,
            dataset=chosen.bigquery_dataset,
            location=chosen.bigquery_location,
            emulator=server.address,
            emulator_grpc=server.grpc_address,
        )
        _load(DeltaWarehouse(tmp_path / "warehouse"), clients)
        said = call_dbt(
            ["build", "--select", "path:models/staging", "path:models/marts",
             "--exclude-resource-type", "unit_test", "--exclude", "tag:staging",
             *common_arguments(chosen)],
            {**dbt_environment(chosen), "PYTHONPATH": str(SHIM)},
        )  # fmt: skip
        assert " ERROR=0 SKIP=0 " in said, said[-3000:]
        _assert_agree(wanted, clients)
        clients.close()


def _load(warehouse: DeltaWarehouse, clients: Clients) -> None:
    """Bring every table to the emulator, in the layout in which the platform keeps it there."""
    for source in market_sources().values():
        table = market_table(source)
        schema.ensure(clients, table)
        rows = warehouse.scan(table).collect().sort("landing_offset", maintain_order=True)
        if rows.is_empty():
            continue
        body = BytesIO()
        place = pl.int_range(pl.len()).over("landing_offset").alias(schema.PLACE)
        rows.with_columns(place).write_parquet(body)
        body.seek(0)
        config = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_APPEND")
        where = schema.reference(clients, table)
        clients.rest.load_table_from_file(body, where, job_config=config).result(timeout=300)


def _assert_agree(wanted: Mapping[str, pl.DataFrame], clients: Clients) -> None:
    for mart in marts().values():
        found = reads.scan(clients, mart.table).collect()
        order = [mart.event_time, *mart.key]
        assert_frame_equal(
            found.sort(order), wanted[mart.name].sort(order), rel_tol=1e-9, abs_tol=1e-9
        )
