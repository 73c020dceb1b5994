"""Event to warehouse and event to hot store, on warm workers and on Dagster's stock launcher.

Both run the same simulated sources, one after the other on the same machine: once as
`energy-platform up` runs them, once with `DefaultRunLauncher`, a fresh process for each run. The
simulator's journal gives the events, and when each could first be seen. The stores themselves give
the time of storing (the time stamps of the Delta commit and of the hot point).

    python benchmarks/latency.py [--seconds 120] [--only "warm workers"] [--json latency.json]

A consumer of `ep.follow` in a process of its own notes when it has each trade (`follower`).

A polled source can't be quicker than its poll, so latency is also given from the moment at which
the bytes were received. The figures of a variant are printed and written before the next one
starts. If a variant fails, e.g. because a source does not flow in time, its reason is reported.
"""

import argparse
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import yaml

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from energy_platform.market.instants import INSTANT
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from simulator.journal import Journal
from tests.support.comparison import journalled_rows
from tests.support.platform_run import cpu_seconds, running

SETTLE_SECONDS = 20.0
TRADES = "nord_pool_intraday_trade"
LATENCIES = {
    "event → warehouse": "to_warehouse",
    "received → warehouse": "received_to_warehouse",
    "event → hot store": "to_hot_store",
    "received → hot store": "received_to_hot_store",
}
"""What is measured, and the column that has it in seconds."""
WARM = "warm workers"
"""The platform's own way: what is wanted is wanted of it."""
SIMULATOR = "simulator"
GROWING = ("landing", "warehouse")
DAY_SECONDS = 86_400

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
        Variant(WARM, ours, ()),
        Variant("stock launcher", stock, ("broker", "worker-1", "worker-2")),
    ]


@dataclass(frozen=True)
class Usage:
    """What one process used: seconds of CPU, and its share of memory in MB."""

    name: str
    cpu_seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Measured:
    """The figures of one variant between two instants.

    Attributes:
        seconds: How long it was measured.
        runs: How many runs ended well.
        load: The machine's load average over the last minute, at the beginning and at the end.
        latencies: A row per emitted row, with the seconds to each store.
        followed: After how many seconds a follower had each trade.
        usage: The usage of each process.
        grown_bytes: By how much each entry of the home grew.
    """

    variant: str
    seconds: float
    runs: int
    load: tuple[float, float]
    latencies: pl.DataFrame
    followed: pl.Series
    usage: list[Usage]
    grown_bytes: Mapping[str, int]


def measure(variant: Variant, seconds: float) -> Measured:
    """Run a variant for some seconds of steady state and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        home, told = Path(folder) / "home", Path(folder) / "followed.csv"
        home.mkdir()
        with (
            running(home, instance=variant.instance, left_out=variant.left_out) as supervisor,
            follower(home, told),
        ):
            settings = Settings(home=home)
            time.sleep(SETTLE_SECONDS)
            began, before, load = datetime.now(UTC), cpu_seconds(supervisor), os.getloadavg()[0]
            small = sizes(home)
            time.sleep(seconds)
            ended, after = datetime.now(UTC), cpu_seconds(supervisor)
            grown = {name: size - small.get(name, 0) for name, size in sizes(home).items()}
            loads = (load, os.getloadavg()[0])
            usage = [
                Usage(name, after[name][0] - before[name][0], after[name][1]) for name in after
            ]
            time.sleep(LAST_POLL_SECONDS)
        frames = [latencies(source, settings, began, ended) for source in market_sources().values()]
        runs = finished_runs(home, began, ended)
        seen = followed(told, began, ended)
    return Measured(variant.name, seconds, runs, loads, pl.concat(frames), seen, usage, grown)


@contextmanager
def follower(home: Path, told: Path) -> Iterator[None]:
    """Follow the trades of a home's platform in another process, while the context lasts."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("follower.py"), TRADES, told],
        env={**os.environ, "ENERGY_PLATFORM_HOME": str(home), "PYTHONPATH": str(PROJECT)},
    )
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the follower ended with exit code {process.returncode}")
    finally:
        process.kill()
        process.wait()


def followed(told: Path, began: datetime, ended: datetime) -> pl.Series:
    """Return after how many seconds a follower had each row received between two instants."""
    rows = pl.read_csv(told, has_header=False, new_columns=["received_at", "here_at"])
    inside = pl.from_epoch("received_at", time_unit="us").dt.replace_time_zone("UTC")
    took = rows.filter(inside.is_between(began, ended))
    return (took["here_at"] - took["received_at"]) / 1_000_000


