"""Runs the platform's processes on simulated markets, for tests and benchmarks to observe."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import yaml

from energy_platform.market.registry import market_sources
from energy_platform.operations import metrics
from energy_platform.operations.status import source_statuses
from energy_platform.operations.supervision.plan import PROJECT, platform_plan
from energy_platform.operations.supervision.ports import bound_ports
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Settings
from simulator.server import CONTROLS
from simulator.world import ADDRESSES_NAME

START_SECONDS = 300.0


@contextmanager
def running(
    home: Path, *, instance: Mapping[str, object] | None = None, left_out: Sequence[str] = ()
) -> Iterator[Supervisor]:
    """Run the platform from `home` until the context ends; begins when every source has flowed.

    Args:
        home: An empty folder.
        instance: A replacement for `dagster.yaml`, if any.
        left_out: Processes not to start.
    """
    settings, supervisor = Settings(home=home), Supervisor(home)
    written = home / "instance.yaml"
    chosen = instance or yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    written.write_text(yaml.safe_dump(dict(chosen)))
    with bound_ports() as (ports, kept):
        plan = platform_plan(settings, ports, kept)
        started = [process for process in plan.processes if process.name not in left_out]
        supervisord = supervisor.start(replace(plan, processes=started), written)
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
        members = metrics.family(status.pid)
        memory = sum(one.memory_full_info().pss for one in members) / 2**20
        used[status.name] = (metrics.cpu_seconds(members), memory)
    return used


def pid_of(supervisor: Supervisor, name: str) -> int:
    """Return the id of one of the platform's processes."""
    return next(one.pid for one in supervisor.statuses() if one.name == name)


def simulator_controls(home: Path) -> str:
    """Return the address of the simulator's own controls."""
    stand_ins: dict[str, str] = json.loads((home / "simulator" / ADDRESSES_NAME).read_bytes())
    return stand_ins[CONTROLS]


def freeze(home: Path) -> datetime:
    """Stop market time; return it."""
    controls = simulator_controls(home)
    answer = httpx.post(f"{controls}/freeze", timeout=60).raise_for_status()
    return datetime.fromisoformat(answer.json()["market_time"])


def come_to_rest(batches: MicroBatches, *, quiet_seconds: float, within_seconds: float) -> None:
    """Wait until all that landed is in both stores, and nothing has landed for a while.

    Raises:
        TimeoutError: It doesn't come to rest.
    """
    sources = market_sources().values()
    seen: dict[str, int] = {}
    since = began = time.monotonic()
    while time.monotonic() - since < quiet_seconds:
        if time.monotonic() - began > within_seconds:
            raise TimeoutError("the platform does not come to rest")
        time.sleep(1)
        landed = {one.name: batches.landing.log(one.name).end_offset() for one in sources}
        shown = {one.name: batches.hot_copies.reached(one) for one in sources}
        if landed != seen or shown != landed or any(map(batches.is_behind, sources)):
            seen, since = landed, time.monotonic()
