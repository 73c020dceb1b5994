"""MOSMIX point forecasts: four issues a day, one KMZ per station, overwritten in place.

An issue appears an hour and a half after its time; its rows are journalled just before. Its values
are a function of its time, the station and the step, so a restart writes the same files again.
"""

import asyncio
import io
import zipfile
from collections import Counter
from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from energy_platform.market.instants import INSTANT
from simulator import ftp_server
from simulator.faults import FaultKind
from simulator.world import World

SOURCE: Final = "dwd_mosmix_forecast"
FOLDER: Final = "weather/local_forecasts/mos/MOSMIX_L/single_stations"

_NUMBERS: Final = """
10015 10020 10035 10038 10046 10055 10091 10113 10129 10131 10147 10156
10162 10170 10184 10200 10224 10235 10264 10270 10291 10315 10338 10348
10361 10379 10382 10385 10393 10400 10410 10427 10438 10444 10453 10469
10488 10496 10499 10501 10513 10532 10548 10554 10578 10609 10616 10637
10655 10675 10685 10708 10729 10738 10763 10776 10803 10852 10870 10961
"""
STATIONS: Final = tuple(_NUMBERS.split())
"""The stations that have files, by WMO's numbers; block 10 is Germany's."""

_STEPS: Final = 247
_ISSUED_EVERY: Final = timedelta(hours=6)
_FIRST_ISSUE: Final = datetime(1970, 1, 1, 3, tzinfo=UTC)
_APPEARS_AFTER: Final = timedelta(minutes=90)
_NEVER_A_STATION: Final = "99999"
_BAD_WIND_M_PER_S: Final = 999.0
_KELVIN: Final = 273.15
_MISSING_CODE: Final = "-"
_PER_LINE: Final = "{:>11}"


class _Weather(NamedTuple):
    """How one element behaves; values are bounded and rounded to `step`."""

    column: str
    mean: float
    daily: float
    noise: float
    lowest: float = -np.inf
    highest: float = np.inf
    step: float = 0.01


_ELEMENTS: Final = {
    "PPPP": _Weather("pressure_pa", 101_300, 0, 2_500, step=10),
    "TTT": _Weather("temperature_deg_c", 283, 5, 12, step=0.1),
    "Td": _Weather("dew_point_deg_c", 279, 1, 9, step=0.1),
    "T5cm": _Weather("ground_temperature_deg_c", 281, 6, 14, step=0.1),
    "DD": _Weather("wind_direction_deg", 200, 0, 190, lowest=0, highest=360, step=1),
    "FF": _Weather("wind_speed_m_per_s", 4.5, 1, 5, lowest=0),
    "FX1": _Weather("gust_speed_m_per_s", 8, 2, 8, lowest=0),
    "N": _Weather("cloud_cover_pct", 60, 0, 90, lowest=0, highest=100, step=1),
    "Rad1h": _Weather("global_radiation_kj_per_m2", 300, 900, 600, lowest=0, step=10),
    "SunD1": _Weather("sunshine_s", 200, 1_500, 1_500, lowest=0, highest=3_600, step=60),
    "RR1c": _Weather("precipitation_kg_per_m2", -1, 0, 3, lowest=0, step=0.1),
    "RRS1c": _Weather("snow_kg_per_m2", -3, 0, 3.5, lowest=0, step=0.1),
    "VV": _Weather("", 20_000, 0, 15_000, lowest=100, step=100),
}
"""In DWD's order; visibility is there so that a reader must choose."""


def folders(stations: Sequence[str]) -> list[str]:
    """Return where the files of these stations lie."""
    return [f"{FOLDER}/{station}/kml" for station in stations]


def newest_issue(now: datetime) -> datetime:
    """Return the time of the newest issue that has appeared."""
    appeared = now - _APPEARS_AFTER - _FIRST_ISSUE
    return _FIRST_ISSUE + appeared // _ISSUED_EVERY * _ISSUED_EVERY


