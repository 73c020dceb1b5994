"""Unavailabilities of Europe's power plants, as ENTSO-E publishes them (15.1.A to D)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats.entsoe import ENTSOE, TERMS, outages, window
from energy_platform.formats.entsoe.codes import AREAS, OUTAGE_AREAS
from energy_platform.market.rows import DeliveryRows, Instant
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.market.whole_list import WholeList
from energy_platform.sources._entsoe import PER_TYPE, TOKEN, URL, entsoe_feed, next_page

# The platform sends withdrawn outages only if asked for them.
_ASKED = [{"documentType": k, **s} for k in ("A77", "A80") for s in ({}, {"DocStatus": "A13"})]


class Outage(DeliveryRows, lasting="any"):
    """One stretch of one revision of an outage; the outage's highest revision counts."""

    outage_id: str = pa.Field(description="Name (mRID) of the outage, the same in all revisions")
    revision_number: int = pa.Field(ge=1, description="A higher one replaces the outage as a whole")
    time_series: str = pa.Field(description="Number of the series within the document")
    unit_kind: str = pa.Field(description="production unit (A77), or generation unit (A80)")
    status: str = pa.Field(description="Active, Cancelled or Withdrawn")
    outage_type: str = pa.Field(nullable=True, description="Planned maintenance, Unplanned outage")
    bidding_zone: str = pa.Field(description="Bidding zone or control area")
    production_type: str = pa.Field(nullable=True, description="Production type of the unit")
    unit_eic: str = pa.Field(nullable=True, description="EIC code of the unit")
    unit_name: str = pa.Field(nullable=True, description="Name of the unit")
    location: str = pa.Field(nullable=True, description="Where the unit is")
    nominal_mw: float = pa.Field(ge=0, le=20_000, nullable=True, description="Installed capacity")
    available_mw: float = pa.Field(ge=0, le=20_000, nullable=True, description="What is left of it")
    reason_code: str = pa.Field(nullable=True, description="Code of the reason, e.g. B19")
    reason_text: str = pa.Field(nullable=True, description="Reason in words")
    published_at: Instant = pa.Field(description="When this revision was made")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for outages that changed in the window, per area and kind, and for withdrawn ones."""
    since, until = window(start, end).values()
    changed = {"PeriodStartUpdate": since, "PeriodEndUpdate": until, "offset": "0"}
    return [
        RestRequest(url=URL, params={**kind, "BiddingZone_Domain": AREAS[zone], **changed})
        for kind in _ASKED
        for zone in OUTAGE_AREAS
    ]


ENTSOE_OUTAGE = MarketSource(
    name="entsoe_outage",
    provider=ENTSOE,
    group=MarketGroup.GRID,
    description="Unavailabilities of power plants: each revision of each outage, by stretches.",
    feed=entsoe_feed(
        requests=requests,
        following=next_page,
        answers=outages.ANSWER,
        essence=outages.essence,
        every=timedelta(minutes=15),
        span=timedelta(days=2),
        overlap=timedelta(hours=1),
        history_chunk=timedelta(days=1),
    ),
    parse=outages.outages,
    rows=Outage,
    key=("outage_id", "revision_number", "time_series", "delivery_start"),
    whole_list=WholeList(name={"outage_id": pl.col("outage_id")}, number="revision_number"),
    vocabularies={**PER_TYPE, "bidding_zone": OUTAGE_AREAS},
    event_time="delivery_start",
    expected_lag=timedelta(hours=12),
    terms=TERMS,
    hot_tags=("outage_id",),
    optional_fields=("docStatus",),
    required_environment=(TOKEN,),
)
