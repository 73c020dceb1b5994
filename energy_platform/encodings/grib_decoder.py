"""Decodes GRIB messages in a process of its own, because eccodes aborts on some corrupt ones.

`encodings.grib` runs it by its path, with the number of an inherited socket. It imports nothing of
the platform, so that it starts fast. A request is the area to keep, as JSON, then one message of
one field. A reply is a JSON header, then the values as float64 from north to south and west to
east, NaN where missing. The process ends when its parent does.
"""

import json
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any, Final

import eccodes
import numpy as np
from numpy.typing import NDArray

_MICRODEGREES: Final = 1_000_000
_CIRCLE: Final = 360 * _MICRODEGREES
_MAX_POINTS: Final = 20_000_000
_MISSING: Final = 1e36
_MAX_MEMORY_BYTES: Final = 4 << 30


class UnsupportedError(Exception):
    """The message is in a form of GRIB that is not supported."""


def decode(
    message: bytes, area: tuple[float, float, float, float]
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the header and the values of a message of one field.

    Args:
        message: One whole GRIB message.
        area: North, west, south and east in degrees, edges included; longitudes from -180 to 180.

    Raises:
        UnsupportedError: The grid is not one of regular latitudes and longitudes.
        eccodes.CodesInternalError: eccodes cannot read the message.
    """
    handle = eccodes.codes_new_from_message(message)
    try:
        if (grid := eccodes.codes_get(handle, "gridType")) != "regular_ll":
            raise UnsupportedError(f"grid type {grid} is not read here, only regular_ll")
        latitudes = _axis(handle, "latitude", "j", "Nj")
        longitudes = _axis(handle, "longitude", "i", "Ni")
        values = _values(handle, latitudes.size, longitudes.size)
        longitudes = (longitudes + _CIRCLE // 2) % _CIRCLE - _CIRCLE // 2
        rows, columns = np.argsort(-latitudes), np.argsort(longitudes)
        north, west, south, east = (round(edge * _MICRODEGREES) for edge in area)
        rows = rows[(latitudes[rows] <= north) & (latitudes[rows] >= south)]
        columns = columns[(longitudes[columns] >= west) & (longitudes[columns] <= east)]
        header = {
            "short_name": eccodes.codes_get(handle, "shortName"),
            "type_of_level": eccodes.codes_get(handle, "typeOfLevel"),
            "level": float(eccodes.codes_get(handle, "level", float)),
            "run": [int(eccodes.codes_get(handle, key)) for key in ("dataDate", "dataTime")],
            "valid": [
                int(eccodes.codes_get(handle, key)) for key in ("validityDate", "validityTime")
            ],
            "latitudes": (latitudes[rows] / _MICRODEGREES).tolist(),
            "longitudes": (longitudes[columns] / _MICRODEGREES).tolist(),
        }
        return header, values[np.ix_(rows, columns)]
    finally:
        eccodes.codes_release(handle)


def _axis(handle: int, name: str, index: str, count: str) -> NDArray[np.int64]:
    """Return an axis in whole microdegrees, in the order of the data.

    It is computed from the first and the last point, since the increment is rounded in the message
    (a third of a degree is no whole number of microdegrees).
    """
    points = int(eccodes.codes_get(handle, count))
    if not 1 <= points <= _MAX_POINTS:
        raise UnsupportedError(f"{count} is {points}")
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
    if rows * columns > _MAX_POINTS:
        raise UnsupportedError(f"a grid of {rows} by {columns} points")
    eccodes.codes_set(handle, "missingValue", _MISSING)
    values = np.asarray(eccodes.codes_get_values(handle), dtype=np.float64)
    if values.size != rows * columns:
        raise UnsupportedError(f"{values.size} values on a grid of {rows} by {columns}")
    values[values == _MISSING] = np.nan
    along_longitude = not eccodes.codes_get(handle, "jPointsAreConsecutive")
    grid = values.reshape((rows, columns) if along_longitude else (columns, rows))
    if eccodes.codes_get(handle, "alternativeRowScanning"):
        grid[1::2] = grid[1::2, ::-1].copy()
    return grid if along_longitude else grid.T


def serve(connection: Connection) -> None:
    """Answer requests until the parent has ended."""
    while True:
        try:
            area = json.loads(connection.recv_bytes())
            message = connection.recv_bytes()
        except EOFError:
            return
        try:
            header, values = decode(message, area)
        except (UnsupportedError, eccodes.CodesInternalError, MemoryError) as error:
            connection.send_bytes(json.dumps({"error": f"{error}"}).encode())
        else:
            connection.send_bytes(json.dumps(header).encode())
            connection.send_bytes(np.ascontiguousarray(values).tobytes())


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent; this process ends with it
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(Connection(int(sys.argv[1])))
