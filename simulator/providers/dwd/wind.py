"""The `now` files of ten-minute wind: each holds a station's measurements since yesterday.

A third of the stations rewrite their files each ten minutes, so each does so twice an hour. Some
values are missing, and some are corrected twenty minutes later with a higher quality level. The
measurements are a function of the instant, so a restarted provider continues where it stopped. Rows
are journalled just before the files that show them appear; a restart may journal the newest ones
again.

The `recent` files hold the last days. Their rows are not journalled: only a backfill reads them.
"""

import asyncio
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from energy_platform.market.instants import INSTANT
from simulator import ftp_server
from simulator.faults import FaultKind
from simulator.journal import Row
from simulator.world import World

SOURCE: Final = "dwd_wind_observation"
FOLDER: Final = "climate_environment/CDC/observations_germany/climate/10_minutes/wind/now"
RECENT: Final = "climate_environment/CDC/observations_germany/climate/10_minutes/wind/recent"
HISTORICAL: Final = (
    "climate_environment/CDC/observations_germany/climate/10_minutes/wind/historical"
)
"""Empty here."""
FOLDERS: Final = (FOLDER, RECENT, HISTORICAL)
STATIONS: Final = tuple(
    f"{number:05d}"
    for number in (
        *(3, 44, 183, 427, 433, 662, 880, 1048, 1270, 1420),
        *(1766, 1975, 2014, 2564, 2667, 3379, 3987, 4911, 5100, 5705),
        *range(5717, 15_717, 40),
    )
)
"""As many stations as DWD has for wind; most numbers are made up."""

_RECENT_DAYS: Final = 10
"""DWD's own go back 500."""
_EVERY: Final = timedelta(minutes=10)
_GROUPS: Final = 3
_CORRECTED_AFTER: Final = timedelta(minutes=20)
_CORRECTED_PER_CENT: Final = 5
_MISSING_PER_CENT: Final = 1
_NEVER_A_STATION: Final = "99999"
_HEADER: Final = "STATIONS_ID;MESS_DATUM;  QN;FF_10;DD_10;eor\r\n"
_ABSENT: Final = (
    "gust_speed_m_per_s",
    "lowest_mean_speed_m_per_s",
    "highest_mean_speed_m_per_s",
    "gust_direction_deg",
)


def measured(world: World, station: str, as_of: datetime, *, days: int = 1) -> pl.DataFrame:
    """Return what a station's file shows at an instant, in the columns of the source's table.

    One row for each ten minutes since the midnight (UTC) so many days before, by their end; speed
    and direction are null where nothing was measured.
    """
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    ends = pl.datetime_range(
        midnight - timedelta(days=days), as_of, _EVERY, time_unit="us", eager=True
    ).cast(INSTANT)
    seconds = ends.dt.epoch("s").to_numpy().astype(float)
    speeds = world.signal(f"wind {station}", mean=5.5, daily=1.0, noise=4.0).at(seconds)
    bearings = world.signal(f"wind from {station}", mean=230, noise=200)
    luck = pl.col("observed_at").hash(seed=bearings.salt) % 100
    corrected = (luck < _CORRECTED_PER_CENT) & (pl.col("observed_at") + _CORRECTED_AFTER <= as_of)
    there = luck < 100 - _MISSING_PER_CENT
    speed = pl.col("speed").clip(lower_bound=0) + pl.when(corrected).then(0.3).otherwise(0.0)
    return pl.DataFrame(
        {"observed_at": ends, "speed": speeds, "bearing": bearings.at(seconds) % 360}
    ).select(
        pl.lit(station).alias("station_id"),
        "observed_at",
        pl.lit("10_minutes/wind").alias("product"),
        pl.when(corrected).then(2).otherwise(1).cast(pl.Int64).alias("quality_level"),
        pl.when(there).then(speed.round(1)).alias("wind_speed_m_per_s"),
        pl.when(there).then((pl.col("bearing") / 10).round(0) * 10).alias("wind_direction_deg"),
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in _ABSENT),
    )


