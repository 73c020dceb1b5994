"""Maximum bilateral exchange between Core's bidding zones, as JAO publishes it (core_max_bex)."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats.jao import ANSWER, API, BORDERS, JAO, borders, is_answer, market_days
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_URL = f"{API}/core/api/data/maxExchanges"


class MaxExchange(DeliveryRows, lasting="PT15M PT30M PT60M"):
    """The highest possible flow over one border if it used all of the grid's margin."""

    border: str = pa.Field(description="From zone and to zone, as JAO names them, e.g. AT_DE")
    max_exchange_mw: float = pa.Field(
        in_range={"min_value": -50_000.0, "max_value": 100_000.0}, description="Maximum exchange"
    )
    published_at: Instant = pa.Field(nullable=True, description="When JAO last changed it")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the market days that the window touches, one request each."""
    return [
        RestRequest(
            url=_URL,
            params={
                "FromUtc": f"{first:%Y-%m-%dT%H:%M:%S.000Z}",
                "ToUtc": f"{last:%Y-%m-%dT%H:%M:%S.000Z}",
            },
        )
        for first, last in market_days(start, end)
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per border and market time unit."""
    return borders(message.body).rename({"value": "max_exchange_mw"})


JAO_MAX_EXCHANGE = MarketSource(
    name="jao_max_exchange",
    provider=JAO,
    group=MarketGroup.GRID,
    description="Maximum bilateral exchanges of Core's flow-based capacity calculation.",
    feed=RestFeed(
        provider=JAO,
        requests=requests,
        every=timedelta(minutes=5),
        span=timedelta(days=3),
        overlap=timedelta(days=1),
        ahead=timedelta(days=1),
        history_chunk=timedelta(days=7),
        is_answer=is_answer,
        answers=ANSWER,
    ),
    parse=parse,
    rows=MaxExchange,
    key=("border", "delivery_start"),
    vocabularies={"border": BORDERS},
    event_time="delivery_start",
    revision="published_at",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(10, 30), zone="Europe/Brussels", days_ahead=1),
    terms="JAO's terms of use: free to read, with attribution",
)
