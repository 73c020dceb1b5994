"""ČEPS's data service: the windows that may be asked for, and the series of its replies.

A reply names its own columns: `serie` elements say which value attribute of an item is which series
and in which unit, and both differ between replies. Each source knows what the series mean, and
which ones its table has.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from lxml import etree

from energy_platform.encodings.json_reply import number
from energy_platform.encodings.soap_envelope import read_envelope
from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.rows import REFUSED

CEPS: Final = Provider(name="ČEPS")
SERVICE: Final = "https://www.ceps.cz/_layouts/CepsData.asmx"
WSDL: Final = f"{SERVICE}?WSDL"
SPELLINGS: Final = {
    "agregation": ("agregation", "aggregation"),
    "version": ("version",),
    "para1": ("para1", "param1"),
}
"""Parameters that some operations spell differently or lack; the service ignores unknown ones."""
MOST_DAYS: Final = timedelta(days=7)
"""How many days are asked for at once."""

_MARKET_TIME: Final = "Europe/Prague"
_ROUND: Final = timedelta(hours=3)
_AGGREGATIONS: Final = {"MI": "1m", "QH": "15m", "HR": "1h", "DY": "1d"}
"""The length of an item, as polars writes durations."""
_IN_MEGAWATTS: Final = re.compile(r"\s*(.*\S)\s*\[MW\]\s*")
_DATE: Final = "date"
_PERIOD: Final = ("delivery_start", "delivery_end")


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return `dateFrom` and `dateTo` around a window, in local time without an offset.

    The window is widened to local hours divisible by three: no clock change repeats or skips them,
    and the question stays the same until the next one. `dateTo` is included.
    """
    zone = ZoneInfo(_MARKET_TIME)
    first, last = (at.astimezone(zone).replace(tzinfo=None) for at in (start, end))
    midnight = datetime.min  # noqa: DTZ901 (a local time without a zone, from which hours are counted)
    return {
        "dateFrom": (first - (first - midnight) % _ROUND).isoformat(),
        "dateTo": (last + (midnight - last) % _ROUND).isoformat(),
    }


def series(reply: bytes, operation: str) -> pl.DataFrame:
    """Return the items of a reply: `delivery_start`, `delivery_end`, and a column per series in MW.

    A column is named as the reply names its series, without the unit. An item without a value is
    left out. A malformed number becomes NaN; a date that is malformed or has no offset becomes
    null. A reply without items has no row. `refused` says which series is not read, and why: it is
    not in MW, it has no name, or another series has its name.

    Args:
        reply: The SOAP envelope, or the `root` of its payload alone.
        operation: The operation that an envelope must answer.

    Raises:
        ParseError: The reply is of another form or a fault, or does not name its aggregation.
    """
    root = _payload(reply, operation)
    names, why = _names(root)
    items = _items(root)
    attributes = [{str(key): value for key, value in item.items()} for item in items]
    unknown = sorted({*itertools.chain(*attributes)} - names.keys() - why.keys() - {_DATE})
    reasons = [*why.values(), *(f"no series says what {key} is" for key in unknown)]
    refused = pl.DataFrame({REFUSED: reasons}, schema={REFUSED: pl.String})
    if not names or not items:
        return pl.concat([pl.DataFrame(schema=_dtypes(names.values())), refused], how="diagonal")
    text = pl.DataFrame(
        [[said.get(key) for key in (_DATE, *names)] for said in attributes],
        schema=dict.fromkeys((_DATE, *names.values()), pl.String),
        orient="row",
    )
    start = pl.col(_DATE).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    local_end = start.dt.convert_time_zone(_MARKET_TIME).dt.offset_by(_step(root))
    found = text.select(
        delivery_start=start,
        delivery_end=local_end.dt.convert_time_zone("UTC"),
        **{name: number(pl.col(name)) for name in names.values()},
    ).filter(pl.any_horizontal(pl.col(*names.values()).is_not_null()))
    return pl.concat([found, refused], how="diagonal")


def columns(found: pl.DataFrame, known: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return the columns of a table, each from the series that has one of its known names.

    A column whose series the reply lacks is null. A series without a column is refused, and so are
    two series of the same column.
    """
    column_of = {name.casefold(): column for column, names in known.items() for name in names}
    given = [name for name in found.columns if name not in (*_PERIOD, REFUSED)]
    named: dict[str, str] = {}
    reasons = []
    for name in given:
        column = column_of.get(name.casefold())
        same = [other for other in given if column_of.get(other.casefold()) == column]
        if column is None:
            reasons.append(f"no column for the series {name}")
        elif len(same) > 1:
            reasons.append(f"the series {', '.join(same)} are the same column")
        else:
            named[column] = name
    values = [pl.col(name).alias(column) for column, name in named.items()]
    read = found.select(*_PERIOD, REFUSED, *values)
    told = pl.any_horizontal(pl.col(REFUSED, *named).is_not_null())
    table = pl.DataFrame(schema=_dtypes(known))
    refused = pl.DataFrame({REFUSED: reasons}, schema={REFUSED: pl.String})
    return pl.concat([table, read.filter(told), refused], how="diagonal")


def _payload(reply: bytes, operation: str) -> etree._Element:
    document = read_xml(reply)
    if etree.QName(document).localname == "root":
        return document
    answer = read_envelope(reply)
    name = etree.QName(answer).localname
    if name != f"{operation}Response":
        raise ParseError(f"<{name}> does not answer {operation}")
    root = next(answer.iter("{*}root"), None)
    if root is None:
        raise ParseError(f"the answer to {operation} has no payload")
    return root


def _items(root: etree._Element) -> list[etree._Element]:
    """Return the items of a payload; none if it has no `data`, or nothing in it."""
    parts = {etree.QName(part).localname for part in root}
    if "information" not in parts:
        raise ParseError("the payload has no information about itself")
    if "data" not in parts and (unknown := sorted(parts - {"information", "series"})):
        raise ParseError(f"no data, but {', '.join(unknown)}")
    items = [item for data in root.iterchildren("{*}data") for item in data]
    if unknown := sorted({etree.QName(item).localname for item in items} - {"item"}):
        raise ParseError(f"no items, but {', '.join(unknown)}")
    return items


def _names(root: etree._Element) -> tuple[dict[str, str], dict[str, str]]:
    """Return value attributes with the names of their series, and why a series is not read."""
    names: dict[str, str] = {}
    refused: dict[str, str] = {}
    for serie in root.iter("{*}serie"):
        key, said = serie.get("id", ""), serie.get("name", "")
        in_megawatts = _IN_MEGAWATTS.fullmatch(said)
        name = " ".join(in_megawatts[1].split()) if in_megawatts else ""
        if in_megawatts is None:
            refused[key] = f"the series {key!r} is {said!r}, not one in MW"
        elif key in names or name.casefold() in {each.casefold() for each in names.values()}:
            refused[key] = f"the series {key!r} is {said!r}, as another one is"
        else:
            names[key] = name
    return {key: name for key, name in names.items() if key not in refused}, refused


def _step(root: etree._Element) -> str:
    information = root.find("{*}information")
    said = "" if information is None else information.findtext("{*}aggregation", "")
    try:
        return _AGGREGATIONS[said.strip().upper()]
    except KeyError:
        raise ParseError(f"the aggregation is {said!r}") from None


def _dtypes(names: Iterable[str]) -> dict[str, pl.DataType]:
    values = dict.fromkeys(names, pl.Float64())
    return {**dict.fromkeys(_PERIOD, INSTANT), **values, REFUSED: pl.String()}
