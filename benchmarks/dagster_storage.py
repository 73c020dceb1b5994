"""What Dagster's storage costs a run: SQLite files, a Postgres as Dagster uses it, and as we do.

    python benchmarks/dagster_storage.py [--runs 20] [--json dagster_storage.json]

A run materializes six assets with three checks each, in this process, as a warm worker runs a
group's batches; the assets do nothing. The storages take turns in the same run: the platform's own
on SQLite files, Dagster's stock classes on a Postgres, the platform's own on the same server, and
those through PgBouncer in transaction mode. Postgres syncs each commit, as in production. Compare
the wall times; the CPU is this process's alone. A line of batch history is measured beside it.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetsDefinition,
    DagsterInstance,
    MaterializeResult,
    asset,
    materialize,
)
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import event
from sqlalchemy.engine import Engine

from energy_platform.operations.batch_history import BatchHistory
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.settings import StatePlace, settings
from energy_platform.storage.postgres import with_driver
from tests.support.postgres_server import pgbouncer, postgres_server

_ASSETS: Final = 6
_CHECKS: Final = ("columns", "values", "keys")
_STOCK: Final = {
    "run_storage": ("dagster_postgres.run_storage", "PostgresRunStorage"),
    "event_log_storage": ("dagster_postgres.event_log", "PostgresEventLogStorage"),
    "schedule_storage": ("dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
}
_LINES: Final = 200
_NONE: Final = pl.DataFrame(schema={"landing_offset": pl.Int64(), "check": pl.String()})


@dataclass
class Measured:
    """What runs on one storage have cost.

    Attributes:
        instance: Dagster on this storage.
        wall: The seconds of each run.
        cpu: The seconds of this process's CPU that each run took.
        connections: How many connections each run opened.
        statements: How many statements each run executed.
    """

    instance: DagsterInstance
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Run the assets once, and note what it cost."""
        opened, executed = _Counter("connect"), _Counter("before_cursor_execute")
        with opened, executed:
            wall, cpu = time.perf_counter(), time.process_time()
            assert materialize(_assets(), instance=self.instance).success
            self.wall.append(time.perf_counter() - wall)
            self.cpu.append(time.process_time() - cpu)
        self.connections.append(opened.count)
        self.statements.append(executed.count)

    def row(self) -> dict[str, float]:
        """Return the median of each cost."""
        return {
            "wall_ms": statistics.median(self.wall) * 1_000,
            "cpu_ms": statistics.median(self.cpu) * 1_000,
            "connections": statistics.median(self.connections),
            "statements": statistics.median(self.statements),
        }


class _Counter:
    """Counts an event of all of SQLAlchemy's engines."""

    def __init__(self, name: str) -> None:
        self.name, self.count = name, 0

    def __enter__(self) -> None:
        event.listen(Engine, self.name, self._note)

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, self.name, self._note)

    def _note(self, *_: Any) -> None:  # noqa: ANN401 (each event says something else)
        self.count += 1


def _assets() -> list[AssetsDefinition]:
    def made(name: str) -> AssetsDefinition:
        @asset(name=name, check_specs=[AssetCheckSpec(one, asset=name) for one in _CHECKS])
        def nothing():  # type: ignore[no-untyped-def]  # noqa: ANN202 (Dagster reads annotations)
            return MaterializeResult(
                metadata={"rows": 1},
                check_results=[AssetCheckResult(check_name=one, passed=True) for one in _CHECKS],
            )

        return nothing

    return [made(f"source_{number}") for number in range(_ASSETS)]


@contextmanager
def _instance(folder: Path, *, url: str | None = None, stock: bool = False) -> Iterator[Measured]:
    """Open Dagster as `dagster.yaml` says, on a storage."""
    said = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    if stock and url is not None:
        for section, (module, name) in _STOCK.items():
            config = {"postgres_url": with_driver(url)}
            said[section] = {"module": module, "class": name, "config": config}
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump(said))
    os.environ["ENERGY_PLATFORM_DAGSTER_STORAGE"] = str(folder / "storage")
    os.environ["ENERGY_PLATFORM_BROKER_URL"] = "redis://127.0.0.1:1/0"
    os.environ.pop("ENERGY_PLATFORM_STATE_URL", None)
    if url is not None:
        os.environ["ENERGY_PLATFORM_STATE_URL"] = url
    settings.cache_clear()
    with DagsterInstance.from_config(str(folder)) as instance:
        yield Measured(instance)


def _line_ms(place: StatePlace) -> float:
    """Return the median wall time of a line of batch history, in milliseconds."""
    history = BatchHistory(place)
    report = BatchReport(
        source="smard_price", start=0, stop=1, rows_parsed=1, rows_new=1,
        quarantined=_NONE, unparsed=0, last_received_at=datetime.now(UTC), drift=(),
        seconds=0.1,
    )  # fmt: skip
    return 1_000 * statistics.median(_seconds(lambda: history.add(report)) for _ in range(_LINES))


def _seconds(do: Callable[[], None]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Return the figures of each storage."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres_server(options=()))
        bouncer = stack.enter_context(pgbouncer(server))
        urls = {
            "SQLite": None,
            "Postgres, Dagster's own classes": server.url(server.new_database()),
            "Postgres": server.url(server.new_database()),
            "Postgres behind PgBouncer": bouncer.url(server.new_database()),
        }
        measured = {
            name: stack.enter_context(_instance(folder / str(number), url=url, stock="own" in name))
            for number, (name, url) in enumerate(urls.items())
        }
        for one in measured.values():
            one.run()  # what is done once per process
        measured = {name: Measured(one.instance) for name, one in measured.items()}
        for _ in range(runs):
            for one in measured.values():
                one.run()
        return {
            name: one.row()
            | {
                "history_line_ms": _line_ms(
                    StatePlace(folder, None if (url := urls[name]) is None else SecretStr(url))
                )
            }
            for name, one in measured.items()
        }


def _main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--json", type=Path)
    said = asked.parse_args()
    rows = measure(said.runs)
    table = Table("storage", "wall ms", "CPU ms", "connections", "statements", "history line ms")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:,.2f}" for value in row.values()))
    Console().print(table)
    Console().print(f"load average {os.getloadavg()[0]:.1f}")
    if said.json:
        said.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    _main()
