"""Stages on this machine's cores, each task in a fresh process.

The processes are started anew and not forked, because polars and delta-rs have threads, which a
fork leaves without. They see no setting but the landing zone's address and credentials.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from energy_platform.errors import StagingFailedError
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.replay.runners import program

_PROGRAM: Final = f"from {program.__name__} import main; main()"
_ENDING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Processes of this machine.

    Attributes:
        landing: The landing zone's address.
        most_bytes: How many bytes all staged files of the zone have together at most.
        count: How many processes there are; one per core if 0.
    """

    landing: str
    most_bytes: int
    count: int = 0

    def start(self, plan: Plan) -> "RunningProcesses":
        """Start the processes, which share the ranges of a plan."""
        cores = len(os.sched_getaffinity(0))
        count = min(self.count or cores, len(plan.ranges))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # Each process has its share of the cores, and not a thread on each of them.
            "POLARS_MAX_THREADS": str(max(cores // count, 1)),
        }
        started: list[subprocess.Popen[bytes]] = []
        for task in range(count):
            said = (self.landing, plan.source, plan.plan_id, task, count, self.most_bytes)
            started.append(
                subprocess.Popen(  # noqa: S603 (this package's own program)
                    [sys.executable, "-P", "-c", _PROGRAM, *map(str, said)],
                    stdin=subprocess.PIPE,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the parent, which ends them
                )
            )
        return RunningProcesses(started)


class RunningProcesses:
    """The processes of one plan.

    Args:
        processes: The processes.
    """

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        self._processes = processes

    def is_running(self) -> bool:
        """Return whether a process is at work.

        Raises:
            StagingFailedError: One has failed.
        """
        codes = [one.poll() for one in self._processes]
        if failed := [code for code in codes if code]:
            raise StagingFailedError(f"a staging process ended with code {failed[0]}; see its log")
        return None in codes

    def cancel(self) -> None:
        """End the processes; they leave no range half staged."""
        for one in self._processes:
            if one.stdin is not None:
                one.stdin.close()
            one.kill()
        for one in self._processes:
            one.wait(_ENDING_SECONDS)
