"""Which processes make up the platform, how each is started, and its environment."""

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from energy_platform.errors import UsageError
from energy_platform.operations.supervision.ports import (
    Ports,
    code_server_at,
    webserver_at,
)
from energy_platform.operations.supervision.short_paths import home_in_urls
from energy_platform.operations.supervision.valkeys import (
    Valkeys,
    broker_command,
    live_bus_command,
)
from energy_platform.operations.supervision.warm_supervisord import WarmStart
from energy_platform.settings import Address, Markets, Settings

PROJECT: Final = Path(__file__).resolve().parents[3]
"""The checkout, which has the Dagster layer; the installed library does not."""

_SCRIPTS: Final = ("celery", "dagster", "dagster-daemon", "dagster-webserver", "energy-platform")
"""Console scripts that share most of their libraries."""
_WEBSERVER: Final = "resources.webserver"
"""A module of the checkout that is run as a script, and shares their libraries too."""
_SHARED: Final = (
    "definitions",
    "celery.apps.worker",
    "celery.bin.celery",
    "dagster_celery.tasks",
    "energy_platform.dashboard.service",
    "energy_platform.ingest.collector",
    "energy_platform.operations.scrapes",
    "energy_platform.operations.status",
    "energy_platform.pipeline.hot_lane.service",
)
"""The modules that these scripts import late."""


@dataclass(frozen=True, slots=True)
class Process:
    """One supervised process.

    Attributes:
        name: Its name.
        command: The command that starts it.
        ends_last: Whether other processes need it until they have ended.
    """

    name: str
    command: tuple[str, ...]
    ends_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a supervisor runs.

    Attributes:
        processes: The processes, in the order in which they are started.
        environment: The environment of each process.
        warm_start: The processes' folder, and what some of them share.
        private_files: Texts with passwords, by the files that only this user may read.
        kept: File descriptors that stay open while the supervisor lives, and keep the ports.
    """

    processes: Sequence[Process]
    environment: Mapping[str, str]
    warm_start: WarmStart
    private_files: Mapping[Path, str] = field(default_factory=dict)
    kept: tuple[int, ...] = ()


def _script(name: str) -> str:
    """Return a console script of the virtual environment that this process runs in."""
    return str(Path(sys.executable).parent / name)


_SIMULATOR: Final = Process("simulator", (sys.executable, "-m", "simulator"))
"""It writes the addresses that it listens on to a file; see
`energy_platform.ingest.simulated_market`.
"""
PREPARATION: Final = Process("prepare", (_script("dagster"), "instance", "migrate"))
"""It ends: it brings Dagster's storage to this version, before any process uses it."""


def platform_plan(settings: Settings, ports: Ports, kept: tuple[int, ...] = ()) -> Plan:
    """Return the plan of the whole platform.

    Raises:
        UsageError: This is an installed library, not a checkout with the Dagster layer.
    """
    planned, valkeys = processes(settings, ports), Valkeys(settings=settings)
    names = {one.name for one in planned}
    return Plan(
        processes=planned,
        environment=environment(settings, valkeys),
        warm_start=WarmStart(
            folder=str(PROJECT),
            programs=[one.name for one in planned if _shares_imports(one)],
            modules=shared_modules(),
            preparation=PREPARATION.command,
        ),
        private_files=private_files(names, valkeys),
        kept=kept,
    )


def shared_modules() -> list[str]:
    """Return the first modules of the console scripts, and those that they import late."""
    installed = entry_points(group="console_scripts")
    return [*(one.module for one in installed if one.name in _SCRIPTS), *_SHARED]


def processes(settings: Settings, ports: Ports) -> list[Process]:
    """Return the processes of a platform on this machine, those that others wait for first.

    Each process waits for those that it needs, so any order works. A broker or live bus that the
    settings name is elsewhere.

    Raises:
        UsageError: This is an installed library, not a checkout with the Dagster layer.
    """
    elsewhere = {
        "simulator": settings.markets is not Markets.SIMULATED,
        "broker": settings.broker_url is not None,
        "live-bus": settings.live_bus is not None,
    }
    return [one for one in all_processes(settings, ports) if not elsewhere.get(one.name)]


