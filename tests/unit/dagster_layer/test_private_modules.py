"""Dagster's private modules that the project uses: each named here, with what stands in for it.

A minor release of Dagster may move or change them, so the dependency is capped below the next one.
Who raises the cap runs these tests and reads this list.
"""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[3]
LAYER: Final = ("definitions.py", "assets", "sensors", "resources", "energy_platform")

USED: Final = {
    "dagster._cli.api._execute_run_command_body": "executes a run as dagster-celery's task does",
    "dagster._config.UserConfigSchema": "says what `dagster.yaml` says of a storage",
    "dagster._core.errors.DagsterUserCodeUnreachableError": "the code server is away",
    "dagster._core.instance.RUNLESS_RUN_ID": "forgets reports of landings and hot copies",
    "dagster._core.launcher.CheckRunHealthResult": "a launcher's answer to run monitoring",
    "dagster._core.launcher.LaunchRunContext": "what a launcher is called with",
    "dagster._core.launcher.WorkerStatus": "a launcher's answer to run monitoring",
    "dagster._core.launcher.default_run_launcher.DefaultRunLauncher": "runs of a process each",
    "dagster._core.run_coordinator.DefaultRunCoordinator": "starts a run at once",
    "dagster._core.storage.sql": "reads migration scripts, which are to be read once",
    "dagster._core.storage.event_log.EventLogStorage": "chooses between SQLite and Postgres",
    "dagster._core.storage.runs.RunStorage": "chooses between SQLite and Postgres",
    "dagster._core.storage.schedules.ScheduleStorage": "chooses between SQLite and Postgres",
    "dagster._core.storage.event_log.schema.SqlEventLogStorageMetadata": "measures a Postgres",
    "dagster._core.storage.runs.schema.RunStorageSqlMetadata": "measures a Postgres",
    "dagster._core.storage.schedules.schema.ScheduleStorageSqlMetadata": "measures a Postgres",
    "dagster._core.storage.event_log.ConsolidatedSqliteEventLogStorage": "one file for all events",
    "dagster._core.storage.runs.SqliteRunStorage": "keeps its connections open",
    "dagster._core.storage.runs.schema.SnapshotsTable": "forgets snapshots of runs that are gone",
    "dagster._core.storage.runs.sql_run_storage.SqlRunStorage": "forgets such snapshots",
    "dagster._core.storage.schedules.SqliteScheduleStorage": "keeps its connections open",
    "dagster._serdes.ConfigurableClassData": "opens a storage as its file says",
    "dagster._core.storage.event_log.schema.AssetCheckExecutionsTable": "forgets check results",
    "dagster._core.storage.event_log.schema.SqlEventLogStorageTable": "forgets such reports",
    "dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage": "forgets check results",
    "dagster._core.storage.noop_compute_log_manager.NoOpComputeLogManager": "keeps no run logs",
    "dagster._core.workspace.context.WorkspaceProcessContext": "the web server on a socket",
    "dagster._core.workspace.load_target.WorkspaceFileTarget": "the web server on a socket",
    "dagster._daemon.sensor": "says how often the daemon looks at its sensors",
    "dagster._grpc.types.CanCancelExecutionRequest": "asks whether a run's process lives",
    "dagster._grpc.types.CanCancelExecutionResult": "asks whether a run's process lives",
    "dagster._grpc.types.ExecuteRunArgs": "what a Celery task carries",
    "dagster._serdes.deserialize_value": "reads the code server's answer",
    "dagster._serdes.pack_value": "writes what a Celery task carries",
    "dagster._serdes.unpack_value": "reads what a Celery task carries",
}
"""Each name, and what it is used for."""


def _files() -> Iterator[Path]:
    for place in LAYER:
        path = ROOT / place
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def _imported(file: Path) -> Iterator[str]:
    """Yield each name that a module imports from a private module of Dagster."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and re.match(r"dagster\w*\._", node.module or ""):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if re.match(r"dagster\w*\._", a.name))


def _configured() -> Iterator[str]:
    """Yield each class that `dagster.yaml` names in a private module of Dagster."""
    for section in yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8")).values():
        if isinstance(section, dict) and str(section.get("module")).startswith("dagster._"):
            yield f"{section['module']}.{section['class']}"


def test_every_private_name_in_use_is_listed() -> None:
    found = {name for file in _files() for name in _imported(file)} | set(_configured())
    assert found == USED.keys()


@pytest.mark.parametrize("name", USED)
def test_every_private_name_is_there(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    within = importlib.import_module(module)
    assert hasattr(within, attribute) or (hasattr(within, "__path__") and find_spec(name))


def test_dagster_is_capped_below_the_next_minor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [one for extra in extras.values() for one in extra if one.startswith("dagster")]
    assert wanted
    for requirement in wanted:
        [low, cap] = re.findall(r"[\d.]+", requirement)
        major, minor = (int(part) for part in low.split(".")[:2])
        assert cap == f"{major}.{minor + 1}", requirement
