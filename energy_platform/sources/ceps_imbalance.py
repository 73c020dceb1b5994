"""Imbalance of the Czech grid, minute by minute, as ČEPS measures it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import soap_form
from energy_platform.feeds.soap import SoapRequest, SoapVersion
from energy_platform.formats.ceps import CEPS, columns, series, window
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._ceps import TERMS, ceps_feed

_OPERATION = "AktualniSystemovaOdchylkaCR"
_HOW = {"agregation": "MI", "function": "AVG", "version": "RT"}
_SERIES = {
    "system_imbalance_mw": (
        "Aktuální odchylka",
        "Aktuální systémová odchylka",
        "Current imbalance",
        "Actual imbalance",
        "System imbalance",
        "System deviation",
    )
}


class SystemImbalance(DeliveryRows, lasting="PT1M"):
    """The mean imbalance of one minute."""

    system_imbalance_mw: float = pa.Field(
        ge=-10_000, le=10_000, description="Above zero there is more power than planned, as it came"
    )


def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
    """Ask for the minutes of the window."""
    return [SoapRequest(operation=_OPERATION, parameters={**window(start, end), **_HOW})]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per minute that has a value."""
    return columns(series(message.body, _OPERATION), _SERIES)


CEPS_IMBALANCE = MarketSource(
    name="ceps_imbalance",
    provider=CEPS,
    group=MarketGroup.GRID,
    description="Imbalance of the Czech grid, per minute.",
    feed=ceps_feed(
        version=SoapVersion.V1_2,
        requests=requests,
        answers=soap_form(_OPERATION),
        span=timedelta(hours=6),
        overlap=timedelta(minutes=30),
    ),
    parse=parse,
    rows=SystemImbalance,
    key=("delivery_start",),
    event_time="delivery_start",
    expected_lag=timedelta(minutes=15),
    terms=TERMS,
)
