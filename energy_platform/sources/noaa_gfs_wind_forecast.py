"""Wind over Germany from NOAA's GFS; a payload covers the globe, and one area of it is kept."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.encodings import grib
from energy_platform.errors import ParseError
from energy_platform.feeds.sns.grib_ranges import GribRanges
from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.market.provider import Provider
from energy_platform.market.publication import AfterRun
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

GERMANY = "55.5/5.5/47/15.5"
LEVELS = ("10 m above ground", "80 m above ground", "100 m above ground")
PRECISION = 6  # decimals: finer than GRIB packs, coarser than the noise of unpacking


class GfsWindRows(ForecastRows):
    """One row per run, valid instant, grid point and height; null if a component is missing."""

    latitude: float = pa.Field(ge=-90, le=90, description="Degrees north")
    longitude: float = pa.Field(ge=-180, le=180, description="Degrees east")
    height_m: float = pa.Field(gt=0, description="Height above ground")
    wind_u_m_per_s: float = pa.Field(ge=-150, le=150, nullable=True, description="To the east")
    wind_v_m_per_s: float = pa.Field(ge=-150, le=150, nullable=True, description="To the north")
    wind_speed_m_per_s: float = pa.Field(ge=0, nullable=True, description="Wind speed")
    wind_direction_deg: float = pa.Field(ge=0, lt=360, nullable=True, description="Blows from")


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per grid point, height and valid instant, with both wind components."""
    if reason := message.context.get("unreadable"):
        raise ParseError(f"the file that this event announces could not be read: {reason}")
    area = grib.Area.read(message.context.get("area", GERMANY))
    fields = grib.fields(message.body, ("u", "v"), area=area)
    above_ground = fields.filter(type_of_level="heightAboveGround")
    if above_ground.is_empty():
        raise ParseError("its winds are not above ground")
    u, v = pl.col("u").round(PRECISION), pl.col("v").round(PRECISION)
    direction = pl.arctan2(-u, -v).degrees().round(2) % 360
    return above_ground.select(
        *("run_at", "valid_at", "latitude", "longitude"),
        height_m="level",
        wind_u_m_per_s=u,
        wind_v_m_per_s=v,
        wind_speed_m_per_s=(u * u + v * v).sqrt().round(3),
        wind_direction_deg=pl.when((u != 0) | (v != 0)).then(direction),
    )


NOAA_GFS_WIND_FORECAST = MarketSource(
    name="noaa_gfs_wind_forecast",
    provider=Provider(name="NOAA"),
    group=MarketGroup.WEATHER,
    description="Wind over Germany at hub heights, from the GFS weather model on its 0.25° grid.",
    feed=SnsQueueFeed(
        topic_arn="arn:aws:sns:us-east-1:123901341784:NewGFSObject",
        queue_variable="NOAA_GFS_QUEUE_URL",
        bucket="noaa-gfs-bdp-pds",
        keys="gfs.*/atmos/gfs.t??z.pgrb2.0p25.f???",
        read=GribRanges(variables=("UGRD", "VGRD"), levels=LEVELS),
        history_prefix="gfs.%Y%m%d/",
    ),
    parse=parse,
    rows=GfsWindRows,
    key=("run_at", "valid_at", "latitude", "longitude", "height_m"),
    event_time="valid_at",
    expected_lag=timedelta(hours=8),
    knowable=(AfterRun(timedelta(hours=5)),),
    terms="Public domain (NOAA Open Data Dissemination)",
    hot_fields=("wind_speed_m_per_s", "wind_direction_deg"),
    required_environment=("NOAA_GFS_QUEUE_URL",),
)
