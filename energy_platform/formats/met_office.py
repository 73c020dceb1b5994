"""The Met Office's model files: NetCDF 4 (HDF5), one parameter at one instant over a whole grid.

A file has a variable on latitude and longitude, named by its CF standard name, and single values
for the instant (`time`), the run (`forecast_reference_time`) and, above the surface, the `height`.
pyfive reads them: it is pure Python, so a broken file raises and can't crash the process.
"""

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
import pyfive
from numpy.typing import NDArray

from energy_platform.encodings.grib import Area
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.publication import AfterRun

MET_OFFICE: Final = Provider(name="Met Office")
KNOWABLE: Final = (AfterRun(timedelta(hours=9)),)
"""The last files of a run appear within this time."""

_LARGEST_GRID_POINTS: Final = 20_000_000
_DECIMALS: Final = 3
_COORDINATE_DECIMALS: Final = 5
_LARGEST_VALUE: Final = 9e36
_SINCE: Final = re.compile(
    r"(?P<unit>second|minute|hour|day)s? since (?P<epoch>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)Z?"
)
_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_FIRST_BLOCK_BYTES: Final = 52
_END_AT: Final = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where the first block states the end of the file, by the block's version."""
_STANDARD_CALENDARS: Final = {"standard", "gregorian", "proleptic_gregorian"}


class Parameter(NamedTuple):
    """The column for a CF standard name, and the conversion from each of its units."""

    column: str
    units: Mapping[str, Callable[[pl.Expr], pl.Expr]]


def _as_is(value: pl.Expr) -> pl.Expr:
    return value


_METRES_PER_SECOND: Final = {"m s-1": _as_is, "m/s": _as_is}
_WATTS_PER_SQUARE_METRE: Final = {"W m-2": _as_is}

PARAMETERS: Final = {
    "wind_speed": Parameter("wind_speed_m_per_s", _METRES_PER_SECOND),
    "wind_speed_of_gust": Parameter("gust_speed_m_per_s", _METRES_PER_SECOND),
    "wind_from_direction": Parameter(
        "wind_direction_deg",
        {"degrees": _as_is, "degree": _as_is, "rad": lambda radians: radians.degrees()},
    ),
    "air_temperature": Parameter(
        "temperature_deg_c", {"K": lambda kelvin: kelvin - 273.15, "degC": _as_is}
    ),
    "surface_downwelling_shortwave_flux_in_air": Parameter(
        "shortwave_radiation_w_per_m2", _WATTS_PER_SQUARE_METRE
    ),
}


class _Field(NamedTuple):
    """One parameter on the part of the grid that is kept."""

    name: str
    units: str
    run_at: datetime
    valid_at: datetime
    height_m: float
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    values: NDArray[np.float64]


NO_POINTS: Final = pl.DataFrame(
    schema={
        "run_at": INSTANT,
        "valid_at": INSTANT,
        "latitude": pl.Float64,
        "longitude": pl.Float64,
        "height_m": pl.Float64,
        "parameter": pl.String,
        **{parameter.column: pl.Float64 for parameter in PARAMETERS.values()},
    }
)
"""The result of `points` without a row."""


