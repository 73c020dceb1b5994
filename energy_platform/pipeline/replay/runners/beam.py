"""Stages by Apache Beam: on this machine's DirectRunner, or on Dataflow with the right options.

Beam wants an older pyarrow than the platform, so it has an environment of its own, and its pipeline
is a program of that environment: `beam_program`. This module starts the program and ends it.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy_platform.errors import StagingFailedError
from energy_platform.pipeline.replay.plan import Plan

_PROGRAM: Final = "from energy_platform.pipeline.replay.runners.beam_program import main; main()"
_ENDING_SECONDS: Final = 60.0
"""How long the program may take to cancel a job at Dataflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """Beam, by the runner that its options name.

    Attributes:
        python: The Python of Beam's environment.
        landing: The landing zone's address, which the workers reach.
        most_bytes: How many bytes all staged files of the zone have together at most.
        options: Beam's own pipeline options.
    """

    python: Path
    landing: str
    most_bytes: int
    options: Sequence[str] = ()

    def start(self, plan: Plan) -> "RunningPipeline":
        """Start the pipeline, with a range as the element."""
        said = (self.landing, plan.source, plan.plan_id, len(plan.ranges), self.most_bytes)
        try:
            process = subprocess.Popen(  # noqa: S603 (this package's own program)
                [self.python, "-c", _PROGRAM, *map(str, said), *self.options],
                stdin=subprocess.PIPE,
                start_new_session=True,  # with its workers, it is ended as a group
            )
        except OSError as error:
            raise StagingFailedError(f"Beam can't be started: {error}") from error
        return RunningPipeline(process)


class RunningPipeline:
    """The program of one pipeline.

    Args:
        process: Its process, the leader of a group.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def is_running(self) -> bool:
        """Return whether the pipeline is at work.

        Raises:
            StagingFailedError: It has failed.
        """
        code = self._process.poll()
        if code:
            raise StagingFailedError(f"the Beam pipeline ended with code {code}; see its log")
        return code is None

    def cancel(self) -> None:
        """Let the program cancel its job, then end it and its workers."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
