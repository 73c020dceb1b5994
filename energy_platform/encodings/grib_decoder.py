"""Decodes GRIB messages by eccodes, in the limited process, since eccodes aborts on some of them.

`encodings.grib` finds the messages, and makes rows of what comes out.
"""

from typing import Any, Final

import eccodes
import numpy as np
from numpy.typing import NDArray

from energy_platform.errors import OverBudgetError, ParseError
from energy_platform.market.budget import MOST_ROWS

_MICRODEGREES: Final = 1_000_000
_CIRCLE: Final = 360 * _MICRODEGREES
_MAX_POINTS: Final = 20_000_000
_MISSING: Final = 1e36


def decode(
    message: bytes, area: tuple[float, float, float, float]
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the header and the values of a message of one field.

    The values are by latitude and longitude, from north to south and west to east; NaN if missing.

    Args:
        message: One whole GRIB message.
        area: North, west, south and east in degrees, edges included; longitudes from -180 to 180.

    Raises:
        OverBudgetError: More points than a message may have lie in the area.
        ParseError: eccodes can't read the message, or the grid is not one of regular latitudes and
            longitudes.
    """
    try:
        handle = eccodes.codes_new_from_message(message)
        try:
            return _decoded(handle, area)
        finally:
            eccodes.codes_release(handle)
    except eccodes.CodesInternalError as error:
        raise ParseError(f"the GRIB message cannot be decoded: {error}") from error


def _decoded(
    handle: int, area: tuple[float, float, float, float]
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    if (grid := eccodes.codes_get(handle, "gridType")) != "regular_ll":
        raise _unsupported(f"grid type {grid} is not read here, only regular_ll")
    _expect_a_grid(*(int(eccodes.codes_get(handle, count)) for count in ("Nj", "Ni")))
    latitudes = _axis(handle, "latitude", "j", "Nj")
    longitudes = _axis(handle, "longitude", "i", "Ni")
    places = (longitudes + _CIRCLE // 2) % _CIRCLE - _CIRCLE // 2
    rows, columns = np.argsort(-latitudes), np.argsort(places)
    north, west, south, east = (round(edge * _MICRODEGREES) for edge in area)
    rows = rows[(latitudes[rows] <= north) & (latitudes[rows] >= south)]
    columns = columns[(places[columns] >= west) & (places[columns] <= east)]
    if (points := rows.size * columns.size) > MOST_ROWS:
        raise OverBudgetError(f"{points:,} points lie in the area; {MOST_ROWS:,} is the most")
    header = {
        "short_name": eccodes.codes_get(handle, "shortName"),
        "type_of_level": eccodes.codes_get(handle, "typeOfLevel"),
        "level": float(eccodes.codes_get(handle, "level", float)),
        "run": [int(eccodes.codes_get(handle, key)) for key in ("dataDate", "dataTime")],
        "valid": [int(eccodes.codes_get(handle, key)) for key in ("validityDate", "validityTime")],
        "latitudes": latitudes[rows] / _MICRODEGREES,
        "longitudes": places[columns] / _MICRODEGREES,
    }
    if not points:
        return header, np.empty((rows.size, columns.size))
    values = _values(handle, latitudes.size, longitudes.size)
    return header, values[np.ix_(rows, columns)]


def _unsupported(why: str) -> ParseError:
    return ParseError(f"the GRIB message cannot be decoded: {why}")


def _expect_a_grid(rows: int, columns: int) -> None:
    """Look at what the header claims, before anything of that size is made."""
    if min(rows, columns) < 1 or rows * columns > _MAX_POINTS:
        raise _unsupported(f"a grid of {rows} by {columns} points")


def _axis(handle: int, name: str, index: str, count: str) -> NDArray[np.int64]:
    """Return an axis in whole microdegrees, in the order of the data.

    It is computed from the first and the last point, since the increment is rounded in the message
    (a third of a degree is no whole number of microdegrees).
    """
    points = int(eccodes.codes_get(handle, count))
    first, last = (
        round(eccodes.codes_get(handle, f"{name}Of{end}GridPointInDegrees", float) * _MICRODEGREES)
        for end in ("First", "Last")
    )
    if index == "i":
        negative = bool(eccodes.codes_get(handle, "iScansNegatively"))
        if last < first and not negative:
            last += _CIRCLE
        elif last > first and negative:
            last -= _CIRCLE
    return np.rint(np.linspace(first, last, points)).astype(np.int64)


def _values(handle: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return the values as (latitude, longitude) in the order of the data's axes."""
    eccodes.codes_set(handle, "missingValue", _MISSING)
    values = np.asarray(eccodes.codes_get_values(handle), dtype=np.float64)
    if values.size != rows * columns:
        raise _unsupported(f"{values.size} values on a grid of {rows} by {columns}")
    values[values == _MISSING] = np.nan
    along_longitude = not eccodes.codes_get(handle, "jPointsAreConsecutive")
    grid = values.reshape((rows, columns) if along_longitude else (columns, rows))
    if eccodes.codes_get(handle, "alternativeRowScanning"):
        grid[1::2] = grid[1::2, ::-1].copy()
    return grid if along_longitude else grid.T
