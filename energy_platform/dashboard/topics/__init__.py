"""The kinds of topics: `Topics` finds the one that a name means. docs/dashboard.md lists them."""

from collections.abc import Sequence

from energy_platform.dashboard.alarms.board import AlarmBoard
from energy_platform.dashboard.areas import AREAS, PRODUCTS
from energy_platform.dashboard.holdings import Holdings
from energy_platform.dashboard.intraday import Intraday
from energy_platform.dashboard.signal_rows import SignalRows
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.alarms import AlarmRows
from energy_platform.dashboard.topics.book import Book
from energy_platform.dashboard.topics.contracts import ContractRows
from energy_platform.dashboard.topics.frequency import SOURCES, Frequency
from energy_platform.dashboard.topics.latest import LatestRows
from energy_platform.dashboard.topics.positions import Exposure, Positions
from energy_platform.dashboard.topics.processes import Processes
from energy_platform.dashboard.topics.signals import Signals
from energy_platform.dashboard.topics.status import Status
from energy_platform.dashboard.topics.topic import Topic, UnknownTopicError
from energy_platform.dashboard.topics.trades import Trades
from energy_platform.market.registry import market_source
from energy_platform.operations.supervision.supervisor import Supervisor


class Topics:
    """All topics over some stores; those of the continuous market share its books."""

    def __init__(self, stores: Stores, board: AlarmBoard) -> None:
        self._board = board
        self._intraday = Intraday(stores)
        self._holdings = Holdings(stores, self._intraday)
        self._stores = stores

    def named(self, name: str) -> Topic:
        """Return the topic of a name.

        Raises:
            UnknownTopicError: There is no such topic.
            UnknownSourceError: There is no such source.
        """
        match name.split(":"):
            case ["status"] | ["processes"] | ["alarms", _]:
                return self._topic_of_platform(name)
            case ["signals"]:
                return Signals(SignalRows(self._stores))
            case ["frequency", area] if area in SOURCES:
                return Frequency(area, self._stores)
            case ["source", source]:
                return LatestRows(market_source(source), self._stores)
            case ["positions" | "exposure" as kind, portfolio, *what] if portfolio:
                return self._topic_of_portfolio(kind, portfolio, what)
            case [kind, area, what] if area in AREAS and what:
                return self._intraday_topic(kind, area, what)
            case _:
                raise UnknownTopicError(f"there is no topic {name!r}")

    def _topic_of_platform(self, name: str) -> Topic:
        match name.partition(":"):
            case "status", *_:
                return Status(self._stores)
            case "processes", *_:
                return Processes(Supervisor(self._stores.settings.home))
            case "alarms", _, user:
                return AlarmRows(user, self._board)
            case _:
                raise UnknownTopicError(f"there is no topic {name!r}")

    def _intraday_topic(self, kind: str, area: str, what: str) -> Topic:
        match kind:
            case "contracts" if what in PRODUCTS:
                return ContractRows(area, what, self._intraday)
            case "book":
                return Book(area, what, self._intraday)
            case "trades":
                return Trades(area, what, self._intraday)
            case _:
                raise UnknownTopicError(f"there is no topic {kind}:{area}:{what}")

    def _topic_of_portfolio(self, kind: str, portfolio: str, what: Sequence[str]) -> Topic:
        match kind, what:
            case "positions", []:
                return Positions(portfolio=portfolio, holdings=self._holdings)
            case "exposure", [area, product] if area in AREAS and product in PRODUCTS:
                return Exposure(
                    portfolios=tuple(portfolio.split(",")),
                    area=area,
                    product=product,
                    holdings=self._holdings,
                )
            case _:
                raise UnknownTopicError(f"there is no topic {':'.join((kind, portfolio, *what))}")
