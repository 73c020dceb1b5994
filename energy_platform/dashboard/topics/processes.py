"""`processes`: the platform's own processes."""

from dataclasses import asdict, dataclass

from energy_platform.dashboard.frames import Changes
from energy_platform.dashboard.topics.topic import Loaded, NewRows
from energy_platform.operations.supervision.supervisor import Supervisor


@dataclass(slots=True)
class Processes:
    """The topic."""

    supervisor: Supervisor
    sources: tuple[str, ...] = ()
    every_seconds: float = 1.0
    refresh_seconds: float | None = 2.0
    shared: tuple[()] = ()
    moment: str | None = None

    def load(self) -> Loaded:
        """Ask supervisord; there are no rows while it does not answer."""
        return Loaded([{"id": one.name, **asdict(one)} for one in self.supervisor.statuses()])

    def changed_by(self, new: NewRows) -> Changes:
        """Return nothing: no row of a source says how a process is."""
        del new
        return Changes()
