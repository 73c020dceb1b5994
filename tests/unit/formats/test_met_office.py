"""The Met Office's NetCDF files: what is read of them, and what breaks them does no harm."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import h5netcdf
import numpy as np
import pytest

from energy_platform.encodings.grib import Area
from energy_platform.errors import ParseError
from energy_platform.formats.met_office import NO_POINTS, is_whole, points
from energy_platform.sources.met_office_forecast import GERMANY
from simulator.providers.met_office import model_files
from simulator.providers.met_office.schedule import PARAMETERS, Issue
from tests.support.feeds import a_world

NEAR_BERLIN = Area(north=52.6, west=13.4, south=52.4, east=13.6)


def an_issue(parameter: str = "wind_speed_at_10m") -> Issue:
    run_at = datetime(2026, 10, 24, 18, tzinfo=UTC)
    return Issue(run_at + timedelta(hours=4), run_at, 7, parameter)


@pytest.fixture
def payload(tmp_path: Path) -> bytes:
    issue = an_issue()
    return model_files.model_file(issue, model_files.values(a_world(tmp_path), issue))


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_file_is_read_as_it_was_written(tmp_path: Path, parameter: str) -> None:
    issue = an_issue(parameter)
    grid = model_files.values(a_world(tmp_path), issue)
    read = points(model_files.model_file(issue, grid), GERMANY, 0.5)
    written = model_files.table_rows(issue, grid)
    assert read.select(written.columns).equals(written)
    assert read.schema == NO_POINTS.schema


def test_one_point_of_a_small_area(payload: bytes) -> None:
    [row] = points(payload, NEAR_BERLIN, 0.5).rows(named=True)
    assert abs(row["latitude"] - 52.5) <= 180 / 1920
    assert abs(row["longitude"] - 13.5) <= 360 / 2560


def test_packed_values_are_unpacked() -> None:
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.dimensions = {"latitude": 2, "longitude": 2}
        for name, axis in (("latitude", [52.5, 52.6]), ("longitude", [13.5, 13.6])):
            file.create_variable(name, (name,), np.float32)[...] = np.array(axis, np.float32)
        packed = file.create_variable(
            "wind_speed", ("latitude", "longitude"), np.int16, fillvalue=np.int16(-1)
        )
        packed[...] = np.array([[120, 0], [0, -1]], np.int16)
        packed.attrs["units"] = "m s-1"
        packed.attrs["scale_factor"] = 0.1
        packed.attrs["add_offset"] = 1.0
        for name in ("time", "forecast_reference_time"):
            variable = file.create_variable(name, (), np.int64)
            variable[...] = 1_790_000_000
            variable.attrs["units"] = "seconds since 1970-01-01 00:00:00"
    [row] = points(buffer.getvalue(), NEAR_BERLIN, 0.5).rows(named=True)
    assert row["wind_speed_m_per_s"] == 13.0
    assert row["height_m"] == 0.0


def test_a_file_that_is_cut_off_is_not_whole(payload: bytes) -> None:
    assert is_whole(payload)
    assert not is_whole(payload[:-1])
    assert not is_whole(payload[:20])
    assert not is_whole(b"")


@pytest.mark.parametrize("seed", range(4))
def test_a_broken_file_is_refused_and_no_more(payload: bytes, seed: int) -> None:
    random = Random(seed)
    refused = 0
    for _ in range(50):
        broken = bytearray(payload)
        for _ in range(random.choice((1, 4, 16))):
            broken[random.randrange(8, len(broken))] = random.randrange(256)
        try:
            points(bytes(broken), GERMANY, 0.5)
        except ParseError:
            refused += 1
    assert refused
