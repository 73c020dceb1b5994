"""Which processes keep values from a screen: those that are down, and those just restarted.

supervisord starts a killed process again within a second, which is shorter than the pause between
two looks. So a process whose count of restarts has risen is named for some seconds, though it runs.
"""

from collections.abc import Iterable
from typing import Final

from energy_platform.operations.supervision.supervisor import ProcessStatus

_UNSEEN: Final = frozenset({"dashboard", "metrics"})
"""Screens don't wait for these: the first one shows them, the second one counts for Prometheus."""
_RUNNING: Final = "RUNNING"
_TOLD_SECONDS: Final = 10.0
"""For how long a restart is told: about as long as a process needs to begin its work."""


class ProcessWatch:
    """Compares what supervisord says with what it said before. One thread may use it."""

    def __init__(self) -> None:
        self._restarts: dict[str, int] = {}
        self._told_until: dict[str, float] = {}

    def look(self, statuses: Iterable[ProcessStatus], now: float) -> frozenset[str]:
        """Return what is wrong, each as a sentence.

        Args:
            statuses: What supervisord says now.
            now: The seconds of a clock that never goes back.
        """
        said = set[str]()
        for one in statuses:
            if one.name in _UNSEEN:
                continue
            if one.restarts > self._restarts.get(one.name, one.restarts):
                self._told_until[one.name] = now + _TOLD_SECONDS
            self._restarts[one.name] = one.restarts
            if one.state != _RUNNING:
                said.add(f"the {one.name} process is {one.state.lower()}")
            elif now < self._told_until.get(one.name, now):
                said.add(f"the {one.name} process was restarted")
        return frozenset(said)
