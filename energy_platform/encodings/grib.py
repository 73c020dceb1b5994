"""GRIB 1 and 2 on regular latitude and longitude grids: messages to one row per point.

A source chooses parameters and heights. eccodes decodes the bytes in a process of its own
(`grib_decoder`), so a message that crashes or hangs eccodes costs that message and not the worker.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_platform.encodings.grib_frames import frames, single_fields
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT

_DECODER: Final = Path(__file__).with_name("grib_decoder.py")
_DECODE_SECONDS: Final = 30.0
_DIGITS: Final = "0123456789"
_ABOUT_A_FIELD: Final = {
    "run_at": INSTANT,
    "valid_at": INSTANT,
    "type_of_level": pl.String(),
    "level": pl.Float64(),
    "parameter": pl.String(),
}
"""What holds for all points of a field."""


class Area(NamedTuple):
    """A box of the globe in degrees, its edges included; longitudes from -180 to 180."""

    north: float
    west: float
    south: float
    east: float

    @classmethod
    def read(cls, text: str) -> "Area":
        """Read `north/west/south/east`, the order in which weather services write a box.

        >>> Area.read("55.5/5.5/47/15.5").south
        47.0

        Raises:
            ParseError: The text is no box.
        """
        try:
            area = cls(*(float(edge) for edge in text.split("/")))
        except (TypeError, ValueError):
            raise ParseError(f"{text!r} is no area; write north/west/south/east") from None
        if area.north < area.south or area.east < area.west:
            raise ParseError(f"the area {text!r} is empty")
        return area


GLOBE: Final = Area(90.0, -180.0, -90.0, 180.0)


def fields(body: bytes, parameters: Sequence[str], *, area: Area = GLOBE) -> pl.DataFrame:
    """Return the points of some parameters in `body` that lie in `area`, one row per point.

    Columns: `run_at`, `valid_at`, `type_of_level`, `level` (in the unit of the type: metres for
    `heightAboveGround`), `latitude`, `longitude` (degrees; -180 to 180) and one column for each of
    `parameters`, named by its ECMWF short name without a height (`10u` and `100u` are both `u`; the
    height is in `level`). A value is null if the bitmap leaves it out, or if no message of the
    parameter covers the point. Of two messages of the same parameter, level and time the later
    counts.

    Raises:
        ParseError: A message is broken or of another grid, no point lies in the area, or none of
            the parameters is there.
    """
    decoder = _decoder()
    found = [
        decoder.decode(field, area) for message in frames(body) for field in single_fields(message)
    ]
    if not any(field.values.size for field in found):
        raise ParseError(f"no point of the grid lies in the area {'/'.join(map(str, area))}")
    wanted = [field for field in found if field.parameter in parameters and field.values.size]
    if not wanted:
        raise ParseError(f"none of the parameters {', '.join(parameters)} is in it")
    return _points(wanted).pivot(
        on="parameter",
        on_columns=parameters,
        index=["run_at", "valid_at", "type_of_level", "level", "latitude", "longitude"],
        values="value",
        aggregate_function="last",
    )


class _Field(NamedTuple):
    """One decoded field: what holds for all of its points, and its values by latitude, longitude.

    Latitudes go from north to south, longitudes from west to east. A missing value is NaN.
    """

    run_at: datetime
    valid_at: datetime
    type_of_level: str
    level: float
    parameter: str
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def read(cls, header: dict[str, Any], values: bytes) -> "_Field":
        """Read what the decoding process says of a field."""
        latitudes, longitudes = np.array(header["latitudes"]), np.array(header["longitudes"])
        return cls(
            run_at=_instant(*header["run"]),
            valid_at=_instant(*header["valid"]),
            type_of_level=header["type_of_level"],
            level=header["level"],
            parameter=header["short_name"].lstrip(_DIGITS),
            latitudes=latitudes,
            longitudes=longitudes,
            values=np.frombuffer(values).reshape(latitudes.size, longitudes.size),
        )


def _points(fields: Sequence[_Field]) -> pl.DataFrame:
    """Turn decoded fields into rows, each from north to south and west to east."""
    of_field = np.repeat(np.arange(len(fields)), [field.values.size for field in fields])
    about = pl.DataFrame(
        [field[: len(_ABOUT_A_FIELD)] for field in fields], schema=_ABOUT_A_FIELD, orient="row"
    )
    return about.select(pl.all().gather(of_field)).with_columns(
        latitude=np.concatenate(
            [np.repeat(field.latitudes, field.longitudes.size) for field in fields]
        ),
        longitude=np.concatenate(
            [np.tile(field.longitudes, field.latitudes.size) for field in fields]
        ),
        value=pl.lit(
            pl.Series(np.concatenate([field.values.ravel() for field in fields]))
        ).fill_nan(None),
    )


def _instant(date: int, time: int) -> datetime:
    """Read a date YYYYMMDD and a time HHMM, both numbers."""
    try:
        return datetime.strptime(f"{date:08}{time:04}", "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise ParseError(f"{date:08} {time:04} is no instant") from None


class _Decoder:
    """A decoding process, started at the first message and again after one that killed it.

    The process ends when its connection closes, which happens when this process ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def decode(self, message: bytes, area: Area) -> _Field:
        """Return the points of a message of one field that lie in `area`.

        Raises:
            ParseError: The message cannot be decoded.
        """
        with self._lock:
            try:
                return _Field.read(*self._ask(message, area))
            except (EOFError, OSError):
                self.stop()
                raise ParseError("the GRIB message crashed its decoder, so it is corrupt") from None

    def _ask(self, message: bytes, area: Area) -> tuple[dict[str, Any], bytes]:
        connection = self._started()
        connection.send_bytes(json.dumps(area).encode())
        connection.send_bytes(message)
        header = json.loads(self._reply(connection))
        if "error" in header:
            raise ParseError(f"the GRIB message cannot be decoded: {header['error']}")
        return header, self._reply(connection)

    def _reply(self, connection: Connection) -> bytes:
        if not connection.poll(_DECODE_SECONDS):
            self.stop()
            raise ParseError(f"the GRIB message was not decoded within {_DECODE_SECONDS:.0f} s")
        return connection.recv_bytes()

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        self._connection, theirs = Pipe()
        with theirs:
            # With -P the modules beside the script can't shadow libraries.
            self._process = subprocess.Popen(  # noqa: S603 (this package's script, by its path)
                [sys.executable, "-P", _DECODER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self._connection

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._connection = self._process = None


@cache
def _decoder() -> _Decoder:
    return _Decoder()


# A fork must not use its parent's connection.
os.register_at_fork(after_in_child=_decoder.cache_clear)
