"""The kinds of topics: `named` finds the one that a name means. docs/dashboard.md lists them."""

from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.frequency import SOURCES, Frequency
from energy_platform.dashboard.topics.latest import LatestRows
from energy_platform.dashboard.topics.processes import Processes
from energy_platform.dashboard.topics.status import Status
from energy_platform.dashboard.topics.topic import Topic, UnknownTopicError
from energy_platform.market.registry import market_source
from energy_platform.operations.supervision.supervisor import Supervisor


def named(name: str, stores: Stores) -> Topic:
    """Return the topic of a name.

    Raises:
        UnknownTopicError: There is no such topic.
        UnknownSourceError: There is no such source.
    """
    match name.split(":"):
        case ["status"]:
            return Status(stores)
        case ["processes"]:
            return Processes(Supervisor(stores.settings.home))
        case ["frequency", area] if area in SOURCES:
            return Frequency(area, stores)
        case ["source", source]:
            return LatestRows(market_source(source), stores)
        case _:
            raise UnknownTopicError(f"there is no topic {name!r}")
