"""Small bodies that claim gigabytes, or unpack to them; they are made in memory."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

import eccodes
import h5py
import numpy as np

_MEGABYTE: Final = 1 << 20
_GRIB_HEADER_BYTES: Final = 16
_POINTS_SECTION, _PACKING_SECTION = 3, 5
_GERMANY: Final = {
    "latitudeOfFirstGridPointInDegrees": 55.0,
    "latitudeOfLastGridPointInDegrees": 47.5,
    "longitudeOfFirstGridPointInDegrees": 6.0,
    "longitudeOfLastGridPointInDegrees": 15.0,
}


def grib(rows: int, columns: int, *, parameter: int = 2) -> bytes:
    """Return a field of one value everywhere on a grid over Germany, which takes 179 bytes.

    Args:
        rows: Points from north to south.
        columns: Points from west to east.
        parameter: 2 for the wind to the east, 3 for the one to the north.
    """
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    try:
        about = {"Ni": 3, "Nj": 2, "dataDate": 20260329, "dataTime": 0, **_GERMANY,
                 "parameterCategory": 2, "parameterNumber": parameter,
                 "typeOfLevel": "heightAboveGround", "level": 100}  # fmt: skip
        for name, value in about.items():
            eccodes.codes_set(handle, name, value)
        eccodes.codes_set_values(handle, np.zeros(6))
        body = bytearray(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)
    for number, start in _sections(body):
        if number == _POINTS_SECTION:
            body[start + 6 : start + 10] = (rows * columns).to_bytes(4, "big")
            body[start + 30 : start + 34] = columns.to_bytes(4, "big")
            body[start + 34 : start + 38] = rows.to_bytes(4, "big")
        if number == _PACKING_SECTION:
            body[start + 5 : start + 9] = (rows * columns).to_bytes(4, "big")
    return bytes(body)


def _sections(message: bytes | bytearray) -> Iterator[tuple[int, int]]:
    start = _GRIB_HEADER_BYTES
    while message[start : start + 4] != b"7777":
        yield message[start + 4], start
        start += int.from_bytes(message[start : start + 4], "big")


def hdf5(megabytes: int = 6_400) -> bytes:
    """Return a model file whose one chunk of wind speeds inflates to so many megabytes."""
    buffer = io.BytesIO()
    rows, columns = 20, 20
    with h5py.File(buffer, "w") as file:
        file["latitude"] = np.linspace(47, 55.5, rows, dtype=np.float32)
        file["longitude"] = np.linspace(5.5, 15.5, columns, dtype=np.float32)
        for name in ("time", "forecast_reference_time"):
            file[name] = np.int64(1_790_000_000)
            file[name].attrs["units"] = "seconds since 1970-01-01 00:00:00"
        wind = file.create_dataset(
            "wind_speed", (rows, columns), np.float32, chunks=(rows, columns), compression="gzip"
        )
        wind.attrs["units"] = "m s-1"
        wind.id.write_direct_chunk((0, 0), deflated_zeros(megabytes))
    return buffer.getvalue()


def deflated_zeros(megabytes: int) -> bytes:
    """Return a zlib stream of so many megabytes of zeros, without packing them all."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (megabytes - 1)


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


@cache
def zip_of_zeros() -> bytes:
    """Return a ZIP archive with the members that sources want, 270 MB of zeros in all."""
    file = io.BytesIO()
    piece = bytes(_MEGABYTE)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name in ("a.kml", "produkt_a.txt", "a_UNAVAILABILITY_a.xml"):
            with packed.open(name, "w") as member:
                for _ in range(90):
                    member.write(piece)
    return file.getvalue()


def ods() -> bytes:
    """Return an OpenDocument sheet of some hundred bytes that claims 17 billion cells."""
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    table = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    content = (
        f'<office:document-content xmlns:office="{office}" xmlns:table="{table}"'
        f' xmlns:text="{text}"><office:body><office:spreadsheet><table:table table:name="a">'
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell'
        ' table:number-columns-repeated="16384" office:value-type="string"><text:p>x</text:p>'
        "</table:table-cell></table:table-row></table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    return archive(
        {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
         "content.xml": content.encode(), "META-INF/manifest.xml": b"<manifest/>"}
    )  # fmt: skip


