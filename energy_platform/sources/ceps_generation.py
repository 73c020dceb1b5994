"""Generation of the Czech grid by type of plant, as ČEPS measures it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.answer_forms import soap_form
from energy_platform.feeds.soap import SoapRequest
from energy_platform.formats.ceps import CEPS, series, window
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._ceps import TERMS, ceps_feed

_OPERATION = "Generation"
_HOW = {"agregation": "QH", "function": "AVG", "version": "RT", "para1": "all"}
_TYPES = {
    "thermal": ("TPP", "PE"),
    "combined_cycle_gas": ("CCGT", "PPE"),
    "nuclear": ("NPP", "JE"),
    "hydro": ("HPP", "VE"),
    "pumped_storage": ("PsPP", "PVE"),
    "alternative": ("AltPP", "AE"),
    "autoproducer": ("ApPP", "ZE"),
    "wind": ("WPP", "VTE"),
    "solar": ("PVPP", "FVE"),
}
_TYPE_OF = {name.casefold(): plant for plant, names in _TYPES.items() for name in names}


class Generation(DeliveryRows, lasting="PT15M"):
    """The mean generation of one type of plant in one quarter of an hour."""

    production_type: str = pa.Field(
        description="Type of plant; one that we don't know is named as ČEPS names it"
    )
    generation_mw: float = pa.Field(ge=-5_000, le=30_000, description="Mean generation")


def requests(start: datetime, end: datetime) -> Sequence[SoapRequest]:
    """Ask for the quarter-hours of the window, all types of plant."""
    return [SoapRequest(operation=_OPERATION, parameters={**window(start, end), **_HOW})]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per quarter of an hour and type of plant that has a value there."""
    found = series(message.body, _OPERATION)
    named = found.rename(lambda name: _TYPE_OF.get(name.casefold(), name))
    by_type = named.unpivot(
        index=("delivery_start", "delivery_end", "refused"),
        variable_name="production_type",
        value_name="generation_mw",
    ).filter(pl.col("generation_mw").is_not_null())
    return pl.concat([by_type, found.select("refused").drop_nulls()], how="diagonal")


CEPS_GENERATION = MarketSource(
    name="ceps_generation",
    provider=CEPS,
    group=MarketGroup.GRID,
    description="Generation of the Czech grid by type of plant, per quarter of an hour.",
    feed=ceps_feed(
        requests=requests,
        answers=soap_form(_OPERATION),
        span=timedelta(days=1),
        overlap=timedelta(hours=3),
    ),
    parse=parse,
    rows=Generation,
    key=("production_type", "delivery_start"),
    vocabularies={"production_type": tuple(_TYPES)},
    event_time="delivery_start",
    expected_lag=timedelta(minutes=45),
    terms=TERMS,
)