def sizes(home: Path) -> dict[str, int]:
    """Return how many bytes each file and folder of a home has."""
    found: dict[str, int] = {}
    for file in home.rglob("*"):
        # Files come and go meanwhile.
        with suppress(FileNotFoundError):
            if file.is_file():
                name = file.relative_to(home).parts[0]
                found[name] = found.get(name, 0) + file.stat().st_size
    return found


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
    is_shown = pl.col("is_last") & pl.col("committed_at").is_not_null()
    return both.select(
        source=pl.lit(source.name),
        to_warehouse=_seconds("emitted_at", "committed_at"),
        received_to_warehouse=_seconds("received_at", "committed_at"),
        to_hot_store=pl.when(is_shown).then(_seconds("emitted_at", "written_at")),
        received_to_hot_store=pl.when(is_shown).then(_seconds("received_at", "written_at")),
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
        held = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [source.name])
        query = f'SELECT {quoted} FROM "{source.name}"'
        rows = connection.execute(query).fetchall() if held.fetchone() else []
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


def report(one: Measured) -> None:
    """Print what a variant did, source by source and process by process, and each verdict."""
    print(f"\n## {one.variant}: {one.runs} runs in {one.seconds:.0f} s;"
          f" load average {one.load[0]:.1f} to {one.load[1]:.1f}\n")  # fmt: skip
    print(f"| source | rows | missing | {' | '.join(f'{name}, s' for name in LATENCIES)} |")
    print("| --- | --- | --- |" + " --- |" * len(LATENCIES))
    for name, rows in by_source(one.latencies):
        print(line(name, rows))
    cpu = sum(usage.cpu_seconds for usage in one.usage)
    memory = sum(usage.memory_mb for usage in one.usage)
    print("\n| process | CPU s | cores | memory MB |\n| --- | --- | --- | --- |")
    for usage in sorted(one.usage, key=lambda usage: -usage.cpu_seconds):
        print(f"| {usage.name} | {usage.cpu_seconds:.1f} | {usage.cpu_seconds / one.seconds:.2f}"
              f" | {usage.memory_mb:.0f} |")  # fmt: skip
    print(f"| all | {cpu:.1f} | {cpu / one.seconds:.2f} | {memory:.0f} |\n")
    told = " / ".join(f"{value:.2f}" for value in quantiles(one.followed))
    print(f"{TRADES}, received → ep.follow, s, p50 / p95: {told}, {one.followed.len()} rows\n")
    for name, grown in sorted(one.grown_bytes.items(), key=lambda pair: -pair[1]):
        print(f"{name}: {grown / one.seconds * DAY_SECONDS / 1e9:.2f} GB a day")


def unbounded(entries: Iterable[str]) -> list[str]:
    """Return the entries of a home for which the docs' table names no bound."""
    text = (PROJECT / "docs" / "operations.md").read_text()
    rows = text.split("| in the home |")[1].split("\n\n")[0].splitlines()
    first_cells = " ".join(row.split("|")[1] for row in rows[2:])
    bounded = [name.split("/")[0] for name in re.findall(r"`([^`]+)`", first_cells)]
    return sorted(
        entry for entry in entries if not any(fnmatch(entry, pattern) for pattern in bounded)
    )


