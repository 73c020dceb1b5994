"""GFS forecast files as NOAA publishes them: GRIB 2 messages, their `.idx`, and their rows.

The provider decides how and when files are published. eccodes is slow to import: import this module
only where the simulator runs.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import eccodes
import numpy as np
from numpy.typing import NDArray

from simulator.journal import Row
from simulator.providers.noaa.gfs_schedule import Flaw, Issue
from simulator.world import World

_NORTH, _WEST, _SOUTH, _EAST = 55.5, 5.5, 47.0, 15.5
_STEP_DEGREES: Final = 0.25
_LATITUDES: Final = np.arange(_NORTH, _SOUTH - _STEP_DEGREES / 2, -_STEP_DEGREES)
_LONGITUDES: Final = np.arange(_WEST, _EAST + _STEP_DEGREES / 2, _STEP_DEGREES)
_HEIGHTS_M: Final = (10, 80, 100)
_SHEAR: Final = 0.14
_CORRECTED_SHARE: Final = 0.01
_BAD_WIND_M_PER_S: Final = 999.0
_MISSING: Final = 1e36
_ABOVE_GROUND: Final = "heightAboveGround"

# Variable, GRIB 2 category and number, type of level, level; the order in the file. The
# temperatures and the pressure are there so that a reader must choose.
_INVENTORY: Final = (
    ("PRMSL", 3, 1, "meanSea", 0),
    ("UGRD", 2, 2, _ABOVE_GROUND, 10),
    ("VGRD", 2, 3, _ABOVE_GROUND, 10),
    ("TMP", 0, 0, _ABOVE_GROUND, 2),
    ("UGRD", 2, 2, _ABOVE_GROUND, 80),
    ("VGRD", 2, 3, _ABOVE_GROUND, 80),
    ("TMP", 0, 0, _ABOVE_GROUND, 80),
    ("UGRD", 2, 2, _ABOVE_GROUND, 100),
    ("VGRD", 2, 3, _ABOVE_GROUND, 100),
)
_VARIABLES: Final = {(category, number): name for name, category, number, _, _ in _INVENTORY}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastFile:
    """A file, its inventory, and the rows of its winds."""

    key: str
    grib: bytes
    index: str
    rows: list[Row]


def forecast_file(world: World, issue: Issue) -> ForecastFile:
    """Return the file of an issue: the same for the same world and issue."""
    messages = list(_messages(world, issue))
    described = [_described(name, kind, level) for name, _, _, kind, level in _INVENTORY]
    rows = _rows(messages)
    if issue.flaw is Flaw.CORRUPT:
        messages, rows = [_spoiled(message) for message in messages], []
    elif issue.flaw is Flaw.BAD_ROW:
        rows = [row for row in rows if row["wind_u_m_per_s"] != _BAD_WIND_M_PER_S]
    return ForecastFile(
        key=issue.key,
        grib=b"".join(messages),
        index=_index(messages, described, issue),
        rows=rows,
    )


class _handle:  # noqa: N801 (used as a function)
    """An eccodes handle that is released at the end of a `with` block."""

    def __init__(self, message: bytes | None = None) -> None:
        if message is None:
            self._handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        else:
            self._handle = eccodes.codes_new_from_message(message)

    def __enter__(self) -> int:
        return int(self._handle)

    def __exit__(self, *_: object) -> None:
        eccodes.codes_release(self._handle)


def _messages(world: World, issue: Issue) -> Iterator[bytes]:
    with _handle() as handle:
        for name, value in _fixed_keys(issue).items():
            eccodes.codes_set(handle, name, value)
        for variable, category, number, type_of_level, level in _INVENTORY:
            eccodes.codes_set(handle, "parameterCategory", category)
            eccodes.codes_set(handle, "parameterNumber", number)
            eccodes.codes_set(handle, "typeOfLevel", type_of_level)
            eccodes.codes_set(handle, "level", level)
            eccodes.codes_set(handle, "decimalScaleFactor", 2)
            eccodes.codes_set(handle, "bitsPerValue", 0)
            values = _values(world, issue, variable, level)
            if (issue.flaw, variable, level) == (Flaw.BAD_ROW, "UGRD", _HEIGHTS_M[-1]):
                values[0] = _BAD_WIND_M_PER_S
            eccodes.codes_set_values(handle, values)
            yield bytes(eccodes.codes_get_message(handle))


def _fixed_keys(issue: Issue) -> dict[str, Any]:
    return {
        "centre": "kwbc",
        "dataDate": int(f"{issue.run_at:%Y%m%d}"),
        "dataTime": int(f"{issue.run_at:%H%M}"),
        "forecastTime": issue.step_hours,
        "Ni": _LONGITUDES.size,
        "Nj": _LATITUDES.size,
        "latitudeOfFirstGridPointInDegrees": _NORTH,
        "longitudeOfFirstGridPointInDegrees": _WEST,
        "latitudeOfLastGridPointInDegrees": _SOUTH,
        "longitudeOfLastGridPointInDegrees": _EAST,
        "iDirectionIncrementInDegrees": _STEP_DEGREES,
        "jDirectionIncrementInDegrees": _STEP_DEGREES,
    }


def _values(world: World, issue: Issue, variable: str, level: int) -> NDArray[np.float64]:
    """Return a field in the order of the grid, in steps of 0.01.

    The weather drifts eastwards: a place has what a place further west had some hours before.
    """
    signal = {
        "UGRD": world.signal("gfs wind u", mean=3.0, daily=1.0, noise=16.0),
        "VGRD": world.signal("gfs wind v", mean=1.0, daily=0.5, noise=14.0),
        "TMP": world.signal("gfs temperature", mean=283.0, daily=4.0, noise=10.0),
        "PRMSL": world.signal("gfs pressure", mean=101_300.0, noise=2_000.0),
    }[variable]
    valid_at = issue.run_at + timedelta(hours=issue.step_hours)
    drift = _LATITUDES[:, None] * 7_000.0 - _LONGITUDES[None, :] * 9_000.0
    values = signal.at(valid_at.timestamp() + drift).ravel()
    if variable in {"UGRD", "VGRD"}:
        values *= (level / _HEIGHTS_M[-1]) ** _SHEAR
        # A later run differs a little; a wind of zero stays zero.
        values *= 1 + 0.02 * np.sin(issue.run_at.timestamp() / 21_600 + issue.step_hours)
        for edition in range(1, issue.edition + 1):
            name = f"{valid_at} {issue.run_at} {variable} {level} {edition}"
            random = np.random.default_rng([world.seed, zlib.crc32(name.encode())])
            corrected = random.random(values.size) < _CORRECTED_SHARE
            values[corrected] += random.uniform(0.1, 0.6)
    return np.round(values, 2)


def _described(variable: str, type_of_level: str, level: int) -> str:
    place = f"{level} m above ground" if type_of_level == _ABOVE_GROUND else "mean sea level"
    return f"{variable}:{place}"


def _description(message: bytes) -> str:
    with _handle(message) as handle:
        numbers = (
            int(eccodes.codes_get(handle, "parameterCategory")),
            int(eccodes.codes_get(handle, "parameterNumber")),
        )
        type_of_level = str(eccodes.codes_get(handle, "typeOfLevel"))
        level = int(eccodes.codes_get(handle, "level"))
    return _described(_VARIABLES.get(numbers, "var"), type_of_level, level)


def _index(messages: Sequence[bytes], described: Sequence[str], issue: Issue) -> str:
    """Return the inventory, one line per message, as wgrib2 writes it."""
    ahead = f"{issue.step_hours} hour fcst" if issue.step_hours else "anl"
    lines, offset = [], 0
    for number, (message, what) in enumerate(zip(messages, described, strict=True), start=1):
        lines.append(f"{number}:{offset}:d={issue.run_at:%Y%m%d%H}:{what}:{ahead}:\n")
        offset += len(message)
    return "".join(lines)


def _spoiled(message: bytes) -> bytes:
    """Return a message whose grid definition is of a kind that does not exist."""
    position = 16
    while message[position + 4] != 3:  # noqa: PLR2004 (the grid definition section)
        position += int.from_bytes(message[position : position + 4], "big")
    return message[: position + 12] + b"\xee\xee" + message[position + 14 :]


def _run_at(handle: int) -> datetime:
    date, time = (int(eccodes.codes_get(handle, name)) for name in ("dataDate", "dataTime"))
    return datetime.strptime(f"{date:08}{time:04}", "%Y%m%d%H%M").replace(tzinfo=UTC)


def _rows(messages: Sequence[bytes]) -> list[Row]:
    """Decode messages by eccodes' own walk over the grid, into rows."""
    found: dict[tuple[datetime, datetime, float], dict[str, Any]] = {}
    for message in messages:
        variable = _description(message)
        if not variable.startswith(("UGRD:", "VGRD:")) or "above ground" not in variable:
            continue
        with _handle(message) as handle:
            eccodes.codes_set(handle, "missingValue", _MISSING)
            run_at = _run_at(handle)
            valid_at = run_at + timedelta(hours=int(eccodes.codes_get(handle, "endStep")))
            level = found.setdefault(
                (run_at, valid_at, float(eccodes.codes_get(handle, "level"))), {}
            )
            level["latitudes"] = eccodes.codes_get_array(handle, "latitudes")
            level["longitudes"] = (eccodes.codes_get_array(handle, "longitudes") + 180) % 360 - 180
            level[variable[:4]] = eccodes.codes_get_values(handle)
    return [row for key, level in found.items() for row in _level_rows(*key, level)]


