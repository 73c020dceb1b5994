"""GRIB 1 and 2 on regular latitude and longitude grids: messages to one row per point.

A source chooses parameters and heights. eccodes decodes the bytes in the limited process
(`grib_decoder`), so a message that crashes or hangs eccodes costs that message and not the worker.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_platform.encodings.grib_frames import frames, single_fields
from energy_platform.encodings.limited_process import within_limits
from energy_platform.errors import OverBudgetError, ParseError
from energy_platform.market.budget import MOST_ROWS
from energy_platform.market.instants import INSTANT

_DECODE: Final = "energy_platform.encodings.grib_decoder:decode"
"""By its name, so that only the limited process loads eccodes."""
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
        OverBudgetError: More points lie in the area than a message may have, or decoding them takes
            too long or too much memory.
        ParseError: A message is broken or of another grid, no point lies in the area, or none of
            the parameters is there.
    """
    found: list[_Field] = []
    for message in frames(body):
        for field in single_fields(message):
            found.append(_Field.read(*within_limits(_DECODE, field, area)))
            if (points := sum(each.values.size for each in found)) > MOST_ROWS:
                raise OverBudgetError(f"{points:,} points or more; {MOST_ROWS:,} is the most")
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
    def read(cls, header: dict[str, Any], values: NDArray[np.float64]) -> "_Field":
        """Read what the decoder says of a field."""
        return cls(
            run_at=_instant(*header["run"]),
            valid_at=_instant(*header["valid"]),
            type_of_level=header["type_of_level"],
            level=header["level"],
            parameter=header["short_name"].lstrip(_DIGITS),
            latitudes=header["latitudes"],
            longitudes=header["longitudes"],
            values=values,
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
