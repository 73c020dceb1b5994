"""Wind at DWD's stations: ten-minute means from FTP; hourly means and extremes by hand."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.ftp import FtpArchive, FtpFeed
from energy_platform.formats.dwd_cdc import DWD, WIND_PRODUCTS, is_whole, observations
from energy_platform.market.quantity import Quantity
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketGroup, MarketSource

_FOLDER: Final = (
    "ftp://opendata.dwd.de/climate_environment/CDC/observations_germany/climate/10_minutes/wind/"
)
_SPEED: Final[dict[str, Any]] = {"nullable": True, "in_range": {"min_value": 0, "max_value": 110}}
_BEARING: Final[dict[str, Any]] = {"nullable": True, "in_range": {"min_value": 0, "max_value": 360}}


class WindObservations(InstantRows):
    """One product's values of one station; `observed_at` ends the interval."""

    station_id: str = pa.Field(str_matches=r"^\d{5}$", description="DWD's station, five digits")
    product: str = pa.Field(description="Resolution and kind, as DWD's folders are named")
    quality_level: int = pa.Field(ge=0, description="QN: 1 as received, up to 10 fully checked")
    wind_speed_m_per_s: float = pa.Field(**_SPEED, description="Mean wind speed")
    wind_direction_deg: float = pa.Field(**_BEARING, description="Where the wind comes from")
    gust_speed_m_per_s: float = pa.Field(**_SPEED, description="Highest gust")
    lowest_mean_speed_m_per_s: float = pa.Field(**_SPEED, description="Lowest mean wind speed")
    highest_mean_speed_m_per_s: float = pa.Field(**_SPEED, description="Highest mean wind speed")
    gust_direction_deg: float = pa.Field(**_BEARING, description="Direction of the gust")


def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read archives; a later file's values supersede an earlier one's."""
    return observations(messages, WIND_PRODUCTS)


DWD_WIND_OBSERVATION: Final = MarketSource(
    name="dwd_wind_observation",
    provider=DWD,
    group=MarketGroup.WEATHER,
    description="Ten-minute wind at DWD's stations in Germany, about half an hour after the fact.",
    feed=FtpFeed(
        provider=DWD,
        url=f"{_FOLDER}now/",
        pattern="10minutenwerte_wind_*_now.zip",
        is_complete=is_whole,
        every=timedelta(seconds=30),
        archives=(
            FtpArchive(
                url=f"{_FOLDER}recent/",
                names=r"10minutenwerte_wind_\d{5}_akt\.zip",
                reaches_back=timedelta(days=500),
            ),
            FtpArchive(
                url=f"{_FOLDER}historical/",
                names=r"10minutenwerte_wind_\d{5}_(?P<first>\d{8})_(?P<last>\d{8})_hist\.zip",
            ),
        ),
    ),
    parse=parse,
    rows=WindObservations,
    key=("station_id", "observed_at", "product"),
    vocabularies={"product": tuple(one.name for one in WIND_PRODUCTS)},
    event_time="observed_at",
    quantities={"wind_speed_m_per_s": Quantity.MEAN},
    expected_lag=timedelta(hours=1),
    terms="CC BY 4.0 (Deutscher Wetterdienst)",
)