def by_source(latencies: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each source's rows by its name, then all of them."""
    for (source,), rows in latencies.group_by("source", maintain_order=True):
        yield str(source), rows
    yield "all rows", latencies


def line(name: str, rows: pl.DataFrame) -> str:
    """Return a source's line of the table; rows that never arrived count as missing."""
    missing = rows["to_warehouse"].null_count()
    shares = (quantiles(rows[column]) for column in LATENCIES.values())
    told = [f"{p50:.2f} / {p95:.2f}" for p50, p95 in shares]
    return f"| {' | '.join([name, str(rows.height), str(missing), *told])} |"


def figures(one: Measured) -> list[Figure]:
    """Return what is wanted of the platform, as this variant has it."""
    trades = one.latencies.filter(source=TRADES)
    platform = [usage for usage in one.usage if usage.name != SIMULATOR]
    loose = unbounded(name for name, grown in one.grown_bytes.items() if grown)
    shown = known_quantiles(trades["received_to_hot_store"])
    stored = known_quantiles(trades["received_to_warehouse"])
    had = known_quantiles(one.followed)
    load = f"load average {one.load[0]:.1f} to {one.load[1]:.1f}"
    return [
        goals.TRADES_SHOWN_P50.measured(shown["p50"], load),
        goals.TRADES_SHOWN_P95.measured(shown["p95"], load),
        goals.TRADES_STORED_P50.measured(stored["p50"], load),
        goals.TRADES_STORED_P95.measured(stored["p95"], load),
        goals.TRADES_FOLLOWED_P50.measured(had["p50"], f"{one.followed.len()} rows"),
        goals.TRADES_FOLLOWED_P95.measured(had["p95"], f"{one.followed.len()} rows"),
        goals.CORES.measured(sum(usage.cpu_seconds for usage in platform) / one.seconds),
        goals.MEMORY.measured(sum(usage.memory_mb for usage in platform) / 1024),
        goals.UNBOUNDED_ENTRIES.measured(len(loose), ", ".join(loose)),
        goals.GROWTH.measured(
            sum(grown for name, grown in one.grown_bytes.items() if name in GROWING)
            / one.seconds * DAY_SECONDS / 1e9,
            "databases are left out: their waiting pages come and go",
        ),
    ]  # fmt: skip


def quantiles(latency_seconds: pl.Series) -> tuple[float, float]:
    """Return median and 95th percentile of what arrived; NaN if nothing did."""
    known = latency_seconds.drop_nulls()
    p50, p95 = (known.quantile(share) for share in (0.5, 0.95))
    return (p50 if p50 is not None else float("nan")), (p95 if p95 is not None else float("nan"))


def known_quantiles(latency_seconds: pl.Series) -> dict[str, float | None]:
    """Return median and 95th percentile by name, for JSON, which knows no NaN."""
    found = zip(("p50", "p95"), quantiles(latency_seconds), strict=True)
    return {name: None if math.isnan(value) else value for name, value in found}


def compare(measured: Sequence[Measured]) -> None:
    """Print how many times as long each variant takes as the first one."""
    for first, other in ((measured[0], other) for other in measured[1:]):
        for name, column in LATENCIES.items():
            pairs = zip(quantiles(other.latencies[column]), quantiles(first.latencies[column]),
                        strict=True)  # fmt: skip
            told = " / ".join(f"{theirs / ours:.1f}" for theirs, ours in pairs)
            print(f"{other.variant} / {first.variant}, {name}, p50 / p95: {told}")


def as_json(outcome: Measured | str) -> dict[str, object]:
    """Return what a variant did, or why it failed, as it is written."""
    if isinstance(outcome, str):
        return {"failed": outcome}
    return {
        "seconds": outcome.seconds,
        "runs": outcome.runs,
        "load_average": outcome.load,
        "latency_seconds": {
            name: {
                "rows": rows.height,
                "missing": rows["to_warehouse"].null_count(),
                **{column: known_quantiles(rows[column]) for column in LATENCIES.values()},
            }
            for name, rows in by_source(outcome.latencies)
        },
        "followed_seconds": {"rows": outcome.followed.len(), **known_quantiles(outcome.followed)},
        "processes": [asdict(usage) for usage in outcome.usage],
        "grown_bytes": dict(outcome.grown_bytes),
    }


def write(outcomes: Mapping[str, Measured | str], file: Path) -> None:
    """Write the figures of the platform's own way, and every outcome so far."""
    ours = outcomes.get(WARM)
    found = figures(ours) if isinstance(ours, Measured) else not_measured(ours or "not run")
    write_json(found, file, variants={name: as_json(one) for name, one in outcomes.items()})


def not_measured(reason: str) -> list[Figure]:
    """Return the figures without values."""
    return [one.measured(None, reason) for one in goals.goals() if one.benchmark == "latency"]


def main() -> None:
    """Measure every variant, and print and write each outcome before the next begins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="steady state per variant")
    parser.add_argument("--only", choices=[one.name for one in variants()], help="one variant")
    parser.add_argument("--json", type=Path, help="a file to write the outcomes to")
    asked = parser.parse_args()
    outcomes: dict[str, Measured | str] = {}
    for variant in variants():
        if asked.only in (None, variant.name):
            try:
                outcomes[variant.name] = measured = measure(variant, asked.seconds)
                report(measured)
            except Exception as error:  # noqa: BLE001 (the other variants are measured all the same)
                outcomes[variant.name] = f"{type(error).__name__}: {error}"
                print(f"\n## {variant.name} failed: {outcomes[variant.name]}")
            if asked.json:
                write(outcomes, asked.json)
    print()
    ours = outcomes.get(WARM)
    if isinstance(ours, Measured):
        print_table(figures(ours))
    compare([one for one in outcomes.values() if isinstance(one, Measured)])


if __name__ == "__main__":
    main()
