"""DWD's MOSMIX: point forecasts as KMZ, a ZIP archive with one KML document.

The document has the issue time, the list of time steps, and for each station one text of values per
element: one value per step, `-` if it is missing. A file of all stations has hundreds of megabytes,
so it is read as a stream, one station at a time.

More than one hundred elements exist; this module reads those that energy forecasts need
(`ELEMENTS`). The others stay in the landing zone, and a replay can read them once they have a
column.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, Final, NamedTuple

import polars as pl
from lxml import etree

from energy_platform.encodings.answer_forms import is_of, zip_form
from energy_platform.encodings.xml_document import HARDENED
from energy_platform.encodings.zip_archive import opened_member
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT

STATIONS: Final = tuple(
    str(number)
    for number in (
        *(10015, 10020, 10035, 10038, 10046, 10055, 10091, 10113, 10129, 10131, 10147, 10156),
        *(10162, 10170, 10184, 10200, 10224, 10235, 10264, 10270, 10291, 10315, 10338, 10348),
        *(10361, 10379, 10382, 10385, 10393, 10400, 10410, 10427, 10438, 10444, 10453, 10469),
        *(10488, 10496, 10499, 10501, 10513, 10532, 10548, 10554, 10578, 10609, 10616, 10637),
        *(10655, 10675, 10685, 10708, 10729, 10738, 10763, 10776, 10803, 10852, 10870, 10961),
    )
)
"""Stations by WMO's numbers, all over Germany: coasts, ridges, plains and the large cities."""

STEPS: Final = 247
"""How many hours an issue looks ahead."""

is_whole: Final = partial(is_of, zip_form("*.kml"))
"""Returns whether a file is a whole archive with a forecast in it."""

_LARGEST_DOCUMENT_BYTES: Final = 4 * 1024**3
_KELVIN: Final = 273.15
_DECIMALS: Final = 2
_MISSING: Final = "-"
_NOT_A_NUMBER: Final = float("nan")


def _celsius(kelvin: pl.Expr) -> pl.Expr:
    """Convert without binary rounding noise, since DWD gives two decimals."""
    return (kelvin - _KELVIN).round(_DECIMALS)


class Element(NamedTuple):
    """One of DWD's elements: its column in the table, and the conversion of its unit."""

    column: str
    convert: Callable[[pl.Expr], pl.Expr] | None = None


ELEMENTS: Final = {
    "TTT": Element("temperature_deg_c", _celsius),
    "Td": Element("dew_point_deg_c", _celsius),
    "T5cm": Element("ground_temperature_deg_c", _celsius),
    "FF": Element("wind_speed_m_per_s"),
    "FX1": Element("gust_speed_m_per_s"),
    "DD": Element("wind_direction_deg"),
    "PPPP": Element("pressure_pa"),
    "N": Element("cloud_cover_pct"),
    "Rad1h": Element("global_radiation_kj_per_m2"),
    "SunD1": Element("sunshine_s"),
    "RR1c": Element("precipitation_kg_per_m2"),
    "RRS1c": Element("snow_kg_per_m2"),
}


class _Document(NamedTuple):
    """The content of a KML document, still as text."""

    issued: str | None
    steps: list[str]
    stations: list[dict[str, str | None]]


