"""`alarms:<user>`: the alarms of one user."""

from dataclasses import dataclass

from energy_platform.dashboard.alarms.board import AlarmBoard
from energy_platform.dashboard.frames import Changes
from energy_platform.dashboard.topics.topic import Loaded, NewRows


@dataclass(slots=True)
class AlarmRows:
    """The topic of one user; the alarms' watch tells of changes by itself."""

    user: str
    board: AlarmBoard
    sources: tuple[str, ...] = ()
    every_seconds: float = 0.1
    refresh_seconds: float | None = None
    shared: tuple[()] = ()
    moment: str | None = None

    def load(self) -> Loaded:
        """Return the alarms that are shown."""
        return Loaded([one.model_dump() for one in self.board.of(self.user)])

    def changed_by(self, new: NewRows) -> Changes:
        """Return nothing: no row of a source is an alarm."""
        del new
        return Changes()
