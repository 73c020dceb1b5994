"""Plans what is to be staged, lets a runner stage it, and waits.

A runner starts one program many times, each with a number: `stage` with a task. `runners` has one
module per engine that can do that. How far they are is read from the staged files alone, so each
shows its progress in the same way.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.replay.plan import USUAL, Plan, RangeSize, made_with, plan
from energy_platform.pipeline.replay.staged import StagedFiles
from energy_platform.storage.landing import LandingZone

_LOOK_SECONDS: Final = 0.2
_TELL_SECONDS: Final = 1.0
"""How often the staged files are listed, which costs a request in a bucket."""

Tell = Callable[[int, int], None]
"""Called with how many ranges are staged, and how many there are."""


def tell_nobody(staged: int, of: int) -> None:
    """Do nothing."""
    del staged, of


class StagingRun(Protocol):
    """A runner's tasks for one plan, which work by themselves."""

    def is_running(self) -> bool:
        """Return whether tasks are at work.

        Raises:
            StagingFailedError: A task has failed for good.
        """

    def cancel(self) -> None:
        """End all tasks that are still at work; on return they are ended, or told to end."""


class Runner(Protocol):
    """An engine that stages the ranges of a plan."""

    def start(self, plan: Plan) -> StagingRun:
        """Start tasks that together stage all ranges of a plan.

        Raises:
            StagingFailedError: The engine refuses.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stager:
    """Stages landed messages with one runner.

    Attributes:
        zone: The landing zone.
        runner: The engine; None if only what is staged already counts.
        most_bytes: How many bytes all staged files of the zone have together at most.
        tell: Learns of the progress.
        size: How large a range is at most.
    """

    zone: LandingZone
    runner: Runner | None
    most_bytes: int
    tell: Tell = tell_nobody
    size: RangeSize = USUAL

    def stage(self, source: MarketSource, offsets: range) -> Plan | None:
        """Stage the messages of a range, or the first of them; return what they are staged as.

        Ranges that a killed replay has staged are taken over, if today's code would stage the same.

        Returns:
            None if there are too few messages for that to gain anything.

        Raises:
            StagingFailedError: Not all could be staged.
        """
        if self.runner is None:
            return self._left(source, offsets)
        chosen = self.plan(source, offsets)
        if chosen is not None:
            run = self.runner.start(chosen)
            try:
                self._wait(run, chosen)
            finally:
                run.cancel()
        return chosen

    def plan(self, source: MarketSource, offsets: range) -> Plan | None:
        """Return the plan that a killed replay has left, or a new one; None if none is worth it."""
        left = self._left(source, offsets)
        if left is not None:
            return left
        made = plan(self.zone, source, offsets, size=self.size, most_bytes=self.most_bytes // 4)
        if made is not None:
            StagedFiles(self.zone, source.name).begin(made)
        return made

    def clear(self, source: MarketSource) -> None:
        """Remove all that is staged of a source, since it is merged."""
        StagedFiles(self.zone, source.name).clear()

    def _left(self, source: MarketSource, offsets: range) -> Plan | None:
        """Return the plan that is there, if it holds the first offset and today's code made it."""
        left = StagedFiles(self.zone, source.name).plan()
        if left is None or left.around(offsets.start) is None or left.stop > offsets.stop:
            return None
        return left if left.made_with == made_with(self.zone, source) else None

    def _wait(self, run: StagingRun, chosen: Plan) -> None:
        """Wait until no task is at work, and say how far they are."""
        files, looked_at, staged = StagedFiles(self.zone, chosen.source), 0.0, -1
        while run.is_running():
            if time.monotonic() - looked_at > _TELL_SECONDS:
                looked_at, before, staged = time.monotonic(), staged, len(files.staged(chosen))
                if staged != before:
                    self.tell(staged, len(chosen.ranges))
            time.sleep(_LOOK_SECONDS)
        self.tell(len(files.staged(chosen)), len(chosen.ranges))