def _level_rows(
    run_at: datetime, valid_at: datetime, height_m: float, level: dict[str, Any]
) -> Iterator[Row]:
    latitudes, longitudes = level["latitudes"], level["longitudes"]
    inside = (latitudes <= _NORTH) & (latitudes >= _SOUTH)
    inside &= (longitudes >= _WEST) & (longitudes <= _EAST)
    nowhere = np.full(latitudes.size, np.nan)
    u, v = (
        np.round(np.where(values == _MISSING, np.nan, values), 6)[inside]
        for values in (level.get(name, nowhere) for name in ("UGRD", "VGRD"))
    )
    speed = np.round(np.sqrt(u * u + v * v), 3)
    direction = np.round(np.degrees(np.arctan2(-u, -v)), 2) % 360
    direction[(u == 0) & (v == 0)] = np.nan
    columns = {
        "latitude": latitudes[inside],
        "longitude": longitudes[inside],
        "wind_u_m_per_s": u,
        "wind_v_m_per_s": v,
        "wind_speed_m_per_s": speed,
        "wind_direction_deg": direction,
    }
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield {
            "run_at": run_at,
            "valid_at": valid_at,
            "height_m": height_m,
            **{
                name: None if value != value else value  # noqa: PLR0124 (NaN is not itself)
                for name, value in zip(columns, values, strict=True)
            },
        }
