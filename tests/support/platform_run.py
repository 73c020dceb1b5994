"""Runs the whole platform's processes on simulated markets, for benchmarks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from energy_platform.settings import Settings
from energy_platform.status import source_statuses
from energy_platform.stores import open_micro_batches
from energy_platform.supervision.plan import PROJECT, Process, environment, processes
from energy_platform.supervision.ports import Ports
from energy_platform.supervision.supervisor import Supervisor

START_SECONDS = 300.0


@contextmanager
def running(
    home: Path, *, instance: Mapping[str, object] | None = None, left_out: Sequence[str] = ()
) -> Iterator[Supervisor]:
    """Run the platform from `home` until the context ends; begins when every source has flowed.

    Args:
        home: An empty folder.
        instance: What stands in the place of `dagster.yaml`, if anything.
        left_out: Processes not to start.
    """
    settings, ports, supervisor = Settings(home=home), Ports.free(), Supervisor(home)
    written = home / "instance.yaml"
    chosen = instance or yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    written.write_text(yaml.safe_dump(dict(chosen)))
    planned: Sequence[Process] = [
        process for process in processes(settings, ports) if process.name not in left_out
    ]
    supervisord = supervisor.start(planned, environment(settings, ports), written)
    try:
        batches, deadline = open_micro_batches(settings), time.monotonic() + START_SECONDS
        while silent := [s.name for s in source_statuses(settings, batches) if not s.rows]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not every source flowed: {', '.join(silent)}")
            time.sleep(2)
        yield supervisor
    finally:
        supervisor.stop(supervisord.pid)


def cpu_seconds(supervisor: Supervisor) -> dict[str, tuple[float, float]]:
    """Return each process's CPU seconds, its ended children's included, and its memory in MB."""
    used = {}
    for status in supervisor.statuses():
        process = psutil.Process(status.pid)
        family = [process, *process.children(recursive=True)]
        times = [one.cpu_times() for one in family]
        seconds = sum(t.user + t.system + t.children_user + t.children_system for t in times)
        memory = sum(one.memory_full_info().pss for one in family) / 2**20
        used[status.name] = (seconds, memory)
    return used
