"""Grid frequency of Great Britain, one value every 15 seconds, as Elexon publishes it (FREQ)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestRequest
from energy_platform.formats import elexon
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message
from energy_platform.sources._elexon import elexon_feed

_URL = f"{elexon.BASE_URL}/datasets/FREQ/stream"


class GridFrequency(InstantRows):
    """One measurement of the grid's frequency."""

    frequency_hz: float = pa.Field(
        in_range={"min_value": 45.0, "max_value": 55.0}, description="Grid frequency"
    )


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the samples from `start` to the end of the hour of `end`."""
    params = elexon.window("measurementDateTime", start, end, whole=timedelta(hours=1))
    return [RestRequest(url=_URL, params=params)]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per sample."""
    return elexon.dataset(
        message.body, "FREQ", observed_at="measurementTime", frequency_hz="frequency"
    )


ELEXON_FREQUENCY = MarketSource(
    name="elexon_frequency",
    provider=elexon.ELEXON,
    group=MarketGroup.GRID,
    description="Frequency of Great Britain's grid, four samples a minute.",
    feed=elexon_feed(
        requests=requests,
        every=timedelta(seconds=30),
        span=timedelta(hours=1),
        overlap=timedelta(minutes=10),
        history_chunk=timedelta(days=1),
        newest=partial(elexon.newest_instant, name="FREQ", field="measurementTime"),
        answers=elexon.answers("measurementTime"),
    ),
    parse=parse,
    rows=GridFrequency,
    key=("observed_at",),
    event_time="observed_at",
    expected_lag=timedelta(minutes=10),
    terms=elexon.TERMS,
)