def all_processes(settings: Settings, ports: Ports) -> list[Process]:
    """Return the processes of a platform, wherever each of them runs.

    Raises:
        UsageError: This is an installed library, not a checkout with the Dagster layer.
    """
    if not (PROJECT / "definitions.py").exists():
        raise UsageError("this needs a checkout: the installed library has no Dagster layer")
    workspace = "workspace.address.yaml" if settings.code_server_address else "workspace.yaml"
    return [
        _SIMULATOR,
        Process("broker", broker_command(settings), ends_last=True),
        Process("live-bus", live_bus_command(settings)),
        Process("code-server", (_script("dagster"), "api", "grpc", "--module-name", "definitions",
                                *_code_server_options(code_server_at(settings)))),
        Process("collector", (_script("energy-platform"), "collect")),
        Process("hot-lane", (_script("energy-platform"), "hot-lane")),
        *(worker(f"worker-{number}") for number in range(1, settings.workers + 1)),
        Process("daemon", (_script("dagster-daemon"), "run", "--workspace", workspace)),
        Process("webserver", (sys.executable, "-m", _WEBSERVER,
                              str(webserver_at(settings)), workspace,
                              *(["--read-only"] if settings.dagster_read_only else []))),
        Process("dashboard", (_script("energy-platform"), "dashboard",
                              "--port", str(ports.dashboard))),
        Process("metrics", (_script("energy-platform"), "metrics", "--port", str(ports.metrics))),
    ]  # fmt: skip


def environment(settings: Settings, valkeys: Valkeys) -> Mapping[str, str]:
    """Return the environment of every process: this one's, and the addresses of the others."""
    home = settings.home.absolute()
    dagster = home_in_urls(home) / "dagster"
    return {
        # Otherwise glibc keeps a heap for each of the many threads of polars and delta-rs, and what
        # they have freed: a tenth of the platform's memory.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_TRIM_THRESHOLD_": str(128 * 1024),
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "DAGSTER_HOME": str(dagster),
        # Dagster waits for a run in a process of its own until that process has imported the
        # definitions.
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "120",
        "ENERGY_PLATFORM_HOME": str(home),
        "ENERGY_PLATFORM_MARKETS": settings.markets,
        "ENERGY_PLATFORM_SIMULATOR": str(settings.simulator_folder.absolute()),
        "ENERGY_PLATFORM_ADDRESSES": json.dumps(settings.addresses),
        "ENERGY_PLATFORM_BROKER_URL": valkeys.broker_url,
        **_code_server_variables(code_server_at(settings)),
        "ENERGY_PLATFORM_DAGSTER_STORAGE": str(dagster / "storage"),
    }


def private_files(names: Collection[str], valkeys: Valkeys) -> Mapping[Path, str]:
    """Return the texts with passwords that these processes read, by their files.

    Raises:
        UsageError: The settings name a Valkey that is to be started, without a password.
    """
    return {
        **(valkeys.broker_files() if "broker" in names else {}),
        **(valkeys.live_bus_files() if "live-bus" in names else {}),
    }


def _code_server_options(where: Path | Address) -> tuple[str, ...]:
    if isinstance(where, Address):
        return "--host", where.host, "--port", str(where.port)
    return "--socket", str(where)


def _code_server_variables(where: Path | Address) -> Mapping[str, str]:
    """Return what the workspace's file reads."""
    if isinstance(where, Address):
        return {
            "ENERGY_PLATFORM_CODE_SERVER_HOST": where.host,
            "ENERGY_PLATFORM_CODE_SERVER_PORT": str(where.port),
        }
    return {"ENERGY_PLATFORM_CODE_SERVER_SOCKET": str(where)}


def _shares_imports(process: Process) -> bool:
    return Path(process.command[0]).name in _SCRIPTS or _WEBSERVER in process.command


def worker(name: str) -> Process:
    """Return a Celery worker, called by this name on its machine."""
    return Process(
        name,
        (
            _script("celery"), "--app", "resources.worker", "worker",
            "--pool", "solo", "--include", "definitions", "--hostname", f"{name}@%h",
            "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
        ),
    )  # fmt: skip
