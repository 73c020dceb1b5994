"""How long `as_of` takes on ten million rows of one source, compared with plain queries.

    python benchmarks/as_of.py [--rows 10000000]

Creates a table of day-ahead prices with corrections in a folder of its own, through the warehouse,
and asks for all rows and for one month: the latest, those known at an instant, an hour before each
delivery, and at two in the afternoon of the day before. Each question is asked in a process of its
own, in three ways: by `scan`, by a plain polars query (read, filter, sort, keep the last), and by
DuckDB over the same files (`QUALIFY row_number()`). All answers must be the same. Printed are
seconds, CPU seconds (more telling on a busy machine) and the peak memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
from deltalake import DeltaTable

from energy_platform.history.knowledge_time import AsOf, knowledge_time
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.platform import here
from energy_platform.storage.warehouse.delta import DeltaWarehouse

SOURCE: Final = market_source("energy_charts_price")
ZONES: Final = ["AT", "BE", "CH", "CZ", "DE-LU", "DK1", "FR", "HU", "NL", "PL"]
FIRST_DAY: Final = datetime(2016, 1, 1, tzinfo=UTC)
QUARTERS: Final = 96
REVISIONS: Final = 3
COMMITS: Final = 20
MONTH: Final = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
WINDOWS: Final = {"all": (None, None), "month": MONTH}
QUESTIONS: Final[dict[str, AsOf | None]] = {
    "latest": None,
    "instant": datetime(2021, 1, 1, tzinfo=UTC),
    "lead time": timedelta(hours=1),
    "day before": "D-1 14:00 Europe/Berlin",
}
KNOWN_BY_SQL: Final = {
    "latest": "TRUE",
    "instant": "received_at <= TIMESTAMPTZ '2021-01-01 00:00:00+00'",
    "lead time": "received_at <= delivery_start - INTERVAL 1 HOUR",
    "day before": (
        "received_at <= (CAST(delivery_start AT TIME ZONE 'Europe/Berlin' AS DATE) "
        "- INTERVAL 1 DAY + INTERVAL 14 HOUR) AT TIME ZONE 'Europe/Berlin'"
    ),
}
WAYS: Final = ("scan", "polars", "duckdb")


def main() -> None:
    """Create the table, ask every question in every way, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--ask", nargs=4, metavar=("FOLDER", "WAY", "QUESTION", "WINDOW"))
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(ask(*arguments.ask)))
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        rows, size = make_table(Path(folder), arguments.rows)
        print(f"{rows:,} rows, {size / 2**20:,.0f} MB, made in {time.monotonic() - began:.0f} s")
        print(
            f"{'':24}"
            + "".join(f"{way + ' s':>10}{'CPU':>6}{'MB':>7}" for way in WAYS)
            + f"{'rows':>14}"
        )
        for window in WINDOWS:
            for question in QUESTIONS:
                answers = [in_a_process(folder, way, question, window) for way in WAYS]
                if len({(answer["rows"], answer["sum"]) for answer in answers}) != 1:
                    raise SystemExit(f"{question}, {window}: the answers differ: {answers}")
                print(
                    f"{question + ', ' + window:24}"
                    + "".join(
                        f"{one['seconds']:10.2f}{one['cpu_seconds']:6.2f}{one['memory_mb']:7,.0f}"
                        for one in answers
                    )
                    + f"{answers[0]['rows']:14,}"
                )


