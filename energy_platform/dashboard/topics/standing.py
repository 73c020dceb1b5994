"""How the rows of each kind of topic stand for series of sources, whose quarantine marks them."""

from collections.abc import Sequence
from typing import Final

from energy_platform.dashboard.areas import AREAS, PRODUCTS, areas_of
from energy_platform.dashboard.intraday import BOOK, CONTRACT, TRADE
from energy_platform.dashboard.marks import Standing
from energy_platform.dashboard.signal_rows import TRADING_SIGNAL
from energy_platform.dashboard.topics.frequency import SOURCES
from energy_platform.market.registry import market_source

_AREA: Final = "delivery_area_id"


def standings(topic: str) -> Sequence[Standing]:  # noqa: PLR0911 (one for each kind of topic)
    """Return the sources whose quarantine marks a topic's rows."""
    match topic.split(":"):
        case ["source", name]:
            return [Standing.of(market_source(name))]
        case ["signals"]:
            return [Standing.of(market_source(TRADING_SIGNAL))]
        case ["frequency", area] if area in SOURCES:
            return [Standing(SOURCES[area], {}, moment="observed_at")]
        case ["contracts", area, product] if area in AREAS and product in PRODUCTS:
            of_area = {_AREA: areas_of(area)}
            return [Standing(one, {"contract_id": "contract_id"}, of_area)
                    for one in (BOOK, TRADE, CONTRACT)]  # fmt: skip
        case ["book", area, contract] if area in AREAS:
            one_book = {"contract_id": [contract], _AREA: areas_of(area)[:1]}
            return [Standing(BOOK, {"side": "side"}, one_book)]
        case ["trades", area, contract] if area in AREAS:
            one_tape = {"contract_id": [contract], _AREA: areas_of(area)}
            return [Standing(TRADE, {"trade_id": "id"}, one_tape)]
        case _:
            return ()
