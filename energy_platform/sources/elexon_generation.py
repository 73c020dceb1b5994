"""Generation of Great Britain by fuel, every five minutes, as Elexon publishes it (FUELINST)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import elexon
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._elexon import elexon_feed

_URL = f"{elexon.BASE_URL}/datasets/FUELINST/stream"
_FUELS = (
    "BIOMASS", "CCGT", "COAL", "INTELEC", "INTEW", "INTFR", "INTGRNL", "INTIFA2", "INTIRL",
    "INTNED", "INTNEM", "INTNSL", "INTVKL", "NPSHYD", "NUCLEAR", "OCGT", "OIL", "OTHER", "PS",
    "WIND",
)  # fmt: skip


class GenerationByFuel(DeliveryRows, lasting="PT5M"):
    """The mean power of all units of one fuel, or of one interconnector, in five minutes."""

    fuel_type: str = pa.Field(description="Fuel or interconnector (INT...), as Elexon names it")
    generation_mw: float = pa.Field(
        in_range={"min_value": -20_000.0, "max_value": 60_000.0},
        description="Mean power; negative where pumped or exported",
    )
    published_at: Instant = pa.Field(description="When Elexon published it; the latest one holds")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for values published from `start` to the end of the half-hour of `end`."""
    params = elexon.window("publishDateTime", start, end, whole=timedelta(minutes=30))
    return [RestRequest(url=_URL, params=params)]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per fuel and interval."""
    return elexon.dataset(
        message.body,
        "FUELINST",
        delivery_start="startTime",
        fuel_type="fuelType",
        generation_mw="generation",
        published_at="publishTime",
    ).with_columns(delivery_end=pl.col("delivery_start") + timedelta(minutes=5))


ELEXON_GENERATION = MarketSource(
    name="elexon_generation",
    provider=elexon.ELEXON,
    group=MarketGroup.GRID,
    description="Generation of Great Britain by fuel, and what its interconnectors carry.",
    feed=elexon_feed(
        requests=requests,
        every=timedelta(minutes=1),
        span=timedelta(hours=6),
        overlap=timedelta(minutes=30),
        history_chunk=timedelta(hours=23),  # and half an hour at most: one may ask for a day
        newest=partial(elexon.newest_instant, name="FUELINST", field="publishTime"),
        answers=elexon.answers("fuelType"),
    ),
    parse=parse,
    rows=GenerationByFuel,
    key=("fuel_type", "delivery_start"),
    vocabularies={"fuel_type": _FUELS},
    event_time="delivery_start",
    expected_lag=timedelta(minutes=20),
    terms=elexon.TERMS,
    revision="published_at",
)
