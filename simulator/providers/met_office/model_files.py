"""Files as the Met Office's model writes them: NetCDF 4, one parameter on latitude and longitude.

The real grid is the globe; this one is the same grid over Germany and a little more. Imported only
where the simulator runs, since HDF5 takes a while.
"""

import io
from typing import Final, NamedTuple

import h5netcdf
import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_platform.market.instants import INSTANT
from simulator.providers.met_office.schedule import Issue
from simulator.world import World

_LATITUDE_STEP: Final = 180 / 1920
_LONGITUDE_STEP: Final = 360 / 2560
_SOUTH, _NORTH, _WEST, _EAST = 46.0, 56.5, 4.5, 16.5
_SPACING: Final = 0.5
_FILL: Final = np.float32(9.96921e36)
BAD_WIND: Final = 999.0


def _axis(step: float, first: float, lowest: float, highest: float) -> NDArray[np.float32]:
    axis = first + step / 2 + step * np.arange(round(-2 * first / step))
    return np.asarray(axis[(axis >= lowest) & (axis <= highest)], dtype=np.float32)


LATITUDES: Final = _axis(_LATITUDE_STEP, -90.0, _SOUTH, _NORTH)
LONGITUDES: Final = _axis(_LONGITUDE_STEP, -180.0, _WEST, _EAST)


class _Parameter(NamedTuple):
    """What a file's variable is called, and how it behaves."""

    standard_name: str
    units: str
    column: str
    height_m: float | None
    mean: float
    daily: float
    noise: float
    lowest: float
    highest: float


_PARAMETERS: Final = {
    "wind_speed_at_10m": _Parameter(
        "wind_speed", "m s-1", "wind_speed_m_per_s", 10.0, 6, 1, 7, 0, 60
    ),
    "wind_direction_at_10m": _Parameter(
        "wind_from_direction", "degrees", "wind_direction_deg", 10.0, 200, 0, 150, 0, 360
    ),
    "wind_gust_at_10m": _Parameter(
        "wind_speed_of_gust", "m s-1", "gust_speed_m_per_s", 10.0, 10, 2, 11, 0, 90
    ),
    "temperature_at_screen_level": _Parameter(
        "air_temperature", "K", "temperature_deg_c", 1.5, 283, 4, 11, 220, 320
    ),
    "radiation_flux_in_shortwave_total_downward_at_surface": _Parameter(
        "surface_downwelling_shortwave_flux_in_air",
        "W m-2",
        "shortwave_radiation_w_per_m2",
        None,
        mean=60,
        daily=300,
        noise=250,
        lowest=0,
        highest=1_200,
    ),
}
_COLUMNS: Final = tuple(parameter.column for parameter in _PARAMETERS.values())


def values(world: World, issue: Issue) -> NDArray[np.float32]:
    """Return an issue's values on the grid. The weather drifts across the map, to the east."""
    one = _PARAMETERS[issue.parameter]
    signal = world.signal(
        f"met office {issue.parameter}", mean=one.mean, daily=one.daily, noise=one.noise
    )
    drift = LATITUDES[:, None].astype(float) * 7_000 - LONGITUDES[None, :].astype(float) * 9_000
    doubt = 0.02 * one.noise * np.sin(issue.run_at.timestamp() / 21_600 + issue.step_hours)
    seen = signal.at(issue.valid_at.timestamp() + drift) + doubt
    return np.asarray(np.clip(seen, one.lowest, one.highest), dtype=np.float32)


def with_a_bad_point(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a grid with a wind that no anemometer survives at the point next to 50° N, 10° E."""
    spoiled = grid.copy()
    spoiled[np.abs(LATITUDES - 50).argmin(), np.abs(LONGITUDES - 10).argmin()] = BAD_WIND
    return spoiled


def model_file(issue: Issue, grid: NDArray[np.float32]) -> bytes:
    """Return the file of an issue."""
    one = _PARAMETERS[issue.parameter]
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.attrs["Conventions"] = "CF-1.7, UKMO-1.0"
        file.attrs["institution"] = "Met Office"
        file.attrs["source"] = "Met Office Unified Model"
        file.dimensions = {"latitude": LATITUDES.size, "longitude": LONGITUDES.size, "bnds": 2}
        for name, axis, units in (
            ("latitude", LATITUDES, "degrees_north"),
            ("longitude", LONGITUDES, "degrees_east"),
        ):
            _variable(file, name, (name,), axis, units)
            half = (_LATITUDE_STEP if name == "latitude" else _LONGITUDE_STEP) / 2
            bounds = np.stack([axis - half, axis + half], axis=1).astype(np.float32)
            _variable(file, f"{name}_bnds", (name, "bnds"), bounds, units)
        variable = file.create_variable(
            one.standard_name,
            ("latitude", "longitude"),
            np.float32,
            fillvalue=_FILL,
            chunks=(32, 32),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        variable[...] = grid
        variable.attrs["standard_name"] = one.standard_name
        variable.attrs["units"] = one.units
        variable.attrs["grid_mapping"] = "latitude_longitude"
        variable.attrs["coordinates"] = "forecast_period forecast_reference_time height time"
        since = "seconds since 1970-01-01 00:00:00"
        _variable(file, "time", (), np.int64(issue.valid_at.timestamp()), since)
        _variable(file, "forecast_reference_time", (), np.int64(issue.run_at.timestamp()), since)
        _variable(file, "forecast_period", (), np.int32(issue.step_hours * 3_600), "seconds")
        if one.height_m is not None:
            _variable(file, "height", (), np.float32(one.height_m), "m")
    return buffer.getvalue()


def _variable(
    file: h5netcdf.File,
    name: str,
    dimensions: tuple[str, ...],
    data: np.generic | NDArray[np.float32],
    units: str,
) -> None:
    variable = file.create_variable(name, dimensions, data.dtype)
    variable[...] = data
    variable.attrs["standard_name"] = name
    variable.attrs["units"] = units


def table_rows(issue: Issue, grid: NDArray[np.float32]) -> pl.DataFrame:
    """Return the rows of the source's table: the grid points next to each half degree."""
    one = _PARAMETERS[issue.parameter]
    degrees_north = np.arange(47.0, 55.5 + _SPACING / 2, _SPACING)
    degrees_east = np.arange(5.5, 15.5 + _SPACING / 2, _SPACING)
    rows = [int(np.abs(LATITUDES.astype(float) - degree).argmin()) for degree in degrees_north]
    columns = [int(np.abs(LONGITUDES.astype(float) - degree).argmin()) for degree in degrees_east]
    value = pl.col("value") - 273.15 if one.units == "K" else pl.col("value")
    absent = pl.lit(None, dtype=pl.Float64)
    return pl.DataFrame(
        {
            "latitude": np.repeat(LATITUDES[rows].astype(float).round(5), len(columns)),
            "longitude": np.tile(LONGITUDES[columns].astype(float).round(5), len(rows)),
            "value": grid[np.ix_(rows, columns)].astype(float).ravel(),
        }
    ).select(
        run_at=pl.lit(issue.run_at, INSTANT),
        valid_at=pl.lit(issue.valid_at, INSTANT),
        latitude="latitude",
        longitude="longitude",
        height_m=pl.lit(one.height_m or 0.0),
        parameter=pl.lit(one.standard_name),
        **{name: value.round(3) if name == one.column else absent for name in _COLUMNS},
    )
