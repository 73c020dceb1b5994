"""Rows per second into each warehouse, compared with two stock ways of writing to BigQuery.

    python benchmarks/warehouses.py [--rows 500] [--batches 10]

The same batches are committed in each way in turn, batch by batch: to Delta Lake and to BigQuery by
the platform, each landing offset once whichever process dies; and to BigQuery by one load job per
batch, from a pandas DataFrame, in the client library's way and in that of dagster-gcp-pandas' I/O
manager. Neither of these two knows whether a batch is there already. A fifth way appends the rows
as the platform does and records nothing, so the difference is what the record costs. Each way has
its own table, in which every row must be found.

BigQuery is an emulator on this machine: the figures show the kind and number of calls, not how long
Google's service takes for them. Compare the ratios.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
from dagster import build_output_context
from dagster._core.storage.db_io_manager import TableSlice
from dagster_gcp_pandas import BigQueryPandasTypeHandler
from google.cloud import bigquery

from energy_platform.storage.warehouse.bigquery import appends, schema
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse
from tests.support.bigquery_server import PROJECT, BigQueryServer, bigquery_server
from tests.support.warehouses import prices, rows

Write = Callable[[pl.DataFrame, int, int], object]
"""Writes the rows of landing offsets [start, stop)."""


def committed(warehouse: Warehouse) -> Write:
    """Write as the platform does."""
    return lambda batch, start, stop: warehouse.commit(prices(), batch, start=start, stop=stop)


def loaded(clients: Clients) -> Write:
    """Write by one load job per batch."""
    table = prices("loaded")
    schema.ensure(clients, table)
    append = bigquery.LoadJobConfig(write_disposition=bigquery.WriteDisposition.WRITE_APPEND)
    return lambda batch, _, __: clients.rest.load_table_from_dataframe(
        batch.to_pandas(), schema.reference(clients, table), job_config=append
    ).result()


def appended(clients: Clients) -> Write:
    """Append at an offset of a stream, which stores each row once, and record nothing."""
    table = prices("appended")
    schema.ensure(clients, table)
    stream = appends.new_stream(clients, schema.reference(clients, table))

    def write(batch: pl.DataFrame, start: int, _: int) -> object:
        return appends.append(clients, stream, start, schema.arrow_batch(table, batch))

    return write


def handled(clients: Clients) -> Write:
    """Write as dagster-gcp-pandas writes an asset's output."""
    handler = BigQueryPandasTypeHandler()
    target = TableSlice(
        table="handled", schema=clients.dataset.dataset_id, database=clients.dataset.project
    )
    return lambda batch, _, __: handler.handle_output(
        build_output_context(), target, batch.to_pandas(), clients.rest
    )


def open_clients(server: BigQueryServer) -> Clients:
    """Open clients of the emulator."""
    return Clients.open(
        project=PROJECT,
        dataset="energy",
        location="EU",
        emulator=server.address,
        emulator_grpc=server.grpc_address,
    )


def measure(ways: dict[str, Write], *, count: int, batches: int) -> dict[str, list[float]]:
    """Return the seconds of each way's batches without the first, which creates the table."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for batch in range(batches + 1):
        start, stop = batch * count, (batch + 1) * count
        frame = rows(prices(), start, stop)
        for name, write in ways.items():
            began = time.perf_counter()
            write(frame, start, stop)
            seconds[name].append(time.perf_counter() - began)
    return {name: taken[1:] for name, taken in seconds.items()}


def main() -> None:
    """Measure, and print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500, help="of one batch")
    parser.add_argument("--batches", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, bigquery_server(Path(folder)) as server:
        clients = open_clients(server)
        delta = DeltaWarehouse(Path(folder) / "delta")
        warehouse = BigQueryWarehouse(clients)
        ways = {
            "Delta Lake, exactly once": committed(delta),
            "BigQuery, exactly once": committed(warehouse),
            "BigQuery, appended alone": appended(clients),
            "BigQuery, a load job a batch": loaded(clients),
            "BigQuery, dagster-gcp-pandas": handled(clients),
        }
        taken = measure(ways, count=chosen.rows, batches=chosen.batches)
        expected = chosen.rows * (chosen.batches + 1)
        for store in (delta, warehouse):
            assert store.scan(prices()).collect().height == expected
        for name in ("appended", "loaded", "handled"):
            [[found]] = clients.rest.query_and_wait(f"SELECT COUNT(*) FROM energy.{name}")
            assert found == expected, name
        stock = statistics.median(taken["BigQuery, a load job a batch"])
        for name, each in taken.items():
            median = statistics.median(each)
            print(
                f"{name:32} {1000 * median:7.0f} ms a batch {chosen.rows / median:9.0f} rows/s "
                f"{stock / median:5.2f} x a load job"
            )
        warehouse.close()


if __name__ == "__main__":
    main()
