"""Load of the Czech grid, as ČEPS measures it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import soap_form
from energy_platform.feeds.soap import SoapRequest
from energy_platform.formats.ceps import CEPS, columns, series, window
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._ceps import TERMS, ceps_feed

_OPERATION = "Load"
_HOW = {"agregation": "QH", "function": "AVG", "version": "RT"}
_SERIES = {
    "load_mw": ("Load", "Zatížení"),
    "load_including_pumping_mw": (
        "Load including pumping",
        "Zatížení včetně čerpání",
        "Zatížení vč. čerpání",
    ),
}


class Load(DeliveryRows, lasting="PT15M"):
    """The mean load of one quarter of an hour."""

    load_mw: float = pa.Field(ge=0, le=30_000, nullable=True, description="Load without pumping")
    load_including_pumping_mw: float = pa.Field(
        ge=0, le=30_000, nullable=True, description="Load with that of pumped storage"
    )


def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
    """Ask for the quarter-hours of the window."""
    return [SoapRequest(operation=_OPERATION, parameters={**window(start, end), **_HOW})]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per quarter of an hour that has a value."""
    return columns(series(message.body, _OPERATION), _SERIES)


CEPS_LOAD = MarketSource(
    name="ceps_load",
    provider=CEPS,
    group=MarketGroup.GRID,
    description="Load of the Czech grid with and without pumping, per quarter of an hour.",
    feed=ceps_feed(
        requests=requests,
        answers=soap_form(_OPERATION),
        span=timedelta(days=1),
        overlap=timedelta(hours=3),
    ),
    parse=parse,
    rows=Load,
    key=("delivery_start",),
    event_time="delivery_start",
    expected_lag=timedelta(minutes=45),
    terms=TERMS,
)