def forecast(world: World, station: str, issued: datetime) -> pl.DataFrame:
    """Return one issue for one station: `valid_at`, and a column per element in DWD's units.

    A later issue forecasts the same hour a little better, so its values differ. The radiation of
    the first step is missing.
    """
    hours = np.arange(1, _STEPS + 1, dtype=np.float64)
    seconds = issued.timestamp() + 3_600.0 * hours
    doubt = 0.02 * np.sin(issued.timestamp() / 21_600 + hours)
    columns = {}
    for name, one in _ELEMENTS.items():
        signal = world.signal(
            f"mosmix {name} {station}", mean=one.mean, daily=one.daily, noise=one.noise
        )
        values = signal.at(seconds) + doubt * (abs(one.mean - signal.mean) + one.noise)
        steps = np.round(np.clip(values, one.lowest, one.highest) / one.step)
        columns[name] = np.round(steps * one.step, 2) + 0.0
    valid_at = pl.Series((seconds * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    shown = pl.DataFrame({"valid_at": valid_at.dt.replace_time_zone("UTC"), **columns})
    first = pl.int_range(pl.len()) == 0
    return shown.with_columns(pl.when(~first).then("Rad1h").alias("Rad1h"))


def kmz(station: str, issued: datetime, shown: pl.DataFrame) -> bytes:
    """Return the file of a station's forecast."""
    steps = "".join(
        f"                    <dwd:TimeStep>{text}</dwd:TimeStep>\n"
        for text in shown["valid_at"].dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    )
    forecasts = "".join(
        f'                <dwd:Forecast dwd:elementName="{name}">\n'
        f"                    <dwd:value>{_values(shown[name])}</dwd:value>\n"
        "                </dwd:Forecast>\n"
        for name in shown.columns[1:]
    )
    latitude, longitude, height = place(station)
    document = _DOCUMENT.format(
        issued=f"{issued:%Y-%m-%dT%H:%M:%S}.000Z",
        model=f"{issued - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}",
        steps=steps,
        station=station,
        name=place_name(station),
        forecasts=forecasts,
        coordinates=f"{longitude},{latitude},{height}",
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        name = f"MOSMIX_L_{issued:%Y%m%d%H}_{station}.kml"
        opened.writestr(name, document.encode("iso-8859-1"))
    return buffer.getvalue()


def table_rows(station: str, issued: datetime, shown: pl.DataFrame) -> pl.DataFrame:
    """Return the same in the columns of the source's table."""
    latitude, longitude, height = place(station)
    kelvin = [name for name in ("TTT", "Td", "T5cm") if name in shown.columns]
    celsius = shown.with_columns((pl.col(kelvin) - _KELVIN).round(2))
    return celsius.select(
        pl.lit(issued, dtype=INSTANT).alias("run_at"),
        "valid_at",
        pl.lit(station).alias("station_id"),
        pl.lit(place_name(station)).alias("station_name"),
        pl.lit(latitude).alias("station_latitude_deg"),
        pl.lit(longitude).alias("station_longitude_deg"),
        pl.lit(height).alias("station_height_m"),
        *(pl.col(name).alias(one.column) for name, one in _ELEMENTS.items() if one.column),
    )


def place(station: str) -> tuple[float, float, float]:
    """Return where a station is: latitude, longitude, height. WMO's numbers run from the north."""
    number = int(station)
    latitude = round(55.0 - (number - 10_000) / 1_000 * 7.7, 2)
    return latitude, round(6.0 + number * 7 % 88 / 10, 2), float(number * 13 % 800)


def place_name(station: str) -> str:
    """Return a station's name, with a letter that needs Latin-1."""
    return f"MÜHLE {station}"


async def publish(world: World, root: Path, stations: Sequence[str]) -> datetime:
    """Write the files of the newest issue below `root`, and return its time."""
    issued = newest_issue(world.clock.now())
    folder = root / FOLDER
    appeared = issued + _APPEARS_AFTER
    last = world.journal.last_market_at(SOURCE)
    is_new = last is None or last < appeared
    spoiled = _to_spoil(world, stations) if is_new else _spoiled(world, stations, appeared)
    files, rows = await asyncio.to_thread(_issue, world, stations, issued, spoiled)
    if stations and is_new:
        world.journal.emit(SOURCE, appeared, rows.to_dicts())
    for station, content in files.items():
        await ftp_server.publish(world, SOURCE, _file(folder, station), content, appeared)
    return issued


async def publish_for_ever(
    world: World, root: Path, stations: Sequence[str], issued: datetime
) -> None:
    """Write the files of each issue that comes after the last published one."""
    while stations:
        await _until_next(world, root / FOLDER / stations[0] / "kml", issued)
        issued = await publish(world, root, stations)


async def _until_next(world: World, folder: Path, issued: datetime) -> None:
    """Wait for the next issue; publish a malformed file meanwhile if a fault asks for one."""
    due = issued + _ISSUED_EVERY + _APPEARS_AFTER
    while (now := world.clock.now()) < due or world.clock.frozen_at is not None:
        if world.faults.take(SOURCE, FaultKind.MALFORMED):
            ftp_server.put(folder / f"MOSMIX_L_LATEST_{_NEVER_A_STATION}.kmz", b"no KMZ", now)
        await world.clock.sleep_until(min(due, now + timedelta(seconds=world.clock.speed)))


def _to_spoil(world: World, stations: Sequence[str]) -> set[str]:
    """Return the stations whose file is to have a bad row."""
    return {one for one in stations if world.faults.take(SOURCE, FaultKind.BAD_ROW)}


def _spoiled(world: World, stations: Sequence[str], appeared: datetime) -> set[str]:
    """Return the stations whose file had a bad row, for the journal has only its good ones."""
    good = Counter(row["station_id"] for row in world.journal.rows_at(SOURCE, appeared))
    return {one for one in stations if 0 < good[one] < _STEPS}


def _issue(
    world: World, stations: Sequence[str], issued: datetime, spoiled: Container[str]
) -> tuple[dict[str, bytes], pl.DataFrame]:
    """Return all files of an issue and the good rows in them."""
    files, rows = {}, []
    for station in stations:
        shown = forecast(world, station, issued)
        good = shown
        if station in spoiled:
            last = pl.int_range(pl.len()) == pl.len() - 1
            bad = pl.when(last).then(_BAD_WIND_M_PER_S).otherwise("FF").alias("FF")
            shown, good = shown.with_columns(bad), shown.filter(~last)
        files[station] = kmz(station, issued, shown)
        rows.append(table_rows(station, issued, good))
    return files, pl.concat(rows) if rows else pl.DataFrame()


def _file(folder: Path, station: str) -> Path:
    return folder / station / "kml" / f"MOSMIX_L_LATEST_{station}.kmz"


def _values(column: pl.Series) -> str:
    texts = (_MISSING_CODE if value is None else f"{value:.2f}" for value in column)
    return "".join(_PER_LINE.format(text) for text in texts) + " "


_DOCUMENT: Final = """<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>
<kml:kml xmlns:dwd="https://opendata.dwd.de/weather/lib/pointforecast_dwd_extension_V1_0.xsd" \
xmlns:gx="http://www.google.com/kml/ext/2.2" \
xmlns:xal="urn:oasis:names:tc:ciq:xsdschema:xAL:2.0" \
xmlns:kml="http://www.opengis.net/kml/2.2" xmlns:atom="http://www.w3.org/2005/Atom">
    <kml:Document>
        <kml:ExtendedData>
            <dwd:ProductDefinition>
                <dwd:Issuer>Deutscher Wetterdienst</dwd:Issuer>
                <dwd:ProductID>MOSMIX</dwd:ProductID>
                <dwd:GeneratingProcess>DWD MOSMIX hourly, Version 1.0</dwd:GeneratingProcess>
                <dwd:IssueTime>{issued}</dwd:IssueTime>
                <dwd:ReferencedModel>
                    <dwd:Model dwd:name="ICON" dwd:referenceTime="{model}"/>
                    <dwd:Model dwd:name="ECMWF/IFS" dwd:referenceTime="{model}"/>
                </dwd:ReferencedModel>
                <dwd:ForecastTimeSteps>
{steps}                </dwd:ForecastTimeSteps>
                <dwd:FormatCfg>
                    <dwd:DefaultUndefSign>-</dwd:DefaultUndefSign>
                </dwd:FormatCfg>
            </dwd:ProductDefinition>
        </kml:ExtendedData>
        <kml:Placemark>
            <kml:name>{station}</kml:name>
            <kml:description>{name}</kml:description>
            <kml:ExtendedData>
{forecasts}            </kml:ExtendedData>
            <kml:Point>
                <kml:coordinates>{coordinates}</kml:coordinates>
            </kml:Point>
        </kml:Placemark>
    </kml:Document>
</kml:kml>
"""
