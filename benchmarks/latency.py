"""Event to warehouse and event to hot store, on warm workers and on Dagster's stock launcher.

Both run the same simulated sources, one after the other on the same machine: once as
`energy-platform up` runs them, once with `DefaultRunLauncher`, a fresh process for each run. The
simulator's journal gives the events, and when each could first be seen. The stores themselves give
the time of storing (the time stamps of the Delta commit and of the hot point).

    python benchmarks/latency.py [--seconds 120]

A polled source can't be quicker than its poll, so latency is also given from the moment at which
the bytes were received.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import yaml

from energy_platform.market.registry import market_sources
from energy_platform.market.rows import INSTANT
from energy_platform.market.source import MarketSource
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from simulator.journal import Journal
from tests.support.comparison import journalled_rows
from tests.support.platform_run import cpu_seconds, running

SETTLE_SECONDS = 20.0
LAST_POLL_SECONDS = 45.0
"""Longer than the slowest poll: what has not arrived by then counts as missing."""


@dataclass(frozen=True)
class Variant:
    """One way of launching runs."""

    name: str
    instance: Mapping[str, object]
    left_out: tuple[str, ...]


def variants() -> list[Variant]:
    """Return the platform's way and the stock way, which differ only in the launcher."""
    ours = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    stock = {name: value for name, value in ours.items() if name != "run_launcher"}
    return [
        Variant("warm workers", ours, ()),
        Variant("stock launcher", stock, ("broker", "worker-1", "worker-2")),
    ]


@dataclass(frozen=True)
class Usage:
    """What one process used: cores on average, and its share of memory in MB."""

    name: str
    cores: float
    memory_mb: float


@dataclass(frozen=True)
class Measured:
    """The figures of one variant between two instants."""

    variant: str
    seconds: float
    runs: int
    latencies: pl.DataFrame
    usage: list[Usage]


def measure(variant: Variant, seconds: float) -> Measured:
    """Run a variant for some seconds of steady state and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running(home, instance=variant.instance, left_out=variant.left_out) as supervisor:
            settings = Settings(home=home)
            time.sleep(SETTLE_SECONDS)
            began, before = datetime.now(UTC), cpu_seconds(supervisor)
            time.sleep(seconds)
            ended, after = datetime.now(UTC), cpu_seconds(supervisor)
            usage = [
                Usage(name, (after[name][0] - before[name][0]) / seconds, after[name][1])
                for name in after
            ]
            time.sleep(LAST_POLL_SECONDS)
        frames = [latencies(source, settings, began, ended) for source in market_sources().values()]
        runs = finished_runs(home, began, ended)
    return Measured(variant.name, seconds, runs, pl.concat(frames), usage)


def latencies(
    source: MarketSource, settings: Settings, began: datetime, ended: datetime
) -> pl.DataFrame:
    """Return a source's rows emitted between two instants: seconds to each store."""
    said = [*source.key, *source.value_columns]
    series = [*source.tags, source.event_time]
    # A hot point that is written again has only the time of its last write.
    is_last = pl.col("received_at") == pl.col("received_at").max().over(series)
    emitted = (
        journalled_rows(source, Journal(settings.home / "simulator" / "journal"))
        .with_columns(is_last=is_last)
        .filter(pl.col("received_at").is_between(began, ended))
        .select(*said, "is_last", emitted_at="received_at")
        .unique(said, keep="first")
    )
    stored = open_micro_batches(settings).warehouse.scan(market_table(source)).collect()
    arrived = emitted.join(stored, on=said, how="left", nulls_equal=True)
    dated = (
        arrived.with_columns(after=pl.col("landing_offset") + 1)
        .sort("after")
        .join_asof(
            commits(settings.home / "warehouse" / source.name),
            left_on="after",
            right_on="stop",
            strategy="forward",
        )
    )
    hot = hot_points(settings.home / "hot.sqlite", source)
    both = dated.join(hot, on=series, how="left")
    return both.select(
        source=pl.lit(source.name),
        to_warehouse=_seconds("emitted_at", "committed_at"),
        received_to_warehouse=_seconds("received_at", "committed_at"),
        to_hot_store=pl.when(pl.col("is_last") & pl.col("committed_at").is_not_null()).then(
            _seconds("emitted_at", "written_at")
        ),
    )


