"""Runs dbt over the days of the marts that are out of date, and records the result.

`MartRun` describes a run, so the command line and Dagster start the same process. Only one run is
active at a time. A run that is killed leaves each mart either as it was or complete; the next run
does the rest.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from energy_platform.errors import EnergyPlatformError, MissingExtraError, UsageError
from energy_platform.marts.catalogue import marts, project_folder
from energy_platform.marts.changes import Changes, Progress, find_changes
from energy_platform.settings import Settings, WarehouseKind
from energy_platform.storage.warehouse.protocol import Warehouse

DBT: Final = Path(sys.executable).parent / "dbt"
LONGEST_RUN: Final = timedelta(minutes=30)
_DAYS: Final = "ENERGY_PLATFORM_MART_DAYS"
_TOLD_CHARACTERS: Final = 2_000


class DbtError(EnergyPlatformError):
    """dbt failed; the message ends with dbt's last output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The result for one mart.

    Attributes:
        name: The mart's name.
        days: How many days were rebuilt; None for all.
        seconds: How long it took.
        error: Why it was not built, if it wasn't.
        failed_tests: Its tests that failed, including those that only warn.
    """

    name: str
    days: int | None
    seconds: float
    error: str | None
    failed_tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MartRun:
    """One run of dbt over the marts that are out of date; there may be none.

    Attributes:
        settings: The home, and which warehouse.
        stale: The marts to build, and which days.
    """

    settings: Settings
    stale: Sequence[Changes]

    @property
    def arguments(self) -> list[str]:
        """The arguments of dbt."""
        chosen = [
            selected
            for each in self.stale
            for selected in (each.mart.name, f"+{each.mart.name},path:models/staging")
        ]
        return [
            "build", "--select", *chosen, "--exclude-resource-type", "unit_test",
            "--exclude", "tag:staging", *common_arguments(self.settings),
        ]  # fmt: skip

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables to add to the process's environment."""
        days = {
            each.mart.name: [day.isoformat() for day in each.days]
            for each in self.stale
            if each.days is not None
        }
        return {**dbt_environment(self.settings), _DAYS: json.dumps(days)}

    def note(self) -> list[Built]:
        """Read dbt's results, and record the marts that were built.

        Raises:
            DbtError: dbt left no results.
        """
        file = target_folder(self.settings) / "run_results.json"
        try:
            results: Sequence[Mapping[str, Any]] = json.loads(file.read_bytes())["results"]
        except (OSError, ValueError, KeyError) as error:
            raise DbtError(f"dbt has left no results: {error}") from error
        by_node = {result["unique_id"].split(".")[2]: result for result in results}
        progress = Progress(self.settings)
        built = [_built(each, by_node) for each in self.stale]
        for each, done in zip(self.stale, built, strict=True):
            if done.error is None:
                progress.note(each.mart, each.positions)
        return built


@contextmanager
def mart_run(
    settings: Settings,
    warehouse: Warehouse,
    *,
    wholly: bool = False,
    only: Collection[str] | None = None,
) -> Iterator[MartRun]:
    """Find out what to build, and keep other runs out for the length of the context.

    Args:
        settings: The home, and which warehouse.
        warehouse: The warehouse.
        wholly: Rebuild each mart, whatever has changed.
        only: The marts to look at; all, unless given.

    Raises:
        UsageError: Another run is under way.
    """
    folder = settings.home / "marts"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("the marts are being made already") from None
        (target_folder(settings) / "run_results.json").unlink(missing_ok=True)
        # Files of a killed run; no other run is active now.
        shutil.rmtree(spill_folder(settings), ignore_errors=True)
        progress = Progress(settings)
        asked = [mart for mart in marts().values() if only is None or mart.name in only]
        changes = find_changes(warehouse, progress, asked, wholly=wholly)
        for each in changes:
            if each.are_none:
                progress.note(each.mart, each.positions)
        yield MartRun(settings=settings, stale=[each for each in changes if not each.are_none])
        warehouse.maintain([mart.table for mart in marts().values()])


def build_marts(settings: Settings, warehouse: Warehouse, *, wholly: bool = False) -> list[Built]:
    """Bring the marts up to date; return the result for each that was out of date.

    Raises:
        DbtError: dbt failed before building any mart.
        UsageError: Another run is under way.
    """
    with mart_run(settings, warehouse, wholly=wholly) as run:
        if not run.stale:
            return []
        said = call_dbt(run.arguments, run.environment)
        try:
            return run.note()
        except DbtError as error:
            raise DbtError(said[-_TOLD_CHARACTERS:] or str(error)) from error


def call_dbt(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run dbt to its end; return its output.

    Raises:
        DbtError: It took longer than any run may.
        UsageError: It isn't installed.
    """
    if not DBT.exists():
        raise MissingExtraError("dbt", "dbt")
    try:
        done = subprocess.run(  # noqa: S603 (dbt's own program, with arguments of this module)
            [DBT, *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_RUN.total_seconds(),
        )
    except subprocess.TimeoutExpired as error:
        raise DbtError(f"dbt was ended after {LONGEST_RUN}") from error
    return done.stdout + done.stderr


def common_arguments(settings: Settings) -> list[str]:
    """Return the arguments of every dbt call: the project, the engine, and its folders."""
    return [
        "--project-dir", str(project_folder()),
        "--profiles-dir", str(project_folder()),
        "--target", _target(settings),
        "--target-path", str(target_folder(settings)),
        "--log-path", str(settings.home.absolute() / "marts"),
    ]  # fmt: skip


def dbt_environment(settings: Settings) -> Mapping[str, str]:
    """Return the variables for dbt and its plugin, which override the process's environment."""
    named = {
        "HOME": str(settings.home.absolute()),
        "WAREHOUSE": settings.warehouse,
        "BIGQUERY_PROJECT": settings.bigquery_project,
        "BIGQUERY_DATASET": settings.bigquery_dataset,
        "BIGQUERY_LOCATION": settings.bigquery_location,
        "BIGQUERY_EMULATOR": settings.bigquery_emulator,
        "BIGQUERY_EMULATOR_GRPC": settings.bigquery_emulator_grpc,
    }
    return {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        **{f"ENERGY_PLATFORM_{name}": value for name, value in named.items() if value is not None},
    }


def spill_folder(settings: Settings) -> Path:
    """Return the folder for data that exceeds a run's memory; empty while no run is active."""
    return settings.home.absolute() / "marts" / "spill"


def target_folder(settings: Settings) -> Path:
    """Return the folder of dbt's compiled project, one for each engine."""
    return settings.home.absolute() / "marts" / "target" / _target(settings)


def _target(settings: Settings) -> str:
    if settings.warehouse is WarehouseKind.BIGQUERY and settings.bigquery_emulator:
        return "bigquery_emulator"
    return str(settings.warehouse)


def _built(stale: Changes, results: Mapping[str, Mapping[str, Any]]) -> Built:
    mart = stale.mart
    result = results.get(mart.name, {"status": "missing", "message": "dbt did not come to it"})
    tests = [results.get(test.name, {}) for test in mart.tests]
    return Built(
        name=mart.name,
        days=None if stale.days is None else len(stale.days),
        seconds=float(result.get("execution_time", 0.0)),
        error=None if result["status"] == "success" else str(result["message"]),
        failed_tests=tuple(
            test.name
            for test, done in zip(mart.tests, tests, strict=True)
            if done.get("status") in {"fail", "warn", "error"}
        ),
    )
