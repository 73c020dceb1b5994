"""A platform that is struck again and again: how to strike it, and when it is well again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.operations.supervision.supervisor import Supervisor
from tests.support.running_platform import FAST, RECOVERY_SECONDS, RunningPlatform, wait_for


class Store(Protocol):
    """A server of a store, which can be taken away."""

    def kill(self) -> None:
        """End it at once."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def stopped(self) -> AbstractContextManager[None]:
        """Let it hang while the context lasts."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running platform, and what cases need to strike it.

    Attributes:
        platform: The platform.
        random: Decides what is struck, and when.
        hold_seconds: How long a fault that lasts is to last.
        stores: The servers of its stores, by name; none if they are embedded.
    """

    platform: RunningPlatform
    random: Random
    hold_seconds: float
    stores: dict[str, Store] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names of the supervised processes."""
        return sorted(self.platform.processes())

    def pids(self, names: Iterable[str]) -> dict[str, int]:
        """Return the ids of those processes that run."""
        processes = self.platform.processes()
        return {name: processes[name].pid for name in names if processes[name].pid}

    def kill(self, names: Iterable[str]) -> set[int]:
        """Kill processes; return their ids."""
        pids = set(self.pids(names).values())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    @contextlib.contextmanager
    def stopped(self, names: Iterable[str]) -> Iterator[None]:
        """Stop processes, which then neither work nor die, while the context lasts."""
        pids = self.pids(names).values()
        self._signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(pids, signal.SIGCONT)

    def _signal(self, pids: Iterable[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    @contextlib.contextmanager
    def away(self, name: str) -> Iterator[None]:
        """Have the supervisor end a process, and start it again when the context ends."""
        [group] = [one["group"] for one in self._ask("getAllProcessInfo") if one["name"] == name]
        self._ask("stopProcess", f"{group}:{name}")
        try:
            yield
        finally:
            self._ask("startProcess", f"{group}:{name}")

    def _ask(self, method: str, *arguments: str) -> Any:
        """Ask the supervisor by a connection of its own, since it closes one that is idle."""
        with Supervisor(self.platform.home)._proxy() as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def hold(self) -> None:
        """Let a fault last."""
        time.sleep(self.hold_seconds)


def wait_until_well(platform: RunningPlatform, gone: Iterable[int]) -> None:
    """Wait until all processes run and what lands from then on is stored.

    Args:
        platform: The platform.
        gone: The ids of killed processes, which the supervisor may not have missed yet.

    Raises:
        AssertionError: It does not get well.
    """
    killed = set(gone)
    wait_for(
        "recovery of every process", lambda: _all_run(platform, killed), RECOVERY_SECONDS
    )  # fmt: skip
    landed = _offsets(platform)
    wait_for("rows that landed after it", lambda: _has_stored(platform, landed), RECOVERY_SECONDS)


def _has_stored(platform: RunningPlatform, landed: Mapping[str, int]) -> bool:
    """Return whether the warehouse is beyond these offsets; False while it can't be asked."""
    with contextlib.suppress(WarehouseUnavailableError):
        return all(now > landed[name] for name, now in platform.committed(landed).items())
    return False


def _all_run(platform: RunningPlatform, killed: set[int]) -> bool:
    processes = platform.processes().values()
    return bool(processes) and all(
        one.state == "RUNNING" and one.pid not in killed for one in processes
    )


def _offsets(platform: RunningPlatform) -> dict[str, int]:
    return {name: platform.batches.landing.log(name).end_offset() for name in FAST}
