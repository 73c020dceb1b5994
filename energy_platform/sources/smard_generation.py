"""Generation in Germany by type of production, per quarter-hour, as SMARD publishes it."""

from datetime import timedelta
from functools import partial

import pandera.polars as pa
import polars as pl

from energy_platform.errors import ParseError
from energy_platform.formats import smard
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._smard import smard_feed, weeks

_TYPES = {
    "1223": "lignite", "1224": "nuclear", "1225": "wind offshore", "1226": "hydro",
    "1227": "other conventional", "1228": "other renewable", "4066": "biomass",
    "4067": "wind onshore", "4068": "photovoltaics", "4069": "hard coal",
    "4070": "pumped storage", "4071": "gas",
}  # fmt: skip


class Generation(DeliveryRows, lasting="PT15M PT60M"):
    """The power that one type of production fed in during one slot."""

    region: str = pa.Field(description="Country or control area, as SMARD names it")
    production_type: str = pa.Field(isin=[*_TYPES.values()], description="Type of production")
    generation_mwh: float = pa.Field(
        nullable=True, ge=-1e3, le=15e4, description="Energy fed in; null where SMARD has none"
    )
    published_at: Instant = pa.Field(nullable=True, description="When the week was last written")


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per slot; the file's name says what it is of."""
    asked = smard.series_of(message.context)
    if asked["filter"] not in _TYPES:
        raise ParseError(f"filter {asked['filter']} is no type of production")
    return smard.slots(message.body, asked.get("resolution")).select(
        pl.exclude("value"),
        region=pl.lit(asked["region"]),
        production_type=pl.lit(_TYPES[asked["filter"]]),
        generation_mwh="value",
    )


SMARD_GENERATION = MarketSource(
    name="smard_generation",
    provider=smard.SMARD,
    group=MarketGroup.GRID,
    description="Generation in Germany by type of production, in quarter-hours.",
    feed=smard_feed(requests=partial(weeks, _TYPES)),
    parse=parse,
    rows=Generation,
    key=("region", "production_type", "delivery_start", "delivery_end"),
    vocabularies={"region": ("DE",)},
    event_time="delivery_start",
    revision="published_at",
    expected_lag=timedelta(hours=3),
    terms=smard.TERMS,
    context={"filter": "1223", "region": "DE"},
)
