"""Inventories to byte ranges, and ranges to whole GRIB messages of one version."""

import httpx
import pytest

from energy_platform.errors import ParseError
from energy_platform.feeds.sns.grib_index import byte_ranges, read_index
from energy_platform.feeds.sns.grib_ranges import GribRanges
from energy_platform.feeds.sns.s3_bucket import (
    BucketUnavailableError,
    ObjectUnreadableError,
    PublicBucket,
)
from tests.recorded.manifest import FOLDER, needs_recorded

RECORDED = FOLDER / "grib"

WIND = ("UGRD", "VGRD")
HUB = ("10 m above ground", "80 m above ground", "100 m above ground")


def line(number: str, offset: int, variable: str, level: str) -> str:
    return f"{number}:{offset}:d=2026032900:{variable}:{level}:3 hour fcst:\n"


INDEX = (
    line("1", 0, "PRMSL", "mean sea level")
    + line("2", 100, "UGRD", "10 m above ground")
    + line("3", 200, "VGRD", "10 m above ground")
    + line("4", 300, "UGRD", "10 mb")
    + line("5.1", 400, "UGRD", "80 m above ground")
    + line("5.2", 400, "VGRD", "80 m above ground")
    + line("6", 550, "TMP", "80 m above ground")
    + line("7", 600, "UGRD", "100 m above ground")
    + line("8", 700, "VGRD", "100 m above ground")
)


def test_neighbours_are_asked_for_at_once_and_the_last_range_is_open() -> None:
    ranges = byte_ranges(read_index(INDEX), variables=WIND, levels=HUB)
    assert [each.header for each in ranges] == ["bytes=100-299", "bytes=400-549", "bytes=600-"]
    assert [each.messages for each in ranges] == [(100, 200), (400,), (600, 700)]


def test_an_index_of_a_part_may_start_anywhere() -> None:
    text = line("1", 367_869_364, "VGRD", "925 mb") + line("2", 368_824_496, "ABSV", "925 mb")
    (only,) = byte_ranges(read_index(text), variables=["VGRD"], levels=["925 mb"])
    assert only.header == "bytes=367869364-368824495"


def test_odd_lines_of_real_indexes_are_read() -> None:
    text = (
        "1:0:d=2026032900:var discipline=0 center=7 local_table=1 parmcat=16 parm=201:"
        "entire atmosphere:anl:\n"
        "2:10:d=2026032900:HGT:PV=-2e-06 (Km^2/kg/s) surface:anl:ENS=low-res ctl\n"
    )
    assert [entry.stop for entry in read_index(text)] == [10, None]


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "1:0:d=2026032900\n",
        "1:x:d=2026032900:UGRD:10 mb:anl:\n",
        "1:-5:d=2026032900:UGRD:10 mb:anl:\n",
        line("1", 10, "UGRD", "10 mb") + line("2", 5, "VGRD", "10 mb"),
    ],
)
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        read_index(text)


@needs_recorded
def test_the_recorded_gfs_index_names_the_hub_heights() -> None:
    text = (RECORDED / "gfs.t00z.pgrb2.0p25.f007.idx").read_text()
    entries = read_index(text)
    assert len(entries) == len(text.splitlines())
    assert [each.header for each in byte_ranges(entries, variables=WIND, levels=HUB)] == [
        "bytes=422898981-424844937",
        "bytes=495143053-497119758",
        "bytes=497993509-499969935",
    ]


@needs_recorded
@pytest.mark.parametrize(
    "name", ["gep01.t00z.pgrb2s.0p25.f015.idx", "gfs.t00z.pgrb2.0p25.f006.test-limit-100.idx"]
)
def test_other_recorded_indexes_are_read(name: str) -> None:
    entries = read_index((RECORDED / name).read_text())
    (ten_metres,) = byte_ranges(entries, variables=WIND, levels=HUB)
    assert len(ten_metres.messages) == 2


def framed(length: int) -> bytes:
    return b"GRIB\0\0\0\2" + length.to_bytes(8, "big") + b"\1" * (length - 20) + b"7777"


FILE = (
    framed(100)
    + framed(100)
    + framed(90)
    + b"\0" * 10
    + framed(100)
    + framed(150)
    + framed(50)
    + framed(100)
    + framed(80)
)


def a_bucket(
    *, index: str = INDEX, file: bytes = FILE, status: int = 206, etags: tuple[str, ...] = ("e",)
) -> PublicBucket:
    """A bucket of one file with its index, whose answers can be made wrong."""
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.url.path.endswith(".idx"):
            return httpx.Response(200, text=index, headers={"ETag": '"i"'})
        first, last = request.headers["Range"].removeprefix("bytes=").split("-")
        part = file[int(first) : int(last) + 1 if last else None]
        asked += 1
        etag = etags[(asked - 1) % len(etags)]
        return httpx.Response(status, content=part, headers={"ETag": f'"{etag}"'})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return PublicBucket(client=client, address=lambda: "http://bucket", answer_seconds=2.0)


READ = GribRanges(variables=WIND, levels=HUB)


async def test_the_wanted_messages_come_one_behind_the_other() -> None:
    fetched = await READ.read(a_bucket(), "f003")
    assert fetched.body == FILE[100:300] + FILE[400:550] + FILE[600:]
    assert fetched.versions == {"f003": "e", "f003.idx": "i"}


@pytest.mark.parametrize(
    ("bucket", "error", "says"),
    [
        (a_bucket(status=200), BucketUnavailableError, "206 was expected"),
        (a_bucket(status=503), BucketUnavailableError, "503"),
        (a_bucket(status=404), ObjectUnreadableError, "404"),
        (a_bucket(status=416), ObjectUnreadableError, "416"),
        (a_bucket(file=FILE[:650]), ObjectUnreadableError, "bytes=600-"),
        (a_bucket(file=FILE[:500]), ObjectUnreadableError, "bytes=400-549"),
        (a_bucket(file=FILE.replace(b"7777", b"7778")), ObjectUnreadableError, "7777"),
        (a_bucket(file=b"\0" + FILE), ObjectUnreadableError, "no GRIB message"),
        (a_bucket(etags=("old", "new")), ObjectUnreadableError, "was replaced"),
        (a_bucket(index="<html>"), ObjectUnreadableError, "index"),
        (a_bucket(index=line("1", 0, "TMP", "2 m")), ObjectUnreadableError, "none of the wanted"),
        (a_bucket(index="x" * (5 << 20)), ObjectUnreadableError, "larger than"),
    ],
)
async def test_a_wrong_answer_is_not_landed(
    bucket: PublicBucket, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await READ.read(bucket, "f003")
