"""Wind, temperature and sun over Germany from the Met Office's global model, pushed by SNS."""

from datetime import timedelta
from typing import Final

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.grib import Area
from energy_platform.errors import ParseError
from energy_platform.feeds.sns.announced_files import ANNOUNCES
from energy_platform.feeds.sns.bucket_files import BucketFiles, WholeFile
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.formats import met_office
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

BUCKET: Final = "met-office-atmospheric-model-data"
GERMANY: Final = Area(north=55.5, west=5.5, south=47.0, east=15.5)
SPACING_DEGREES: Final = 0.5
FILES: Final = (
    *("wind_speed_at_10m", "wind_direction_at_10m", "wind_gust_at_10m"),
    *("temperature_at_screen_level", "radiation_flux_in_shortwave_total_downward_at_surface"),
)


class GlobalForecast(ForecastRows):
    """One parameter at one grid point; only the parameter's own column has a value."""

    latitude: float = pa.Field(ge=-90, le=90, description="Degrees north")
    longitude: float = pa.Field(ge=-180, le=180, description="Degrees east")
    height_m: float = pa.Field(ge=0, description="Height above ground; 0 at the surface")
    parameter: str = pa.Field(description="CF standard name")
    wind_speed_m_per_s: float = pa.Field(ge=0, le=120, nullable=True, description="Wind speed")
    gust_speed_m_per_s: float = pa.Field(ge=0, le=150, nullable=True, description="In gusts")
    wind_direction_deg: float = pa.Field(ge=0, le=360, nullable=True, description="Blows from")
    temperature_deg_c: float = pa.Field(ge=-90, le=60, nullable=True, description="Air temperature")
    shortwave_radiation_w_per_m2: float = pa.Field(
        ge=-5, le=1_500, nullable=True, description="Radiation of the sun, direct and diffuse"
    )


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Read one file; a message that only announces files has no row."""
    if reason := message.context.get("unreadable"):
        raise ParseError(f"what was announced could not be read: {reason}")
    if ANNOUNCES in message.context:
        return met_office.NO_POINTS
    return met_office.points(message.body, GERMANY, SPACING_DEGREES)


MET_OFFICE_FORECAST: Final = MarketSource(
    name="met_office_forecast",
    provider=met_office.MET_OFFICE,
    group=MarketGroup.WEATHER,
    description="The Met Office's global model over Germany, a grid point for each half degree.",
    feed=SnsEndpointFeed(
        topic_arns=(f"arn:aws:sns:eu-west-2:633885181284:{BUCKET}-object_created",),
        listen="http://127.0.0.1:8472/met_office",
        files=BucketFiles(
            bucket=BUCKET,
            region="eu-west-2",
            keys=tuple(f"global-deterministic-10km/*/*H00M-{name}.nc" for name in FILES),
            read=WholeFile(max_bytes=64 << 20, is_complete=met_office.is_whole),
            history_prefix="global-deterministic-10km/%Y%m%d",
        ),
        remembered=1_024,
    ),
    parse=parse,
    rows=GlobalForecast,
    key=("run_at", "valid_at", "latitude", "longitude", "height_m", "parameter"),
    event_time="valid_at",
    expected_lag=timedelta(hours=14),
    knowable=met_office.KNOWABLE,
    terms="CC BY-SA 4.0 (British Crown copyright, the Met Office)",
    hot_fields=("wind_speed_m_per_s", "temperature_deg_c", "shortwave_radiation_w_per_m2"),
)
