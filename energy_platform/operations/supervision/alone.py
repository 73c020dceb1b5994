"""One process of the plan in the foreground, for a container, systemd or a pool of workers.

Who starts it restarts it too, and keeps its output. It is the very process that `up` supervises;
the addresses of the others are settings, since nobody else tells them.
"""

import os
from pathlib import Path
from typing import Final, NoReturn

from energy_platform.errors import UsageError
from energy_platform.operations.supervision.home import claimed_home, write_whole
from energy_platform.operations.supervision.plan import (
    PREPARATION,
    PROJECT,
    Process,
    all_processes,
    environment,
    private_files,
    worker,
)
from energy_platform.operations.supervision.ports import Ports
from energy_platform.operations.supervision.valkeys import Valkeys
from energy_platform.settings import Settings, variable

_NEED_NO_BROKER: Final = frozenset(
    {"simulator", "broker", "live-bus", "collector", "hot-lane", "dashboard", "metrics"}
)
"""The processes that know nothing of Dagster."""


def processes_alone(settings: Settings) -> dict[str, Process]:
    """Return the processes that can run alone, by name: those of the plan, and two more.

    `worker` is a worker that is told from others by its machine's name. `prepare` brings Dagster's
    storage to this version and ends; it comes before the others.

    Raises:
        UsageError: This is an installed library, not a checkout with the Dagster layer.
    """
    ports = Ports(dashboard=settings.dashboard_port, metrics=settings.metrics_port)
    planned = all_processes(settings, ports)
    return {one.name: one for one in [*planned, worker("worker"), PREPARATION]}


def become(name: str, settings: Settings) -> NoReturn:
    """Become a process of the plan, with its environment; files that it needs are written before.

    Raises:
        UsageError: There is no such process, or a setting that it needs is missing.
        EnergyPlatformError: `up` runs from this home, or it can't be used.
    """
    known = processes_alone(settings)
    if name not in known:
        raise UsageError(f"there is no process {name!r}; there are {', '.join(known)}")
    if settings.broker_url is None and name not in _NEED_NO_BROKER:
        raise UsageError(f"{variable('broker_url')} must say where {name} finds the broker")
    valkeys = Valkeys(settings=settings)
    with claimed_home(settings.home, shared=True) as lock:
        for file, text in private_files([name], valkeys).items():
            write_whole(file, text)
        instance = Path(environment(settings, valkeys)["DAGSTER_HOME"]) / "dagster.yaml"
        write_whole(instance, (PROJECT / "dagster.yaml").read_text())
        os.set_inheritable(lock, True)  # for as long as this process lives, `up` refuses
        os.chdir(PROJECT)
        command = known[name].command
        os.execve(command[0], command, dict(environment(settings, valkeys)))  # noqa: S606 (the plan's own command)
