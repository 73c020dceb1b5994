"""Grid frequency of continental Europe, one value a second, as Energy-Charts publishes it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats.energy_charts import ENERGY_CHARTS, answers, newest_instant, series
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketGroup, MarketSource

_URL = "https://api.energy-charts.info/frequency"
_REGION = "DE-Freiburg"
_HOUR_SECONDS = 3600


class GridFrequency(InstantRows):
    """One measurement of the grid's frequency."""

    region: str = pa.Field(description="Where it was measured")
    frequency_hz: float = pa.Field(
        in_range={"min_value": 45.0, "max_value": 55.0}, description="Grid frequency"
    )


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for the seconds from `start` to the end of the hour of `end`.

    The end is a whole hour so that the question stays the same until there can be a new answer.
    """
    first, last = int(start.timestamp()), int(end.timestamp())
    until = last + -last % _HOUR_SECONDS
    return [
        RestRequest(url=_URL, params={"region": _REGION, "start": f"{first}", "end": f"{until}"})
    ]


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per second; the question names the region."""
    regions = {message.landing_offset: message.asked("region") for message in messages}
    return series(messages, "data").select(
        "landing_offset",
        observed_at="instant",
        region=pl.col("landing_offset").replace_strict(regions, return_dtype=pl.String),
        frequency_hz="value",
    )


ENERGY_CHARTS_FREQUENCY = MarketSource(
    name="energy_charts_frequency",
    provider=ENERGY_CHARTS,
    group=MarketGroup.GRID,
    description="Frequency of the continental European grid, measured once a second in Freiburg.",
    feed=RestFeed(
        provider=ENERGY_CHARTS,
        requests=requests,
        every=timedelta(seconds=2),
        span=timedelta(hours=1),
        overlap=timedelta(seconds=10),
        history_chunk=timedelta(days=1),
        answers=answers("data"),
        newest=partial(newest_instant, column="data"),
    ),
    parse=parse,
    rows=GridFrequency,
    key=("region", "observed_at"),
    vocabularies={"region": (_REGION,)},
    event_time="observed_at",
    expected_lag=timedelta(minutes=1),
    terms="CC BY 4.0, Fraunhofer ISE, Energy-Charts",
    context={"region": _REGION},
)
