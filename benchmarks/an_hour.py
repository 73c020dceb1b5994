"""How long one hour of three million rows of a moving market takes, compared with plain polars.

    python benchmarks/an_hour.py [--rows 3000000]

Makes a day and a half of order events and of trade legs, through the warehouse, in a folder of its
own, and asks for one hour of each. Every question is asked in a process of its own, in three ways:
by the library's answer; by a plain polars query that knows no revisions (read the hour, keep the
last of each key), which is right only where no revision moves a fact; and in the way of before,
which chose the latest of all rows and only then the hour. Printed are the seconds of the question,
CPU seconds and the peak memory of the whole process, and what the imports alone take of it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.history.question import Question
from energy_platform.history.revisions import latest_revision, listed
from energy_platform.reading.dataset import dataset
from energy_platform.storage.warehouse.delta import DeltaWarehouse

NAMES: Final = ("nord_pool_intraday_order_book", "nord_pool_intraday_trade")
FIRST: Final = datetime(2026, 3, 1, tzinfo=UTC)
LENGTH: Final = timedelta(hours=36)
HOUR: Final = (FIRST + timedelta(hours=20), FIRST + timedelta(hours=21))
COMMITS: Final = 60
MAINTAINED_EVERY: Final = 20
WAYS: Final = ("library", "polars", "before")


def main() -> None:
    """Make the tables, ask each in every way, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--ask", nargs=3, metavar=("FOLDER", "NAME", "WAY"))
    asked = parser.parse_args()
    if asked.ask:
        print(json.dumps(ask(*asked.ask)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            make_table(Path(folder), name, asked.rows)
            answers = [in_a_process(folder, name, way) for way in WAYS]
            if len({(one["rows"], one["sum"]) for one in answers}) != 1:
                raise SystemExit(f"{name}: the answers differ: {answers}")
            for way, one in zip(WAYS, answers, strict=True):
                print(
                    f"{name:32}{way:>9}{one['seconds']:7.2f} s{one['cpu_seconds']:7.2f} s of CPU"
                    f"{one['memory_mb']:8,.0f} MB, imports {one['imports_mb']:,.0f} MB"
                    f"{one['rows']:10,} rows"
                )


def make_table(folder: Path, name: str, rows: int) -> None:
    """Commit rows evenly over the day and a half; each fifth one revises an earlier one."""
    warehouse, table = DeltaWarehouse(folder), dataset(name).table
    step = rows // COMMITS
    for place in range(COMMITS):
        offsets = pl.select(landing_offset=pl.int_range(place * step, (place + 1) * step))
        made = (
            rows_of(name, offsets, LENGTH / rows)
            .select(*table.dtypes)
            .cast(pl.Schema(table.dtypes))
        )
        warehouse.commit(table, made, start=place * step, stop=(place + 1) * step)
        if place % MAINTAINED_EVERY == MAINTAINED_EVERY - 1:
            warehouse.maintain([table])


def rows_of(name: str, offsets: pl.DataFrame, pace: timedelta) -> pl.DataFrame:
    """Return the rows of messages, one each."""
    offset = pl.col("landing_offset")
    observed = FIRST + offset * pace
    common = offsets.with_columns(
        contract_id="NX_" + (500_000 + offset // 40_000 * 30 + offset % 97).cast(pl.String),
        delivery_area_id=(22 + offset % 4).cast(pl.String),
        side=pl.when(offset % 2 == 0).then(pl.lit("BUY")).otherwise(pl.lit("SELL")),
        observed_at=observed,
        published_at=observed + timedelta(milliseconds=40),
        received_at=observed + timedelta(milliseconds=90),
        price_eur_per_mwh=(offset.hash() % 20_000) / 64,
        volume_mw=(offset.hash(1) % 400 + 1) / 8,
        deleted=offset % 5 == 4,
    )
    if name == NAMES[0]:
        return common.with_columns(
            order_id=(10**12 + offset - offset % 5).cast(pl.String),
            revision_no=offset,
            is_snapshot=pl.lit(value=False),
            withdrawn=pl.lit(value=False),
        )
    cancelled = offset % 5 == 4
    traded = offset - pl.when(cancelled).then(4).otherwise(0)
    return common.with_columns(
        trade_id=(10**9 + traded).cast(pl.String),
        contract_id="NX_" + (500_000 + traded // 40_000 * 30 + traded % 97).cast(pl.String),
        delivery_area_id=(22 + traded % 4).cast(pl.String),
        side=pl.when(traded % 2 == 0).then(pl.lit("BUY")).otherwise(pl.lit("SELL")),
        revision_no=pl.when(cancelled).then(2).otherwise(1),
        observed_at=FIRST + traded * pace,
        updated_at=observed,
        contract_name=pl.lit("QH-20260301-12"),
        state=pl.when(cancelled).then(pl.lit("CANCELLED")).otherwise(pl.lit("COMPLETED")),
        price_gbp_per_mwh=pl.lit(None, dtype=pl.Float64),
        is_aggressor=offset % 2 == 0,
        deleted=pl.lit(value=False),
    )


def ask(folder: str, name: str, way: str) -> dict[str, Any]:
    """Ask for the hour; return its cost, and the number and a sum of its rows."""
    source = dataset(name)
    table, warehouse = source.table, DeltaWarehouse(Path(folder))
    imports = peak_mb()
    began, cpu = time.perf_counter(), time.process_time()
    start, end = HOUR
    in_hour = pl.col(source.event_time).is_between(start, end, closed="left")
    every = warehouse.scan(table)
    if way == "library":
        question = Question(
            table=table,
            revision=source.revision,
            start=start,
            end=end,
            facts_stay=not source.facts_move,
        )
        found = warehouse.answer(question)
    elif way == "polars":
        found = every.filter(in_hour).sort("landing_offset").unique(source.key, keep="last")
    else:
        found = latest_revision(every, source).filter(in_hour)
        found = listed(found) if table.has_withdrawals else found
    rows = found.collect()
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "memory_mb": peak_mb(),
        "imports_mb": imports,
        "rows": rows.height,
        "sum": rows["landing_offset"].sum(),
    }


def peak_mb() -> float:
    """Return the most memory that this process has had; `getrusage` counts its parent's too."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def in_a_process(folder: str, name: str, way: str) -> dict[str, Any]:
    """Ask in a process of its own, so that each has its own peak of memory."""
    command = [sys.executable, __file__, "--ask", folder, name, way]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


if __name__ == "__main__":
    main()