def xlsx(*, place: str = "XFD1048576") -> bytes:
    """Return a workbook of one sheet with a cell at a place as far away as there is one."""
    sheets = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    documents = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006/relationships"
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{types}"/>'.encode(),
            "_rels/.rels": f'<Relationships xmlns="{packages}"><Relationship Id="r1"'
            f' Type="{documents}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>".encode(),
            "xl/workbook.xml": f'<workbook xmlns="{sheets}" xmlns:r="{documents}"><sheets>'
            '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'.encode(),
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{packages}"><Relationship'
            f' Id="r1" Type="{documents}/worksheet" Target="worksheets/sheet1.xml"/>'
            "</Relationships>".encode(),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{sheets}"><sheetData>'
            '<row r="1"><c r="A1"><v>1</v></c></row>'
            f'<row r="{row}"><c r="{place}"><v>1</v></c></row></sheetData></worksheet>'.encode(),
        }
    )


def kml(*, steps: int = 5_000, stations: int = 5_000) -> bytes:
    """Return a KMZ of some KB whose stations and time steps are 25 million rows together."""
    dwd = "https://opendata.dwd.de/weather/lib/pointforecast_dwd_extension_V1_0.xsd"
    step = b"<dwd:TimeStep>2026-03-29T00:00:00Z</dwd:TimeStep>"
    station = (
        b"<kml:Placemark><kml:name>1</kml:name><kml:ExtendedData><dwd:Forecast"
        b' dwd:elementName="TTT"><dwd:value>1</dwd:value></dwd:Forecast></kml:ExtendedData>'
        b"</kml:Placemark>"
    )
    document = (
        f'<kml:kml xmlns:kml="http://www.opengis.net/kml/2.2" xmlns:dwd="{dwd}"><kml:Document>'
        "<dwd:IssueTime>2026-03-29T00:00:00Z</dwd:IssueTime>".encode()
        + step * steps
        + station * stations
        + b"</kml:Document></kml:kml>"
    )
    return archive({"a.kml": document})


def empty_objects(count: int, *, around: bytes = b"[%s]") -> bytes:
    """Return a JSON array of empty objects: three bytes each."""
    return around % (b"{}," * (count - 1) + b"{}")


JSON: Final[Mapping[str, Callable[[], bytes]]] = {
    "deep arrays": lambda: b"[" * 100_000 + b"]" * 100_000,
    "deep objects": lambda: b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "open quotes": lambda: b'{"a": "' + b'\\"' * 60_000,
    "a long number": lambda: b'[{"a": ' + b"9" * 120_000 + b"}]",
    "empty objects": lambda: empty_objects(5_000),
    "objects side by side": lambda: b"{}" * 40_000,
}
XML: Final[Mapping[str, Callable[[], bytes]]] = {
    "a billion laughs": lambda: (
        b'<!DOCTYPE a [<!ENTITY a0 "ha">'
        + b"".join(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(9))
        + b"]><a>&a9;</a>"
    ),
    "attributes for each element": lambda: (
        b'<!DOCTYPE a [<!ATTLIST b c CDATA "'
        + b"x" * 60_000
        + b'">]><a>'
        + b"<b/>" * 15_000
        + b"</a>"
    ),
    "deep elements": lambda: b"<a>" * 20_000 + b"</a>" * 20_000,
    "a prolog without end": lambda: b"<??>" * 2_000 + b" " * 4_000,
}
LARGE_JSON: Final[Mapping[str, Callable[[], bytes]]] = {
    "ten million empty objects": lambda: empty_objects(10_000_000),
    "fifteen million objects side by side": lambda: b"{}" * 15_000_000,
}