def archive(station: str, shown: pl.DataFrame, more: str = "") -> bytes:
    """Return a station's file: a ZIP with its text, and `more` rows at the end."""
    cells = (
        pl.lit(f"{int(station):11d}"),
        pl.col("observed_at").dt.strftime("%Y%m%d%H%M"),
        _padded(pl.col("quality_level"), 5),
        _padded(pl.col("wind_speed_m_per_s"), 6),
        _padded(pl.col("wind_direction_deg").cast(pl.Int64), 4),
    )
    rows = shown.select(pl.format("{};{};{};{};{};eor\r\n", *cells)).to_series().str.join()
    first, last = shown["observed_at"][0], shown["observed_at"][-1]
    name = f"produkt_zehn_now_ff_{first:%Y%m%d}_{last:%Y%m%d}_{station}.txt"
    return _zipped(name, _HEADER + rows.item() + more)


async def publish_for_ever(
    world: World, root: Path, stations: Sequence[str], begun: asyncio.Event
) -> None:
    """Rewrite the stations' files below `root`, all at first, then a third each ten minutes.

    Args:
        world: The world.
        root: The server's root.
        stations: The stations.
        begun: What is set when the first files are there.
    """
    folder = root / FOLDER
    last = world.journal.last_market_at(SOURCE)
    known = {} if last is None else dict.fromkeys(stations, _ten_minutes(last - _GROUPS * _EVERY))
    at, due = _ten_minutes(world.clock.now()), list(stations)
    while True:
        await _publish(world, folder, due, at, known)
        begun.set()
        known |= dict.fromkeys(due, at)
        if world.faults.take(SOURCE, FaultKind.MALFORMED):
            garbage = _zipped("produkt_zehn_now_ff_x.txt", "this is no table")
            ftp_server.put(folder / _file_name(_NEVER_A_STATION), garbage, at)
        at += _EVERY
        await world.clock.sleep_until(at)
        at = max(at, _ten_minutes(world.clock.now()))
        due = [one for one in stations if known[one] <= at - _GROUPS * _EVERY or _group(one, at)]


async def publish_recent_for_ever(world: World, root: Path, stations: Sequence[str]) -> None:
    """Rewrite the stations' files of the last days below `root`, now and after each midnight."""
    while True:
        now = world.clock.now()
        await asyncio.to_thread(_publish_recent, world, root / RECENT, stations, now)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        await world.clock.sleep_until(midnight + timedelta(days=1))


def _publish_recent(world: World, folder: Path, stations: Sequence[str], now: datetime) -> None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for station in stations:
        rows = measured(world, station, midnight - _EVERY, days=_RECENT_DAYS)
        target = folder / f"10minutenwerte_wind_{station}_akt.zip"
        ftp_server.put(target, archive(station, rows), now)


async def _publish(
    world: World, folder: Path, due: Sequence[str], at: datetime, known: Mapping[str, datetime]
) -> None:
    """Journal what is new in the files that are due, in one piece, then put them in place."""
    shown, fresh = await asyncio.to_thread(_measured_by, world, due, at, known)
    if fresh:
        world.journal.emit(SOURCE, at, fresh)
    for station, rows in shown.items():
        more = ""
        if world.faults.take(SOURCE, FaultKind.BAD_ROW):
            more = f"{int(station):11d};{at + _EVERY:%Y%m%d%H%M};    1; 999.9; 200;eor\r\n"
        content = archive(station, rows, more)
        await ftp_server.publish(world, SOURCE, folder / _file_name(station), content, at)


def _measured_by(
    world: World, stations: Sequence[str], at: datetime, known: Mapping[str, datetime]
) -> tuple[dict[str, pl.DataFrame], list[Row]]:
    """Return the rows of each station's file, and those that its last file did not have."""
    shown: dict[str, pl.DataFrame] = {}
    fresh: list[Row] = []
    for station in stations:
        shown[station] = rows = measured(world, station, at)
        if station in known:
            before = measured(world, station, known[station])
            rows = rows.join(before, on=rows.columns, how="anti", nulls_equal=True)
        fresh += rows.to_dicts()
    return shown, fresh


def _group(station: str, at: datetime) -> bool:
    """Say whether a station is one of those that publish at these ten minutes."""
    number = int(at.timestamp() // _EVERY.total_seconds())
    return zlib.crc32(station.encode()) % _GROUPS == number % _GROUPS


def _file_name(station: str) -> str:
    return f"10minutenwerte_wind_{station}_now.zip"


def _ten_minutes(instant: datetime) -> datetime:
    return instant.replace(minute=instant.minute // 10 * 10, second=0, microsecond=0)


def _padded(value: pl.Expr, width: int) -> pl.Expr:
    return value.cast(pl.String).fill_null("-999").str.pad_start(width)


def _zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, text)
    return buffer.getvalue()
