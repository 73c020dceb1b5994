"""Day-ahead prices of Germany and its neighbours, per quarter-hour, as SMARD publishes them."""

from datetime import time, timedelta
from functools import partial

import pandera.polars as pa
import polars as pl

from energy_platform.errors import ParseError
from energy_platform.formats import smard
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._smard import smard_feed, weeks

_ZONES = {
    "4169": "DE-LU", "4170": "AT", "4996": "BE", "4997": "NO2", "252": "DK1", "253": "DK2",
    "254": "FR", "255": "IT-North", "256": "NL", "257": "PL", "259": "CH", "260": "SI",
    "261": "CZ", "262": "HU",
}  # fmt: skip
"""The bidding zone of each filter, without 5078, the mean of DE-LU's neighbours."""


class DayAheadPrice(DeliveryRows, lasting="PT15M PT60M"):
    """The price of one delivery period in one bidding zone."""

    bidding_zone: str = pa.Field(isin=[*_ZONES.values()], description="Bidding zone")
    price_eur_per_mwh: float = pa.Field(
        nullable=True, ge=-500, le=5_000, description="Day-ahead price; null where SMARD has none"
    )
    published_at: Instant = pa.Field(nullable=True, description="When the week was last written")


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per slot; before October 2025 four quarter-hours repeat their hour's price."""
    asked = smard.series_of(message.context)
    if asked["filter"] not in _ZONES:
        raise ParseError(f"filter {asked['filter']} is no bidding zone's price")
    return smard.slots(message.body, asked.get("resolution")).select(
        pl.exclude("value"),
        bidding_zone=pl.lit(_ZONES[asked["filter"]]),
        price_eur_per_mwh="value",
    )


SMARD_PRICE = MarketSource(
    name="smard_price",
    provider=smard.SMARD,
    group=MarketGroup.AUCTIONS,
    description="Day-ahead prices of Germany and its neighbours, in quarter-hours.",
    feed=smard_feed(requests=partial(weeks, _ZONES)),
    parse=parse,
    rows=DayAheadPrice,
    key=("bidding_zone", "delivery_start", "delivery_end"),
    event_time="delivery_start",
    revision="published_at",
    expected_lag=timedelta(hours=2),
    publication=DailyPublication(at=time(14), zone=smard.ZONE, days_ahead=1),
    terms=smard.TERMS,
    context={"filter": "4169", "region": "DE"},
)
