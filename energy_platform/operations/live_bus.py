"""How the live bus is doing: what it holds, who follows it, and what was not published."""

from dataclasses import dataclass
from typing import Final

from energy_platform.errors import EnergyPlatformError
from energy_platform.pipeline.hot_lane.announcements import announcements
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.settings import Settings
from energy_platform.storage.live_bus.protocol import Figures

_NOTHING: Final = Figures()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBusStatus:
    """The live bus's state.

    Attributes:
        is_up: Whether it answers.
        trouble: Why it does not, or why the lane's newest rows were not published; empty if all is
            well.
        figures: What the bus knows of itself.
        published: How many ranges of landing offsets the lane has published since it began.
        failures: How many it could not publish.
    """

    is_up: bool
    trouble: str
    figures: Figures
    published: int
    failures: int


def live_bus_status(settings: Settings) -> LiveBusStatus | None:
    """Return the state of the live bus; None where no platform has had one."""
    if settings.live_bus is None and not settings.live_bus_file.exists():
        return None
    announced = announcements(settings.home)
    trouble, figures = "", _NOTHING
    try:
        figures = open_live_bus(settings).figures()
    except EnergyPlatformError as error:
        trouble = str(error)
    return LiveBusStatus(
        is_up=not trouble,
        trouble=trouble or announced.trouble,
        figures=figures,
        published=announced.published,
        failures=announced.failures,
    )