def forecasts(archive: bytes) -> pl.DataFrame:
    """Read one KMZ: a row per station and time step.

    Columns: `run_at` (the issue time), `valid_at`, `station_id`, `station_name`,
    `station_latitude_deg`, `station_longitude_deg`, `station_height_m`, then those of `ELEMENTS` as
    floats. A missing value is null. A malformed number is NaN, and so is every value of a station
    whose number of values differs from the number of steps, since none can be assigned to a time.

    Raises:
        ParseError: The body is no KMZ of MOSMIX, or has no issue time.
    """
    with opened_member(archive, "*.kml", max_bytes=_LARGEST_DOCUMENT_BYTES) as member:
        document = _read(member)
    if document.issued is None or not document.steps or not document.stations:
        raise ParseError("the KML has no issue time, no time steps or no stations")
    texts = pl.DataFrame(document.stations, schema=dict.fromkeys(_station_fields(), pl.String))
    if texts.select(pl.all_horizontal(pl.col(*ELEMENTS).is_null().all())).item():
        raise ParseError(f"none of the elements {', '.join(ELEMENTS)} is in the KML")
    steps = pl.Series(document.steps)
    longitude, latitude, height = (
        pl.col("coordinates").str.split(",").list.get(place, null_on_oob=True) for place in range(3)
    )
    return (
        texts.select(
            run_at=_instant(pl.lit(document.issued)),
            valid_at=pl.lit(steps.implode().first()),
            station_id=pl.col("name"),
            station_name=pl.col("description"),
            station_latitude_deg=_number(latitude),
            station_longitude_deg=_number(longitude),
            station_height_m=_number(height),
            **{
                element.column: _values(name, len(document.steps))
                for name, element in ELEMENTS.items()
            },
        )
        .explode("valid_at", *(element.column for element in ELEMENTS.values()))
        .with_columns(
            _instant(pl.col("valid_at")),
            **{
                column: convert(_number(pl.col(column))) if convert else _number(pl.col(column))
                for column, convert in ELEMENTS.values()
            },
        )
    )


def _station_fields() -> list[str]:
    return ["name", "description", "coordinates", *ELEMENTS]


def _values(element: str, steps: int) -> pl.Expr:
    """Return a list of `steps` texts for each station, whatever its text holds."""
    values = pl.col(element).str.extract_all(r"\S+")
    nothing = pl.lit([None] * steps, dtype=pl.List(pl.String))
    no_number = pl.lit(["miscounted"] * steps, dtype=pl.List(pl.String))
    return (
        pl.when(pl.col(element).is_null())
        .then(nothing)
        .when(values.list.len() == steps)
        .then(values)
        .otherwise(no_number)
    )


def _number(text: pl.Expr) -> pl.Expr:
    given = text.is_not_null() & (text != _MISSING)
    return pl.when(given).then(text.cast(pl.Float64, strict=False).fill_null(_NOT_A_NUMBER))


def _instant(text: pl.Expr) -> pl.Expr:
    """Read an instant with its offset; a malformed one becomes null."""
    return text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).cast(INSTANT)


def _read(member: IO[bytes]) -> _Document:
    issued: str | None = None
    steps: list[str] = []
    stations: list[dict[str, str | None]] = []
    try:
        for element in _ends(member):
            match etree.QName(element).localname:
                case "IssueTime":
                    issued = element.text
                case "TimeStep":
                    steps.append((element.text or "").strip())
                case _:
                    stations.append(_station(element))
                    element.clear()
    except etree.XMLSyntaxError as error:
        raise ParseError(f"the KML is not XML: {error.msg}") from error
    return _Document(issued and issued.strip(), steps, stations)


def _ends(member: IO[bytes]) -> Iterator[etree._Element]:
    """Yield the relevant elements as they end, without resolving anything outside the document."""
    tags = ("{*}IssueTime", "{*}TimeStep", "{*}Placemark")
    events: Any = etree.iterparse(
        member,
        events=("end",),
        tag=tags,
        **HARDENED,
    )
    for _, element in events:
        if element.getroottree().docinfo.internalDTD is not None:
            raise ParseError("a KML with a document type is not read")
        yield element


def _station(placemark: etree._Element) -> dict[str, str | None]:
    """Return a station's name, description, coordinates and the texts of the wanted elements."""
    station: dict[str, str | None] = {
        name: placemark.findtext(f".//{{*}}{name}")
        for name in ("name", "description", "coordinates")
    }
    for forecast in placemark.iterfind(".//{*}Forecast"):
        name = next(
            (text for key, text in forecast.items() if etree.QName(key).localname == "elementName"),
            "",
        )
        if name in ELEMENTS:
            station[str(name)] = forecast.findtext("{*}value")
    return {key: text and text.strip() for key, text in station.items()}
