"""NOAA GFS: wind at 10, 80 and 100 m over Germany, from each 0.25° forecast file as it appears.

A raw message holds every selected GRIB message of one file. It is global as it lands (about 6 MB
a file); the parser keeps the area in its context.
"""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from energy_platform.errors import ParseError
from energy_platform.feeds.grib_ranges import GribRanges
from energy_platform.feeds.sns_queue import SnsQueueFeed
from energy_platform.formats import grib
from energy_platform.market_rows import ForecastRows
from energy_platform.market_source import MarketGroup, MarketSource, each_message
from energy_platform.raw_message import RawMessage

GERMANY = "55.5/5.5/47/15.5"
HEIGHTS_M = (10, 80, 100)


class GfsWindRows(ForecastRows):
    """One row per run, valid instant, grid point and height."""

    latitude: float = pa.Field(ge=-90, le=90, description="Grid point's latitude, degrees north")
    longitude: float = pa.Field(ge=-180, le=180, description="Grid point's longitude, degrees east")
    height_m: float = pa.Field(gt=0, description="Height above ground")
    wind_u_m_per_s: float = pa.Field(
        ge=-150, le=150, nullable=True, description="Wind towards the east"
    )
    wind_v_m_per_s: float = pa.Field(
        ge=-150, le=150, nullable=True, description="Wind towards the north"
    )
    wind_speed_m_per_s: float = pa.Field(
        ge=0, nullable=True, description="Wind speed; null unless both components are known"
    )
    wind_direction_deg: float = pa.Field(
        ge=0, lt=360, nullable=True, description="Where the wind blows from, clockwise from north"
    )


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Give one row per grid point, height and valid instant, with both wind components."""
    if reason := message.context.get("unreadable"):
        raise ParseError(f"the file that this event announced could not be fetched: {reason}")
    area = grib.Area.read(message.context.get("area", GERMANY))
    fields = grib.fields(message.body, area=area).filter(type_of_level="heightAboveGround")
    if not {"u", "v"} & set(fields.columns):
        raise ParseError("no wind component above ground in it")
    missing = [pl.lit(None, pl.Float64).alias(name) for name in "uv" if name not in fields.columns]
    u, v = pl.col("u"), pl.col("v")
    calm = (u == 0) & (v == 0)
    direction = pl.when(~calm).then(pl.arctan2(-u, -v).degrees().round(2) % 360)
    return fields.with_columns(missing).select(
        "run_at",
        "valid_at",
        "latitude",
        "longitude",
        height_m="level",
        wind_u_m_per_s=u,
        wind_v_m_per_s=v,
        wind_speed_m_per_s=(u * u + v * v).sqrt().round(3),
        wind_direction_deg=direction,
    )


NOAA_GFS_WIND_FORECAST = MarketSource(
    name="noaa_gfs_wind_forecast",
    provider="NOAA",
    group=MarketGroup.WEATHER,
    description="Wind over Germany from the GFS weather model at hub heights, on its 0.25° grid.",
    feed=SnsQueueFeed(
        topic_arn="arn:aws:sns:us-east-1:123901341784:NewGFSObject",
        queue_variable="NOAA_GFS_QUEUE_URL",
        bucket="noaa-gfs-bdp-pds",
        keys="gfs.*/atmos/gfs.t??z.pgrb2.0p25.f???",
        read=GribRanges(
            variables=("UGRD", "VGRD"), levels=tuple(f"{m} m above ground" for m in HEIGHTS_M)
        ),
    ),
    parse=parse,
    rows=GfsWindRows,
    key=("run_at", "valid_at", "latitude", "longitude", "height_m"),
    event_time="valid_at",
    expected_lag=timedelta(hours=8),
    terms="Public domain (NOAA Open Data Dissemination)",
    hot_fields=("wind_speed_m_per_s", "wind_direction_deg"),
    context={"area": GERMANY},
    required_environment=("NOAA_GFS_QUEUE_URL",),
)
