"""Weather forecast for the wind and the sun of Central Europe, as Open-Meteo publishes it.

A reply doesn't name its model run: a changed value is a revision, known from `received_at` on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats import open_meteo
from energy_platform.formats.open_meteo_sites import SITES
from energy_platform.market.quantity import Quantity
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import Instant, MarketRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_AHEAD = timedelta(days=3)


class WeatherForecast(MarketRows):
    """The forecast for one place and hour; sums and means are of the hour before."""

    site: str = pa.Field(description="Place, by our name or the coordinates of the model's cell")
    valid_at: Instant = pa.Field(description="Instant that the forecast is for")
    temperature_deg_c: float = pa.Field(ge=-90, le=60, nullable=True, description="At 2 m")
    relative_humidity_pct: float = pa.Field(ge=0, le=100, nullable=True, description="At 2 m")
    cloud_cover_pct: float = pa.Field(ge=0, le=100, nullable=True, description="Of the sky")
    precipitation_mm: float = pa.Field(ge=0, le=500, nullable=True, description="Rain and snow")
    wind_speed_10m_m_per_s: float = pa.Field(ge=0, le=150, nullable=True, description="At 10 m")
    wind_speed_80m_m_per_s: float = pa.Field(ge=0, le=150, nullable=True, description="At 80 m")
    wind_speed_120m_m_per_s: float = pa.Field(ge=0, le=150, nullable=True, description="At 120 m")
    wind_gusts_10m_m_per_s: float = pa.Field(ge=0, le=150, nullable=True, description="At 10 m")
    wind_direction_80m_deg: float = pa.Field(ge=0, le=360, nullable=True, description="Blows from")
    shortwave_radiation_w_per_m2: float = pa.Field(ge=-5, le=1600, nullable=True, description="All")
    direct_radiation_w_per_m2: float = pa.Field(ge=-5, le=1600, nullable=True, description="Beam")
    diffuse_radiation_w_per_m2: float = pa.Field(ge=-5, le=1600, nullable=True, description="Sky's")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for whole days, from the window's first day to three days after its end."""
    latitudes, longitudes = (",".join(map(str, each)) for each in zip(*SITES.values(), strict=True))
    days = {"start_date": f"{start:%Y-%m-%d}", "end_date": f"{end + _AHEAD:%Y-%m-%d}"}
    params = {"latitude": latitudes, "longitude": longitudes, **days, **open_meteo.QUESTION}
    return [RestRequest(url=open_meteo.FORECAST, params=params, context={"site": ",".join(SITES)})]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per place and hour with at least one value."""
    return open_meteo.hourly(message.body, message.context.get("site"))


OPEN_METEO_FORECAST = MarketSource(
    name="open_meteo_forecast",
    provider=open_meteo.OPEN_METEO,
    group=MarketGroup.WEATHER,
    description="Hourly weather forecast for places in and near Germany, new with each model run.",
    feed=RestFeed(
        provider=open_meteo.OPEN_METEO,
        requests=requests,
        every=timedelta(minutes=30),
        span=timedelta(hours=6),
        overlap=timedelta(hours=2),
        history_chunk=timedelta(days=14),
        is_answer=open_meteo.is_answer,
        answers=open_meteo.ANSWER,
        essence=open_meteo.essence,
    ),
    parse=parse,
    rows=WeatherForecast,
    key=("site", "valid_at"),
    vocabularies={"site": tuple(SITES)},
    event_time="valid_at",
    quantities=dict.fromkeys(open_meteo.RADIATION, Quantity.MEAN),
    expected_lag=timedelta(hours=5),
    terms="CC BY 4.0; free for non-commercial use only",
)
