"""The kinds of topics: `Topics` finds the one that a name means. docs/dashboard.md lists them."""

from energy_platform.dashboard.areas import AREAS
from energy_platform.dashboard.intraday import Intraday
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.book import Book
from energy_platform.dashboard.topics.frequency import SOURCES, Frequency
from energy_platform.dashboard.topics.latest import LatestRows
from energy_platform.dashboard.topics.processes import Processes
from energy_platform.dashboard.topics.status import Status
from energy_platform.dashboard.topics.topic import Topic, UnknownTopicError
from energy_platform.dashboard.topics.trades import Trades
from energy_platform.market.registry import market_source
from energy_platform.operations.supervision.supervisor import Supervisor


class Topics:
    """All topics over some stores; those of the continuous market share its books."""

    def __init__(self, stores: Stores) -> None:
        self.intraday = Intraday(stores)
        self._stores = stores

    def named(self, name: str) -> Topic:
        """Return the topic of a name.

        Raises:
            UnknownTopicError: There is no such topic.
            UnknownSourceError: There is no such source.
        """
        match name.split(":"):
            case ["status"]:
                return Status(self._stores)
            case ["processes"]:
                return Processes(Supervisor(self._stores.settings.home))
            case ["frequency", area] if area in SOURCES:
                return Frequency(area, self._stores)
            case ["source", source]:
                return LatestRows(market_source(source), self._stores)
            case ["book", area, contract] if area in AREAS and contract:
                return Book(area, contract, self.intraday)
            case ["trades", area, contract] if area in AREAS and contract:
                return Trades(area, contract, self.intraday)
            case _:
                raise UnknownTopicError(f"there is no topic {name!r}")
