"""Generation and load of Europe's countries, as Energy-Charts publishes them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats import energy_charts as ec
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_URL = "https://api.energy-charts.info/public_power"
_QUARTER_DAY_SECONDS = 6 * 3600


class PublicPower(DeliveryRows, lasting="PT15M PT30M PT60M"):
    """One series of a country in one period: a power, or a share if its name says so."""

    country: str = pa.Field(description="Country, as Energy-Charts codes it; eu is all of the EU")
    production_type: str = pa.Field(description="Type of production, load, or share, as named")
    power_mw: float = pa.Field(
        nullable=True, ge=-1e6, le=1e6, description="Mean power; negative where consumed"
    )
    share_pct: float = pa.Field(ge=-1e3, le=1e4, nullable=True, description="Renewable share")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask each country for whole quarters of days, so that no period comes alone."""
    first, last = int(start.timestamp()), int(end.timestamp())
    window = {
        "start": str(first - first % _QUARTER_DAY_SECONDS),
        "end": str(last + -last % _QUARTER_DAY_SECONDS),
    }
    return [RestRequest(url=_URL, params={"country": one, **window}) for one in ec.COUNTRIES]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per series and period; a row with two nulls is unknown."""
    is_share = pl.col("name").str.contains("(?i)share")
    return ec.named_series(message.body, "production_types").select(
        delivery_start="instant",
        delivery_end="period_end",
        country=pl.lit(message.asked("country")),
        production_type="name",
        refused="refused",
        power_mw=pl.when(~is_share).then("value"),
        share_pct=pl.when(is_share).then("value"),
    )


ENERGY_CHARTS_GENERATION = MarketSource(
    name="energy_charts_generation",
    provider=ec.ENERGY_CHARTS,
    group=MarketGroup.GRID,
    description="Generation by type of production, load and renewable shares of 42 countries.",
    feed=RestFeed(
        provider=ec.ENERGY_CHARTS,
        requests=requests,
        every=timedelta(minutes=15),
        span=timedelta(hours=14),
        overlap=timedelta(hours=12),
        history_chunk=timedelta(days=7),
        answers=ec.answers("production_types"),
        absent=frozenset({HTTPStatus.NOT_FOUND}),
    ),
    parse=parse,
    rows=PublicPower,
    key=("country", "production_type", "delivery_start"),
    vocabularies={"country": ec.COUNTRIES, "production_type": ec.PRODUCTION_TYPES},
    event_time="delivery_start",
    expected_lag=timedelta(hours=3),
    terms="CC BY 4.0, Fraunhofer ISE, Energy-Charts",
    context={"country": "de"},
)
