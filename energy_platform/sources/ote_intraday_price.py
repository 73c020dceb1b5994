"""Prices and volumes of the Czech continuous intraday market, as OTE publishes them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import soap_form
from energy_platform.feeds.soap import SoapRequest
from energy_platform.formats.ote import OTE, items, market_days
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._ote import ote_feed

_OPERATION = "GetImPricePeriodE"


class IntradayPrice(DeliveryRows, lasting="PT15M PT60M"):
    """Trades so far for one delivery period; revised while trading goes on."""

    price_eur_per_mwh: float = pa.Field(
        in_range={"min_value": -9999.0, "max_value": 9999.0},
        nullable=True,
        description="Mean price of the trades so far; null while there is none",
    )
    volume_mwh: float = pa.Field(ge=0, le=100_000, nullable=True, description="Energy traded")
    emergency_state: str = pa.Field(nullable=True, description="Set when the market was disturbed")


def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
    """Ask for the market days that the window touches; each comes in its own resolution."""
    return [
        SoapRequest(
            operation=_OPERATION,
            parameters={"StartDate": first.isoformat(), "EndDate": last.isoformat()},
        )
        for first, last in market_days(start, end)
    ]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per delivery period with at least one value."""
    return items(
        message.body,
        _OPERATION,
        numbers={"price_eur_per_mwh": "Price", "volume_mwh": "Volume"},
        texts={"emergency_state": "Emerg"},
    )


OTE_INTRADAY_PRICE = MarketSource(
    name="ote_intraday_price",
    provider=OTE,
    group=MarketGroup.INTRADAY,
    description="Mean prices and volumes of the Czech intraday market, per delivery period.",
    feed=ote_feed(
        requests=requests,
        answers=soap_form(_OPERATION),
        every=timedelta(seconds=15),
        overlap=timedelta(days=1),
    ),
    parse=parse,
    rows=IntradayPrice,
    key=("delivery_start",),
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    terms="Own use; publishing needs OTE's written consent",
)