def _seconds(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_milliseconds() / 1000


def commits(table: Path) -> pl.DataFrame:
    """Return when each micro-batch was committed, by the offset at which it stops."""
    batches = []
    for file in sorted((table / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in file.read_text().splitlines()]
        stops = [action["txn"]["version"] for action in actions if "txn" in action]
        times = [action["commitInfo"]["timestamp"] for action in actions if "commitInfo" in action]
        batches += [(stop, datetime.fromtimestamp(times[0] / 1000, UTC)) for stop in stops]
    schema = {"stop": pl.Int64(), "committed_at": INSTANT}
    return pl.DataFrame(batches, schema=schema, orient="row").sort("stop")


def hot_points(file: Path, source: MarketSource) -> pl.DataFrame:
    """Return when each point of a source was last written."""
    columns = [*source.tags, source.event_time, "written_at"]
    quoted = ", ".join(f'"{column}"' for column in columns)
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute(f'SELECT {quoted} FROM "{source.name}"').fetchall()
    instants = (source.event_time, "written_at")
    schema = {n: pl.Int64() if n in instants else source.dtypes[n] for n in columns}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.from_epoch(n, time_unit="us").dt.replace_time_zone("UTC") for n in instants
    )


def finished_runs(home: Path, began: datetime, ended: datetime) -> int:
    """Return how many runs succeeded between two instants."""
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as connection:
        query = "SELECT count(*) FROM runs WHERE status = 'SUCCESS' AND end_time BETWEEN ? AND ?"
        [(count,)] = connection.execute(query, (began.timestamp(), ended.timestamp()))
    return int(count)


def report(measured: Sequence[Measured]) -> None:
    """Print one table per variant, and the ratios between them."""
    for one in measured:
        print(f"\n## {one.variant}: {one.runs} runs in {one.seconds:.0f} s\n")
        print("| source | rows | missing | event → warehouse p50 / p95 s |"
              " received → warehouse p50 / p95 s | event → hot store p50 / p95 s |")  # fmt: skip
        print("| --- | --- | --- | --- | --- | --- |")
        for (source,), rows in one.latencies.group_by("source", maintain_order=True):
            print(line(str(source), rows))
        print(line("all rows", one.latencies))
        cores = sum(usage.cores for usage in one.usage)
        memory = sum(usage.memory_mb for usage in one.usage)
        print("\n| process | cores | memory MB |\n| --- | --- | --- |")
        for usage in sorted(one.usage, key=lambda usage: -usage.cores):
            print(f"| {usage.name} | {usage.cores:.2f} | {usage.memory_mb:.0f} |")
        print(f"| all | {cores:.2f} | {memory:.0f} |")
    ours, stock = (quantiles(one.latencies["to_warehouse"]) for one in measured)
    for name, our, their in zip(("p50", "p95"), ours, stock, strict=True):
        print(f"\nstock / warm, event → warehouse, {name}: {their / our:.1f}")


def line(name: str, rows: pl.DataFrame) -> str:
    """Return a source's line of the table; rows that never arrived count as missing."""
    missing = rows["to_warehouse"].null_count()
    columns = ("to_warehouse", "received_to_warehouse", "to_hot_store")
    return " | ".join(
        [f"| {name}", str(rows.height), str(missing), *(shares(rows[c]) for c in columns)]
    ) + " |"  # fmt: skip


def shares(latency_seconds: pl.Series) -> str:
    """Return median and 95th percentile as text."""
    return " / ".join(f"{value:.1f}" for value in quantiles(latency_seconds))


def quantiles(latency_seconds: pl.Series) -> tuple[float, float]:
    """Return median and 95th percentile of what arrived; NaN if nothing did."""
    known = latency_seconds.drop_nulls()
    p50, p95 = (known.quantile(share) for share in (0.5, 0.95))
    return (p50 if p50 is not None else float("nan")), (p95 if p95 is not None else float("nan"))


def main() -> None:
    """Measure every variant and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="steady state per variant")
    seconds = parser.parse_args().seconds
    report([measure(variant, seconds) for variant in variants()])


if __name__ == "__main__":
    main()
