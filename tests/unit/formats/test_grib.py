"""GRIB messages to points: framing, grids, missing values, and bytes that would kill eccodes."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import eccodes
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.encodings import grib
from energy_platform.encodings.grib_frames import frame_length, frames, single_fields
from energy_platform.errors import OverBudgetError, ParseError
from energy_platform.market.raw_message import RawMessage
from energy_platform.sources.noaa_gfs_wind_forecast import parse as parse_gfs
from tests.recorded.manifest import FOLDER, needs_recorded
from tests.support import bombs

RECORDED = FOLDER / "grib"

SMALL = {
    "Ni": 3,
    "Nj": 2,
    "latitudeOfFirstGridPointInDegrees": 54.25,
    "latitudeOfLastGridPointInDegrees": 54.0,
    "longitudeOfFirstGridPointInDegrees": 7.0,
    "longitudeOfLastGridPointInDegrees": 7.5,
    "iDirectionIncrementInDegrees": 0.25,
    "jDirectionIncrementInDegrees": 0.25,
}
WIND_U_100_M = {
    "parameterCategory": 2,
    "parameterNumber": 2,
    "typeOfLevel": "heightAboveGround",
    "level": 100,
}


def message(
    values: Sequence[float | None], *, sample: str = "regular_ll_sfc_grib2", **keys: Any
) -> bytes:
    handle = eccodes.codes_grib_new_from_samples(sample)
    try:
        parameter = WIND_U_100_M if sample.endswith("2") else {}
        settings = {"dataDate": 20260329, "dataTime": 0, **SMALL, **parameter, **keys}
        for name, value in settings.items():
            eccodes.codes_set(handle, name, value)
        if None in values:
            eccodes.codes_set(handle, "bitmapPresent", 1)
            eccodes.codes_set(handle, "missingValue", 1e20)
        numbers = [1e20 if value is None else value for value in values]
        eccodes.codes_set_values(handle, np.array(numbers, dtype=float))
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def points(frame: pl.DataFrame, name: str = "u") -> dict[tuple[float, float], float | None]:
    rows = frame.select("latitude", "longitude", pl.col(name).round(2)).rows()
    return {(latitude, longitude): value for latitude, longitude, value in rows}


EXPECTED = {
    (54.25, 7.0): 1.0,
    (54.25, 7.25): 2.0,
    (54.25, 7.5): 3.0,
    (54.0, 7.0): 4.0,
    (54.0, 7.25): 5.0,
    (54.0, 7.5): 6.0,
}


def test_a_message_becomes_one_row_per_point() -> None:
    frame = grib.fields(message([1, 2, 3, 4, 5, 6], forecastTime=3), ["u"])
    assert points(frame) == EXPECTED
    assert frame["run_at"].unique().to_list() == [datetime(2026, 3, 29, tzinfo=UTC)]
    assert frame["valid_at"].unique().to_list() == [datetime(2026, 3, 29, 3, tzinfo=UTC)]
    assert frame["type_of_level"].unique().to_list() == ["heightAboveGround"]
    assert frame["level"].unique().to_list() == [100.0]


def test_edition_1_is_read_too() -> None:
    body = message(
        [1, 2, 3, 4, 5, 6],
        sample="regular_ll_sfc_grib1",
        indicatorOfParameter=165,
        table2Version=128,
    )
    assert body[7] == 1
    assert points(grib.fields(body, ["u"])) == EXPECTED


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        pytest.param(
            {
                "jScansPositively": 1,
                "latitudeOfFirstGridPointInDegrees": 54.0,
                "latitudeOfLastGridPointInDegrees": 54.25,
            },
            [4, 5, 6, 1, 2, 3],
            id="south to north",
        ),
        pytest.param(
            {
                "iScansNegatively": 1,
                "longitudeOfFirstGridPointInDegrees": 7.5,
                "longitudeOfLastGridPointInDegrees": 7.0,
            },
            [3, 2, 1, 6, 5, 4],
            id="east to west",
        ),
        pytest.param({"jPointsAreConsecutive": 1}, [1, 4, 2, 5, 3, 6], id="by meridian"),
        pytest.param({"alternativeRowScanning": 1}, [1, 2, 3, 6, 5, 4], id="boustrophedon"),
        pytest.param(
            {"jPointsAreConsecutive": 1, "alternativeRowScanning": 1},
            [1, 4, 5, 2, 3, 6],
            id="boustrophedon by meridian",
        ),
    ],
)
def test_the_order_of_scanning_does_not_matter(keys: dict[str, Any], values: list[float]) -> None:
    assert points(grib.fields(message(values, **keys), ["u"])) == EXPECTED


def test_longitudes_run_from_minus_180_to_180() -> None:
    body = message(
        [1, 2, 3, 4, 5, 6],
        longitudeOfFirstGridPointInDegrees=359.75,
        longitudeOfLastGridPointInDegrees=0.25,
    )
    frame = grib.fields(body, ["u"])
    assert frame["longitude"].to_list() == [-0.25, 0.0, 0.25] * 2
    assert frame["u"].round(2).to_list() == [1, 2, 3, 4, 5, 6]


def test_a_value_left_out_by_the_bitmap_is_null() -> None:
    frame = grib.fields(message([1, None, 3, 4, 5, None]), ["u"])
    assert points(frame) == EXPECTED | {(54.25, 7.25): None, (54.0, 7.5): None}


def test_only_the_area_is_kept_its_edges_included() -> None:
    body = message([1, 2, 3, 4, 5, 6])
    kept = grib.fields(body, ["u"], area=grib.Area(54.1, 7.25, 54.0, 7.5))
    assert points(kept) == {(54.0, 7.25): 5.0, (54.0, 7.5): 6.0}
    with pytest.raises(ParseError, match="no point of the grid lies in the area"):
        grib.fields(body, ["u"], area=grib.Area(10, 7, 9, 8))


@pytest.mark.parametrize("text", ["", "1/2/3", "a/b/c/d", "47/5/55/15", "55/15/47/5", "1/2/3/4/5"])
def test_an_area_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="area"):
        grib.Area.read(text)


def test_parameters_of_a_level_share_rows_and_others_are_left_out() -> None:
    body = b"".join(
        [
            message([9] * 6, parameterCategory=0, parameterNumber=0, level=2),
            message([1] * 6),
            message([2] * 6, parameterNumber=3),
            message([3] * 6, level=10),
        ]
    )
    frame = grib.fields(body, ["u", "v"])
    assert frame.group_by("level").agg(pl.first("u"), pl.first("v"), pl.len()).sort(
        "level"
    ).rows() == [
        (10.0, 3.0, None, 6),
        (100.0, 1.0, 2.0, 6),
    ]
    with pytest.raises(ParseError, match="none of the parameters gust"):
        grib.fields(body, ["gust"])


def joined(*parts: bytes) -> bytes:
    """Make one GRIB 2 message of the fields of several: one head, the sections of each."""
    head_length = 16 + int.from_bytes(parts[0][16:20], "big")
    sections = b"".join(part[head_length:-4] for part in parts)
    length = head_length + len(sections) + 4
    return parts[0][:8] + length.to_bytes(8, "big") + parts[0][16:head_length] + sections + b"7777"


def test_a_message_of_several_fields_gives_all_of_them() -> None:
    body = joined(message([1, 2, 3, 4, 5, 6]), message([6, 5, 4, 3, 2, 1], parameterNumber=3))
    assert len(list(frames(body))) == 1
    assert len(list(single_fields(body))) == 2
    frame = grib.fields(body, ["u", "v"])
    assert (frame["u"].round(2) + frame["v"].round(2)).to_list() == [7.0] * 6


def test_padding_between_messages_is_stepped_over_and_other_bytes_are_not() -> None:
    one, two = message([1] * 6), message([2] * 6, level=10)
    assert list(frames(one + b"\0" * 61 + two + b"\n")) == [one, two]
    with pytest.raises(ParseError, match="are no GRIB message"):
        list(frames(one + b"rubbish" + two))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda body: body[:-1], id="last byte missing"),
        pytest.param(lambda body: body[: len(body) // 2], id="half"),
        pytest.param(lambda body: body[:-4] + b"7778", id="no end mark"),
        pytest.param(lambda body: body[:7] + b"\x03" + body[8:], id="edition 3"),
        pytest.param(lambda body: body[:8] + b"\xff" * 8 + body[16:], id="endless"),
        pytest.param(lambda body: body[:8] + b"\0" * 8 + body[16:], id="empty"),
        pytest.param(lambda body: body[:16] + b"\0" * 4 + body[20:], id="empty section"),
        pytest.param(lambda body: b"", id="nothing"),
        pytest.param(lambda body: b"GRIB", id="only a start"),
    ],
)
def test_a_broken_frame_is_refused(spoil: Any) -> None:
    with pytest.raises(ParseError):
        grib.fields(spoil(message([1, 2, 3, 4, 5, 6])), ["u"])


@given(data=st.binary(max_size=64))
def test_framing_of_any_bytes_ends_or_refuses(data: bytes) -> None:
    for body in (data, b"GRIB" + data, b"GRIB\0\0\0\2" + data):
        try:
            assert frame_length(body) <= len(body)
        except ParseError:
            continue


def test_another_grid_is_refused() -> None:
    handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
    body = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with pytest.raises(ParseError, match="grid type reduced_gg is not read here"):
        grib.fields(body, ["u"])


def test_a_grid_of_millions_of_points_is_refused_before_it_is_made() -> None:
    body = bombs.grib(4_000, 5_000)
    assert len(body) == 179
    with pytest.raises(OverBudgetError, match="20,000,000 points lie in the area"):
        grib.fields(body, ["u"])
    with pytest.raises(ParseError, match="no point of the grid lies in the area"):
        grib.fields(body, ["u"], area=grib.Area(10.0, 6.0, 5.0, 15.0))
    with pytest.raises(ParseError, match="a grid of 40000 by 5000 points"):
        grib.fields(bombs.grib(40_000, 5_000), ["u"])


def test_many_small_fields_are_no_more_than_one_large() -> None:
    with pytest.raises(OverBudgetError, match="1,000,000 is the most"):
        grib.fields(bombs.grib(600, 600) * 3, ["u"])


def test_flipped_bits_never_do_worse_than_fail() -> None:
    flips = random.Random(5)
    good = message([1.25, 2.5, 3, 4, 5, 6])
    failed = 0
    for _ in range(150):
        body = bytearray(good)
        for _ in range(flips.randint(1, 4)):
            body[flips.randrange(16, len(body) - 4)] = flips.randrange(256)
        try:
            grib.fields(bytes(body), ["u"])
        except ParseError:
            failed += 1
    assert failed > 0
    assert points(grib.fields(message([1, 2, 3, 4, 5, 6]), ["u"])) == EXPECTED


@needs_recorded
def test_the_recorded_gfs_file_gives_germany_by_default_and_the_globe_if_asked() -> None:
    body = (RECORDED / "test_NOAAS3_HRES-GFS_10u_20210509T06_S00.grib").read_bytes()
    at = datetime(2021, 5, 9, 6, tzinfo=UTC)
    germany = parse_gfs([RawMessage(body=body, received_at=at)])
    assert germany.height == 9 * 10
    assert germany["wind_v_m_per_s"].null_count() == germany.height
    assert germany["run_at"].unique().to_list() == [at]
    at_55_6 = germany.filter(latitude=55.0, longitude=6.0)["wind_u_m_per_s"].to_list()
    assert at_55_6 == [pytest.approx(2.461294, abs=1e-6)]
    globe = RawMessage(body=body, received_at=at, context={"area": "90/-180/-90/180"})
    assert parse_gfs([globe]).height == 360 * 181


@needs_recorded
@pytest.mark.parametrize(
    ("name", "parameter", "rows"),
    [
        ("regular_ll_sfc.grib", "skt", 72 * 37),
        ("single_gridpoint.grib", "t", 3),
        ("s2s_control_2026-08-10T00Z.grib2", "t", 240 * 121 * 3),
    ],
)
def test_recorded_files_of_others_are_read(name: str, parameter: str, rows: int) -> None:
    frame = grib.fields((RECORDED / name).read_bytes(), [parameter])
    assert frame[parameter].drop_nulls().len() == rows