def make_table(folder: Path, rows: int) -> tuple[int, int]:
    """Commit this many rows; return their number, and the bytes of their files.

    Each day's prices of a zone are one message, received at 11:10 UTC on the day before. All of
    them are sent anew on the day after, and once more a month later: three revisions each.
    """
    warehouse, table = DeltaWarehouse(folder / "warehouse"), market_table(SOURCE)
    days = rows // (len(ZONES) * QUARTERS * REVISIONS)
    delays = [timedelta(hours=-12, minutes=-50), timedelta(days=1), timedelta(days=30)]
    messages = (
        pl.select(day=pl.lit(FIRST_DAY) + pl.int_range(days) * timedelta(days=1))
        .join(pl.DataFrame({"bidding_zone": ZONES}), how="cross")
        .join(pl.DataFrame({"delay": delays}), how="cross")
        .with_columns(received_at=pl.col("day") + pl.col("delay"))
        .sort("received_at", "day", "bidding_zone")
        .with_row_index("landing_offset")
        .cast({"landing_offset": pl.Int64})
    )
    step = -(-messages.height // COMMITS)
    for start in range(0, messages.height, step):
        part = messages.slice(start, step)
        frame = (
            part.join(pl.select(quarter=pl.int_range(QUARTERS)), how="cross", maintain_order="left")
            .with_columns(delivery_start=pl.col("day") + pl.col("quarter") * timedelta(minutes=15))
            .with_columns(
                delivery_end=pl.col("delivery_start") + timedelta(minutes=15),
                price_eur_per_mwh=(pl.struct("landing_offset", "quarter").hash() % 20_000) / 64,
            )
            .select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())
        )
        warehouse.commit(table, frame, start=start, stop=start + part.height)
    warehouse.maintain([table])
    files = DeltaTable(folder / "warehouse" / table.name).file_uris()
    return warehouse.summary(table).rows, sum(Path(file).stat().st_size for file in files)


def in_a_process(folder: str, way: str, question: str, window: str) -> dict[str, Any]:
    """Ask in a process that has read nothing yet."""
    done = subprocess.run(
        [sys.executable, __file__, "--ask", folder, way, question, window],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ENERGY_PLATFORM_HOME": folder},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ask(folder: str, way: str, question: str, window: str) -> dict[str, Any]:
    """Return the time of one answer, the peak memory, and a digest of the answer."""
    began, cpu = time.monotonic(), time.process_time()
    rows, total = {"scan": by_scan, "polars": by_polars, "duckdb": by_duckdb}[way](
        Path(folder) / "warehouse" / SOURCE.name, question, window
    )
    return {
        "rows": rows,
        "sum": total,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def by_scan(table: Path, question: str, window: str) -> tuple[int, float]:
    """Ask the library."""
    del table
    start, end = WINDOWS[window]
    rows = here.scan(SOURCE.name, start=start, end=end, as_of=QUESTIONS[question]).collect()
    return rows.height, float(rows["price_eur_per_mwh"].sum())


def by_polars(table: Path, question: str, window: str) -> tuple[int, float]:
    """Read all, then filter, sort and keep the last of each key."""
    rows = pl.scan_delta(table).collect()
    start, end = WINDOWS[window]
    if start is not None and end is not None:
        rows = rows.filter(pl.col("delivery_start").is_between(start, end, closed="left"))
    if (as_of := QUESTIONS[question]) is not None:
        moment = knowledge_time(as_of).known_by(pl.col("delivery_start"))
        rows = rows.filter(pl.col("received_at") <= moment)
    rows = rows.sort("received_at", "landing_offset").unique(
        ["bidding_zone", "delivery_start"], keep="last", maintain_order=True
    )
    return rows.height, float(rows["price_eur_per_mwh"].sum())


def by_duckdb(table: Path, question: str, window: str) -> tuple[int, float]:
    """Number the rows of each key, the latest first, and keep the first."""
    start, end = WINDOWS[window]
    within = f"delivery_start >= '{start}' AND delivery_start < '{end}'" if start else "TRUE"
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE answer AS SELECT * FROM read_parquet({DeltaTable(table).file_uris()}) "
            f"WHERE {within} AND {KNOWN_BY_SQL[question]} QUALIFY row_number() OVER (PARTITION BY "
            "bidding_zone, delivery_start ORDER BY received_at DESC, landing_offset DESC) = 1"
        )
        found = connection.execute("SELECT count(*), sum(price_eur_per_mwh) FROM answer").fetchone()
    if found is None:
        raise SystemExit("DuckDB has no answer")
    return found[0], found[1]


if __name__ == "__main__":
    main()
