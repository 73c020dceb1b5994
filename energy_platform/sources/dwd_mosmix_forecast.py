"""DWD's MOSMIX: the weather expected at stations, every hour for ten days, from FTP."""

from datetime import timedelta
from typing import Any, Final

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.ftp import FtpFeed
from energy_platform.formats.dwd_cdc import DWD
from energy_platform.formats.dwd_mosmix import STATIONS, STEPS, forecasts, is_whole
from energy_platform.market.publication import AfterRun
from energy_platform.market.quantity import Quantity
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message


def _within(lowest: float, highest: float) -> dict[str, Any]:
    return {"nullable": True, "in_range": {"min_value": lowest, "max_value": highest}}


class StationForecast(ForecastRows):
    """What one issue expects at one station; sums and gusts are of the hour before `valid_at`."""

    station_id: str = pa.Field(str_matches=r"^\w{3,8}$", description="DWD's station: WMO's or own")
    station_name: str = pa.Field(nullable=True, description="The station's name")
    station_latitude_deg: float = pa.Field(ge=-90, le=90, nullable=True, description="North")
    station_longitude_deg: float = pa.Field(ge=-180, le=180, nullable=True, description="East")
    station_height_m: float = pa.Field(nullable=True, description="Height above sea level")
    temperature_deg_c: float = pa.Field(**_within(-90, 60), description="TTT, 2 m above ground")
    dew_point_deg_c: float = pa.Field(**_within(-90, 60), description="Td, 2 m above ground")
    ground_temperature_deg_c: float = pa.Field(**_within(-90, 80), description="T5cm, minimum")
    wind_speed_m_per_s: float = pa.Field(**_within(0, 120), description="FF, 10 m above ground")
    gust_speed_m_per_s: float = pa.Field(**_within(0, 150), description="FX1, the hour's highest")
    wind_direction_deg: float = pa.Field(**_within(0, 360), description="DD, where it comes from")
    pressure_pa: float = pa.Field(**_within(85_000, 110_000), description="PPPP, at sea level")
    cloud_cover_pct: float = pa.Field(**_within(0, 100), description="N, total cloud cover")
    global_radiation_kj_per_m2: float = pa.Field(
        **_within(0, 6_000), description="Rad1h, sum of the radiation"
    )
    sunshine_s: float = pa.Field(**_within(0, 3_600), description="SunD1, of the hour")
    precipitation_kg_per_m2: float = pa.Field(**_within(0, 500), description="RR1c, sum")
    snow_kg_per_m2: float = pa.Field(**_within(0, 500), description="RRS1c, as water, sum")


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Read one KMZ, of one station or of all."""
    return forecasts(message.body)


DWD_MOSMIX_FORECAST: Final = MarketSource(
    name="dwd_mosmix_forecast",
    provider=DWD,
    group=MarketGroup.WEATHER,
    description="Wind, sun, temperature and more at sixty German stations, ten days ahead, hourly.",
    feed=FtpFeed(
        provider=DWD,
        url="ftp://opendata.dwd.de/weather/local_forecasts/mos/MOSMIX_L/single_stations/",
        folders=tuple(f"{station}/kml/" for station in STATIONS),
        pattern="MOSMIX_L_LATEST_*.kmz",
        is_complete=is_whole,
        every=timedelta(minutes=10),
    ),
    parse=parse,
    rows=StationForecast,
    key=("run_at", "valid_at", "station_id"),
    event_time="valid_at",
    quantities={"sunshine_s": Quantity.AMOUNT, "ground_temperature_deg_c": Quantity.MINIMUM},
    expected_lag=timedelta(hours=8),
    knowable=(AfterRun(timedelta(hours=2)),),
    whole_run=len(STATIONS) * STEPS,
    terms="CC BY 4.0 (Deutscher Wetterdienst)",
    hot_fields=("temperature_deg_c", "wind_speed_m_per_s", "global_radiation_kj_per_m2"),
)