def points(payload: bytes, area: Area, spacing_degrees: float) -> pl.DataFrame:
    """Return a file's values at the grid points next to each multiple of a spacing in an area.

    Columns: `run_at`, `valid_at`, `latitude`, `longitude` (degrees, the grid's own; -180 to 180),
    `height_m` (0 if the file has none: at the surface), `parameter` (the CF standard name) and a
    column for each of `PARAMETERS`. The parameter's own column has the values; a missing one is
    null.

    Raises:
        ParseError: The body is no whole NetCDF 4 file of one of the parameters in a known unit, or
            none of the points lies in its grid.
    """
    if not is_whole(payload):
        raise ParseError(f"no NetCDF 4 file, or not whole after {len(payload)} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # warnings about unreadable attributes that nothing here reads
            field = _read(payload, area, spacing_degrees)
    except ParseError:
        raise
    except Exception as error:  # a file that makes its reader raise anything is broken
        raise ParseError(f"a broken NetCDF 4 file: {type(error).__name__} {error}") from error
    parameter = PARAMETERS[field.name]
    if field.units not in parameter.units:
        raise ParseError(f"{field.name} in {field.units!r}, which is none of its known units")
    value = parameter.units[field.units](pl.col("value")).round(_DECIMALS)
    absent = pl.lit(None, dtype=pl.Float64)
    return pl.DataFrame(
        {
            "latitude": np.repeat(field.latitudes, field.longitudes.size),
            "longitude": np.tile(field.longitudes, field.latitudes.size),
            "value": field.values.ravel(),
        }
    ).select(
        run_at=pl.lit(field.run_at, INSTANT),
        valid_at=pl.lit(field.valid_at, INSTANT),
        latitude="latitude",
        longitude="longitude",
        height_m=pl.lit(field.height_m),
        parameter=pl.lit(field.name),
        **{
            one.column: value.fill_nan(None) if one is parameter else absent
            for one in PARAMETERS.values()
        },
    )


def is_whole(payload: bytes) -> bool:
    """Return whether a file is as long as the first block of an HDF5 file states."""
    if not payload.startswith(_SIGNATURE) or len(payload) < _FIRST_BLOCK_BYTES:
        return False
    end_at = _END_AT.get(payload[len(_SIGNATURE)])
    if end_at is None:
        return False
    return int.from_bytes(payload[end_at : end_at + 8], "little") <= len(payload)


def _read(payload: bytes, area: Area, spacing_degrees: float) -> _Field:
    with pyfive.File(io.BytesIO(payload)) as file:
        latitudes, longitudes = _axis(file, "latitude"), _axis(file, "longitude")
        if latitudes.size * longitudes.size > _LARGEST_GRID_POINTS:
            raise ParseError(f"a grid of {latitudes.size} by {longitudes.size} points is too large")
        name, variable = _variable(file, (latitudes.size, longitudes.size))
        longitudes = (longitudes + 180) % 360 - 180
        rows = _nearest(latitudes, _multiples(area.south, area.north, spacing_degrees))
        columns = _nearest(longitudes, _multiples(area.west, area.east, spacing_degrees))
        if not (rows.size and columns.size):
            raise ParseError(f"no grid point in the area {'/'.join(map(str, area))}")
        # This inflates only the blocks of the file that hold these points.
        window = variable[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        values = _unpacked(window[np.ix_(rows - rows.min(), columns - columns.min())], variable)
        return _Field(
            name=name,
            units=_text(_attribute(variable, "units")),
            run_at=_instant(file, "forecast_reference_time"),
            valid_at=_instant(file, "time"),
            height_m=_scalar(file, "height") if "height" in file else 0.0,
            latitudes=latitudes[rows].round(_COORDINATE_DECIMALS),
            longitudes=longitudes[columns].round(_COORDINATE_DECIMALS),
            values=values,
        )


def _variable(file: Any, shape: tuple[int, int]) -> tuple[str, Any]:  # noqa: ANN401 (no types)
    """Return the one variable on the grid that is a known parameter, and its CF standard name."""
    named = {
        _text(_attribute(file[key], "standard_name")) or key: file[key]
        for key in file
        if isinstance(file[key], pyfive.Dataset) and file[key].shape == shape
    }
    known = sorted(PARAMETERS.keys() & named.keys())
    if len(known) != 1:
        raise ParseError(f"{', '.join(named) or 'nothing'} on the grid where one parameter should")
    return known[0], named[known[0]]


def _axis(file: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401
    axis = file[name]
    if math.prod(axis.shape) > _LARGEST_GRID_POINTS or len(axis.shape) != 1:
        raise ParseError(f"{name} is no axis: {axis.shape}")
    return np.asarray(axis[:], dtype=np.float64)


def _multiples(lowest: float, highest: float, spacing: float) -> NDArray[np.float64]:
    numbers = range(math.ceil(lowest / spacing), math.floor(highest / spacing) + 1)
    return np.array(numbers, dtype=np.float64) * spacing


def _nearest(axis: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices on an axis that are next to the wanted coordinates and within a step."""
    step = float(np.median(np.abs(np.diff(axis)))) if axis.size > 1 else 0.0
    distances = np.abs(axis[None, :] - wanted[:, None])
    places = distances.argmin(axis=1)
    within = distances[np.arange(wanted.size), places] <= step
    return np.unique(places[within])


def _unpacked(values: NDArray[Any], variable: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """Return numbers with scale and offset applied; NaN for missing ones."""
    numbers = np.asarray(values, dtype=np.float64)
    fill = _number(_attribute(variable, "_FillValue"), math.nan)
    absent = np.isclose(numbers, fill, rtol=1e-6) | (np.abs(numbers) > _LARGEST_VALUE)
    scale = _number(_attribute(variable, "scale_factor"), 1.0)
    offset = _number(_attribute(variable, "add_offset"), 0.0)
    return np.where(absent, np.nan, numbers * scale + offset)


def _instant(file: Any, name: str) -> datetime:  # noqa: ANN401
    """Return the one instant in a variable, whose units say what it counts and since when."""
    units = _text(_attribute(file[name], "units"))
    calendar = _text(_attribute(file[name], "calendar")) or "standard"
    said = _SINCE.fullmatch(units.removesuffix(" UTC"))
    if said is None or calendar not in _STANDARD_CALENDARS:
        raise ParseError(f"{name} in {units!r} ({calendar}) is no instant")
    epoch = datetime.fromisoformat(said["epoch"]).replace(tzinfo=UTC)
    return epoch + timedelta(**{f"{said['unit']}s": _scalar(file, name)})


def _scalar(file: Any, name: str) -> float:  # noqa: ANN401
    values = np.asarray(file[name][()]).ravel()
    if values.size != 1:
        raise ParseError(f"{name} has {values.size} values where one should be")
    return float(values[0])


def _attribute(variable: Any, name: str) -> object:  # noqa: ANN401
    """Return an attribute, or None if there is none; an unreadable one is an error."""
    found = variable.attrs.get(name)
    if found is None and name in variable.attrs:
        raise ParseError(f"the attribute {name} can't be read")
    return found


def _number(attribute: object, default: float) -> float:
    return default if attribute is None else float(np.asarray(attribute).ravel()[0])


def _text(attribute: object) -> str:
    if attribute is None:
        return ""
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)
