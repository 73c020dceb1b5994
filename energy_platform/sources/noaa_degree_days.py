"""Degree days of the United States by census division, from the FTP server of NOAA's CPC."""

from datetime import timedelta
from pathlib import PurePosixPath

import pandera.polars as pa
import polars as pl

from energy_platform.encodings.json_reply import number
from energy_platform.errors import ParseError
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

NOAA_CPC = Provider(name="NOAA CPC")

_FILES = ("Population.Heating.txt", "Population.Cooling.txt", "UtilityGas.Heating.txt")
_DIVISIONS = {
    "1": "New England", "2": "Middle Atlantic", "3": "East North Central",
    "4": "West North Central", "5": "South Atlantic", "6": "East South Central",
    "7": "West South Central", "8": "Mountain", "9": "Pacific", "CONUS": "CONUS",
}  # fmt: skip


class DegreeDays(DeliveryRows):
    """Degree days from 65 °F; the day is CPC's, set at midnight UTC."""

    weighting: str = pa.Field(description="Population, or UtilityGas: by gas customers")
    kind: str = pa.Field(description="Heating counts what is below 65 °F, Cooling what is above")
    region: str = pa.Field(isin=[*_DIVISIONS.values()], description="Census division, or CONUS")
    degree_days_f_d: float = pa.Field(ge=0, le=200, description="Degree days of the day")


def is_complete(body: bytes) -> bool:
    """Return whether a file's last line, CONUS, is there with a value for every day."""
    *lines, rest = body[max(body.find(b"Region|"), 0) :].split(b"\n")
    is_even = len({line.count(b"|") for line in lines}) == 1
    return is_even and lines[0][:7] == b"Region|" and lines[-1][:6] == b"CONUS|" and not rest


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per division and day with a value; the file's name says what it counts."""
    name = PurePosixPath(message.context.get("url", message.context.get("file_name", ""))).name
    if name not in _FILES or not is_complete(message.body):
        raise ParseError(f"{name!r} is no whole file of degree days by population or utility gas")
    weighting, kind, _ = name.split(".")
    lines = message.body[message.body.find(b"Region|") :]
    table = pl.read_csv(lines, separator="|", quote_char=None, infer_schema=False)
    start = pl.col("day").str.to_datetime("%Y%m%d", time_zone="UTC", time_unit="us", strict=False)
    days = table.unpivot(index="Region", variable_name="day").drop_nulls("value")
    return days.select(
        delivery_start=start,
        delivery_end=start + timedelta(days=1),
        weighting=pl.lit(weighting),
        kind=pl.lit(kind),
        region=pl.col("Region").replace(_DIVISIONS),
        degree_days_f_d=number(pl.col("value")),
    )


NOAA_DEGREE_DAYS = MarketSource(
    name="noaa_degree_days",
    provider=NOAA_CPC,
    group=MarketGroup.GAS,
    description="Heating and cooling degree days of the United States, by census division and day.",
    feed=FtpFeed(
        provider=NOAA_CPC, pattern="*ing.txt", is_current=lambda name, _now: name in _FILES,
        url="ftp://ftp.cpc.ncep.noaa.gov/htdocs/degree_days/weighted/daily_data/latest/",
        is_complete=is_complete, every=timedelta(minutes=30),
    ),
    parse=parse, rows=DegreeDays,
    key=("weighting", "kind", "region", "delivery_start"),
    vocabularies={"weighting": ("Population", "UtilityGas"), "kind": ("Heating", "Cooling")},
    event_time="delivery_start",
    expected_lag=timedelta(days=4),
    terms="Public domain; NOAA asks to be named",
)  # fmt: skip
