"""Gas in storage by country and gas day, as GIE's AGSI+ publishes it."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats.agsi import AGSI, ANSWER, MOST_DAYS, URL, gas_days, is_answer, question
from energy_platform.market.publication import DailyPublication
from energy_platform.market.quantity import Quantity
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_COUNTRIES = "AT BE BG CZ DE DK ES FR GB GB* HR HU IT LV NL PL PT RO SE SK UA EU".split()  # noqa: SIM905 (as short as it gets)
_LEVELS = ("gas_in_storage_twh", "working_gas_volume_twh", "full_pct")


class GasStorage(DeliveryRows, lasting="P1D"):
    """The state of a country's storages at the end of a gas day; null if it was not reported."""

    code: str = pa.Field(
        description="Country, aggregate (EU, NE), or a company's or facility's EIC"
    )
    url: str = pa.Field(description="The same with what it belongs to, where there is such")
    published_at: Instant = pa.Field(nullable=True, description="When it was last updated")
    gas_in_storage_twh: float = pa.Field(ge=0, le=5e3, nullable=True, description="Gas")
    working_gas_volume_twh: float = pa.Field(ge=0, le=5e3, nullable=True, description="Room")
    full_pct: float = pa.Field(ge=0, le=200, nullable=True, description="Gas in the room")
    trend_pct: float = pa.Field(ge=-100, le=100, nullable=True, description="Its daily change")
    injection_gwh_per_d: float = pa.Field(ge=-5e4, le=5e4, nullable=True, description="In")
    withdrawal_gwh_per_d: float = pa.Field(ge=-5e4, le=5e4, nullable=True, description="Out")
    net_withdrawal_gwh_per_d: float = pa.Field(ge=-5e4, le=5e4, nullable=True, description="Net")
    injection_capacity_gwh_per_d: float = pa.Field(ge=0, nullable=True, description="Most in")
    withdrawal_capacity_gwh_per_d: float = pa.Field(ge=0, nullable=True, description="Most out")
    status: str = pa.Field(nullable=True, description="C confirmed, E estimated, N no data")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the gas days that the window touches, one country at a time."""
    return [RestRequest(url=URL, params=question(each, start, end)) for each in _COUNTRIES]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per country and gas day."""
    return gas_days(message.body)


AGSI_STORAGE = MarketSource(
    name="agsi_storage",
    provider=AGSI,
    group=MarketGroup.GAS,
    description="Gas in storage by country: level, flows and capacities per gas day.",
    feed=RestFeed(
        provider=AGSI,
        requests=requests,
        every=timedelta(minutes=30),
        span=timedelta(days=14),
        overlap=timedelta(days=7),
        history_chunk=MOST_DAYS,
        is_answer=is_answer,
        answers=ANSWER,
        secret_headers={"x-key": "GIE_API_KEY"},
    ),
    parse=parse,
    rows=GasStorage,
    key=("code", "url", "delivery_start"),
    vocabularies={"code": _COUNTRIES},
    event_time="delivery_start",
    revision="published_at",
    quantities=dict.fromkeys(_LEVELS, Quantity.LEVEL),
    expected_lag=timedelta(hours=4),
    publication=DailyPublication(at=time(19, 30), zone="Europe/Brussels", days_ahead=-1),
    terms="Free with a key; source GIE to be named",
    required_environment=("GIE_API_KEY",),
)
