"""Warehouses that a test shares with several processes, and a process that commits to them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from energy_platform.errors import CommitConflictError
from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse
from tests.support.bigquery_server import PROJECT

STEP = 5
"""How many messages a batch of the committing process has."""

EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
_PROJECT = Path(__file__).parents[2]


def prices(name: str = "ote_day_ahead_price", **more: pl.DataType) -> Table:
    """Return a table of prices, with further columns if any are named."""
    return Table(
        name=name,
        dtypes={
            "received_at": INSTANT,
            "landing_offset": pl.Int64(),
            "delivery_start": INSTANT,
            "bidding_zone": pl.String(),
            "price_eur_per_mwh": pl.Float64(),
            "is_final": pl.Boolean(),
            **more,
        },
        event_time="delivery_start",
        key=("bidding_zone", "delivery_start"),
    )


def rows(table: Table, start: int, stop: int, *, price: float | None = None) -> pl.DataFrame:
    """Return one row per landing offset, a minute of delivery and of receipt apart.

    Columns that not every table of prices has are null.
    """
    offset = pl.int_range(start, stop, dtype=pl.Int64)
    instant = pl.lit(EPOCH, dtype=INSTANT) + pl.duration(minutes=offset, microseconds=123_456)
    columns = {
        "received_at": instant,
        "landing_offset": offset,
        "delivery_start": instant,
        "bidding_zone": pl.lit("CZ"),
        "price_eur_per_mwh": offset / 8 if price is None else pl.lit(price),
        "is_final": pl.when(offset % 3 == 0).then(pl.lit(value=True)),
    }
    frame = pl.select(offset.alias("")).select(**columns)
    return frame.select(
        pl.col(name) if name in columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in table.dtypes.items()
    )


def instant_of(offset: int) -> datetime:
    """Return when the row of a landing offset was received, and is delivered."""
    return EPOCH + timedelta(minutes=offset, microseconds=123_456)


@dataclass(frozen=True)
class Place:
    """Where tables are.

    Attributes:
        kind: Which system keeps them.
        where: A folder, or the emulator's address.
        grpc_address: The emulator's Storage API.
        dataset: The dataset in it.
    """

    kind: Literal["delta", "bigquery"]
    where: str
    grpc_address: str = ""
    dataset: str = ""

    @contextmanager
    def open(self) -> Iterator[Warehouse]:
        """Open the warehouse as a new process does."""
        if self.kind == "delta":
            yield DeltaWarehouse(Path(self.where))
            return
        clients = Clients.open(
            project=PROJECT,
            dataset=self.dataset,
            location="EU",
            emulator=self.where,
            emulator_grpc=self.grpc_address,
        )
        warehouse = BigQueryWarehouse(clients, ledger_age_seconds=0)
        try:
            yield warehouse
        finally:
            warehouse.close()

    def start_writer(self, table: Table, *, stop: int) -> subprocess.Popen[str]:
        """Start a process that commits batch after batch until `stop`; it waits for `go`."""
        arguments = [json.dumps(asdict(self)), table.name, str(stop)]
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments],
            cwd=_PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


def go(process: subprocess.Popen[str]) -> None:
    """Let a started process begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_for(*processes: subprocess.Popen[str]) -> None:
    """Wait until processes have ended successfully."""
    for process in processes:
        process.communicate(timeout=100)
    assert {process.returncode for process in processes} == {0}


def _main(place: str, name: str, stop: int) -> None:
    table = prices(name)
    with Place(**json.loads(place)).open() as warehouse:
        print("ready", flush=True)  # noqa: T201 (`start_writer` reads it)
        sys.stdin.readline()
        while (start := warehouse.committed_offset(table)) < stop:
            try:
                warehouse.commit(
                    table, rows(table, start, start + STEP), start=start, stop=start + STEP
                )
            except CommitConflictError:
                continue


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
