"""ČEPS's data service: the windows that may be asked for, and the series of its replies.

A reply names its own columns: `serie` elements say which value attribute of an item is which
series and in which unit, and both differ from reply to reply. What a series means, and which ones
a table has, is the business of a source.
"""

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
from energy_platform.market.provider import Provider
from energy_platform.market.rows import INSTANT

CEPS: Final = Provider(name="ČEPS")
SERVICE: Final = "https://www.ceps.cz/_layouts/CepsData.asmx"
WSDL: Final = f"{SERVICE}?WSDL"
SPELLINGS: Final = {
    "agregation": ("agregation", "aggregation"),
    "version": ("version",),
    "para1": ("para1", "param1"),
}
"""Parameters that operations spell differently or don't have; the service ignores unknown ones."""
MOST_DAYS: Final = timedelta(days=7)
"""How much is asked for at once."""

_MARKET_TIME: Final = "Europe/Prague"
_ROUND: Final = timedelta(hours=3)
_AGGREGATIONS: Final = {"MI": "1m", "QH": "15m", "HR": "1h", "DY": "1d"}
"""How long an item holds, as polars says it."""
_IN_MEGAWATTS: Final = re.compile(r"\s*(.*\S)\s*\[MW\]\s*")
_DATE: Final = "date"
_PERIOD: Final = ("delivery_start", "delivery_end")


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return `dateFrom` and `dateTo` around a window, in local time without an offset.

    Widened to local hours that three divides: none of them comes twice or never when clocks
    change, and the question stays the same until the next one. `dateTo` is included.
    """
    zone = ZoneInfo(_MARKET_TIME)
    first, last = (at.astimezone(zone).replace(tzinfo=None) for at in (start, end))
    midnight = datetime.min  # noqa: DTZ901 (local times of no zone, to count from)
    return {
        "dateFrom": (first - (first - midnight) % _ROUND).isoformat(),
        "dateTo": (last + (midnight - last) % _ROUND).isoformat(),
    }


def series(reply: bytes, operation: str) -> pl.DataFrame:
    """Return the items of a reply: `delivery_start`, `delivery_end`, and a column per series in MW.

    A column is named as the reply names its series, without the unit. An item that holds no value
    says nothing and is left out; a number that is none becomes NaN; a date without an offset, or
    that is none, becomes null. A reply without items has no row.

    Args:
        reply: The SOAP envelope, or the `root` of its payload alone.
        operation: The operation that an envelope must answer.

    Raises:
        ParseError: The reply is of another form or a fault, says nothing of its aggregation, or
            holds a value of which no series tells the meaning, or one that is not in MW.
    """
    root = _payload(reply, operation)
    names = _names(root)
    items = _items(root)
    attributes = {str(key) for item in items for key in item.keys()}  # noqa: SIM118 (an element is not its attributes)
    if unknown := sorted(attributes - names.keys() - {_DATE}):
        raise ParseError(f"no series says what {', '.join(unknown)} is")
    if not names or not items:
        return pl.DataFrame(schema=_dtypes(names.values()))
    text = pl.DataFrame(
        [[item.get(key) for key in (_DATE, *names)] for item in items],
        schema=dict.fromkeys((_DATE, *names.values()), pl.String),
        orient="row",
    )
    start = pl.col(_DATE).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    local_end = start.dt.convert_time_zone(_MARKET_TIME).dt.offset_by(_step(root))
    return text.select(
        delivery_start=start,
        delivery_end=local_end.dt.convert_time_zone("UTC"),
        **{name: number(pl.col(name)) for name in names.values()},
    ).filter(pl.any_horizontal(pl.col(*names.values()).is_not_null()))


def columns(found: pl.DataFrame, known: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return the columns of a table, each from the series that has one of its known names.

    A column whose series the reply lacks is null.

    Raises:
        ParseError: The reply has a series that has no column, or two for one.
    """
    column_of = {name.casefold(): column for column, names in known.items() for name in names}
    given = found.columns[len(_PERIOD) :]
    if unknown := [name for name in given if name.casefold() not in column_of]:
        raise ParseError(f"no column for the series {', '.join(unknown)}")
    named = {column_of[name.casefold()]: name for name in given}
    if len(named) < len(given):
        raise ParseError(f"two of the series {', '.join(given)} are the same column")
    nothing = pl.lit(None, dtype=pl.Float64)
    return found.select(
        *_PERIOD, **{name: pl.col(named[name]) if name in named else nothing for name in known}
    )


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


def _names(root: etree._Element) -> dict[str, str]:
    """Return the value attributes of items and the names of their series."""
    found = [(serie.get("id", ""), serie.get("name", "")) for serie in root.iter("{*}serie")]
    names: dict[str, str] = {}
    for key, name in found:
        in_megawatts = _IN_MEGAWATTS.fullmatch(name)
        if in_megawatts is None or key in names:
            raise ParseError(f"the series {key!r} is {name!r}, not another one in MW")
        names[key] = " ".join(in_megawatts[1].split())
    if len({name.casefold() for name in names.values()}) < len(names):
        raise ParseError("two series have the same name")
    return names


def _step(root: etree._Element) -> str:
    information = root.find("{*}information")
    said = "" if information is None else information.findtext("{*}aggregation", "")
    try:
        return _AGGREGATIONS[said.strip().upper()]
    except KeyError:
        raise ParseError(f"the aggregation is {said!r}") from None


def _dtypes(names: Iterable[str]) -> dict[str, pl.DataType]:
    return {**dict.fromkeys(_PERIOD, INSTANT), **dict.fromkeys(names, pl.Float64())}
