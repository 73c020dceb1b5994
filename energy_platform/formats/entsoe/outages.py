"""ENTSO-E's unavailabilities: one document per outage and revision, many of them in a ZIP archive.

An outage keeps its name (mRID), and each change of it is a whole new document with a higher
revision number. The available power during an outage is a step function: each value holds to the
next position, or to the end of its period, whatever the curve type says.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl
from lxml import etree

from energy_platform.encodings.answer_forms import either, xml_form, zip_form
from energy_platform.encodings.json_reply import number
from energy_platform.encodings.zip_archive import directory, members_like
from energy_platform.errors import ParseError
from energy_platform.formats.entsoe.codes import area, production_type
from energy_platform.formats.entsoe.document import POWER
from energy_platform.formats.entsoe.elements import (
    ACKNOWLEDGEMENT,
    as_instant,
    children,
    read_document,
    text_of,
)
from energy_platform.formats.entsoe.periods import timing
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED

PAGE: Final = 200
"""How many documents one reply holds at most."""
LAST_OFFSET: Final = 4_800

ANSWER: Final = either(
    zip_form("*UNAVAILABILITY*.xml"), xml_form("Unavailability_MarketDocument"), ACKNOWLEDGEMENT
)

_ZIP: Final = b"PK"
_LONGEST_POSITION: Final = 9
_INFLATED_BYTES: Final = 64 * 1024 * 1024
_KINDS: Final = {"A77": "production unit", "A80": "generation unit"}
_TYPES: Final = {"A53": "Planned maintenance", "A54": "Unplanned outage"}
_STATUSES: Final = {"A05": "Active", "A09": "Cancelled", "A13": "Withdrawn"}
_RESOURCE: Final = "production_RegisteredResource"
_SYSTEM: Final = f"{_RESOURCE}.pSRType.powerSystemResources"
_SCHEMA: Final = {
    "delivery_start": INSTANT,
    "delivery_end": INSTANT,
    "outage_id": pl.String(),
    "revision_number": pl.String(),
    "time_series": pl.String(),
    "unit_kind": pl.String(),
    "status": pl.String(),
    "outage_type": pl.String(),
    "area": pl.String(),
    "type": pl.String(),
    "unit_eic": pl.String(),
    "unit_name": pl.String(),
    "location": pl.String(),
    "nominal": pl.String(),
    "available": pl.String(),
    "reason_code": pl.String(),
    "reason_text": pl.String(),
    "published_at": INSTANT,
    REFUSED: pl.String(),
    "landing_offset": pl.Int64(),
}


def document_count(body: bytes) -> int:
    """Return how many documents a reply has.

    Raises:
        ParseError: The reply is a broken archive.
    """
    if not body.startswith(_ZIP):
        return 1
    return len(directory(body))


def essence(body: bytes) -> bytes:
    """Return the part of a reply that changes only with its content.

    An archive is packed again for each answer, so its members count and not their times of packing.
    A document's name and time of creation belong to the outage.
    """
    if not body.startswith(_ZIP):
        return body
    try:
        return repr(directory(body)).encode()
    except ParseError:
        return body


def outages(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return one row per stretch of each outage's series with constant available power.

    A member of an archive that can't be read gives one row with its name (`outage_id`) and the
    reason (`refused`). So does a series that is not one of powers, and a stretch whose time or
    available power can't be read.

    Raises:
        ParseError: A reply is no outage and no archive of outages, or it is an acknowledgement.
    """
    found = [
        {**row, "landing_offset": message.landing_offset}
        for message in messages
        for row in _reply(message.body)
    ]
    return pl.DataFrame(found, schema=_SCHEMA).select(
        *("delivery_start", "delivery_end", "outage_id", "time_series", "unit_kind", "status"),
        *("outage_type", "unit_eic", "unit_name", "location", "reason_code", "reason_text"),
        *("published_at", REFUSED, "landing_offset"),
        revision_number=pl.col("revision_number").cast(pl.Int64, strict=False),
        bidding_zone=area("area"),
        production_type=production_type("type"),
        nominal_mw=number(pl.col("nominal")),
        available_mw=number(pl.col("available")),
    )


def _reply(body: bytes) -> list[dict[str, object]]:
    if not body.startswith(_ZIP):
        return list(_document(body))
    members = members_like(body, "*", max_bytes=_INFLATED_BYTES)
    found = [row for name, member in members.items() for row in _member(name, member)]
    if not found:
        raise ParseError("an archive without a document")
    return found


def _member(name: str, member: bytes) -> list[dict[str, object]]:
    try:
        return list(_document(member))
    except ParseError as error:
        return [{"outage_id": name, REFUSED: f"can't be read: {error}"}]


def _document(body: bytes) -> Iterator[dict[str, object]]:
    root = read_document(body)
    kind = text_of(root, "type") or "none"
    if kind not in _KINDS:
        raise ParseError(f"document with type {kind}, not {' or '.join(_KINDS)}")
    status = text_of(root, "docStatus/value") or "A05"
    about = {
        "outage_id": text_of(root, "mRID"),
        "revision_number": text_of(root, "revisionNumber"),
        "unit_kind": _KINDS[kind],
        "status": _STATUSES.get(status, status),
        "published_at": as_instant(text_of(root, "createdDateTime"), "createdDateTime"),
        **_reason(root),
    }
    many = children(root, "TimeSeries")
    if not many:
        raise ParseError("an outage without a series")
    for series in many:
        try:
            yield from list(_series(series, about))
        except ParseError as error:
            yield {**about, "time_series": text_of(series, "mRID"), REFUSED: str(error)}


def _series(series: etree._Element, about: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for element, wanted in POWER.items():
        if text_of(series, element) not in {wanted, None}:
            raise ParseError(f"an outage with {element} {text_of(series, element)}, not {wanted}")
    business = text_of(series, "businessType")
    unit = {
        **about,
        "time_series": text_of(series, "mRID"),
        "outage_type": _TYPES.get(business or "", business),
        "area": text_of(series, "biddingZone_Domain.mRID"),
        "type": text_of(series, f"{_RESOURCE}.pSRType.psrType"),
        "unit_eic": text_of(series, f"{_SYSTEM}.mRID") or text_of(series, f"{_RESOURCE}.mRID"),
        "unit_name": text_of(series, f"{_SYSTEM}.name") or text_of(series, f"{_RESOURCE}.name"),
        "location": text_of(series, f"{_RESOURCE}.location.name"),
        "nominal": text_of(series, f"{_SYSTEM}.nominalP"),
        **{name: value for name, value in _reason(series).items() if value is not None},
    }
    stretches = list(_stretches(series))
    said: dict[datetime | None, set[str | None]] = {}
    for start, _, available in stretches:
        said.setdefault(start, set()).add(available)
    for start, end, available in stretches:
        torn = start is not None and len(said[start]) > 1
        yield {
            **unit,
            "delivery_start": start,
            "delivery_end": end,
            "available": available,
            REFUSED: f"something else is available at {start}, too" if torn else None,
        }


def _stretches(
    series: etree._Element,
) -> Iterator[tuple[datetime | None, datetime | None, str | None]]:
    """Yield start, end and available power of each stretch, in order.

    A withdrawn outage may have no stretch: then the whole outage is one, without an available
    power. A stretch has neither start nor end if its position can't be read, and no end if the next
    one can't.
    """
    periods = children(series, "Available_Period")
    if not periods:
        yield _moment(series, "start"), _moment(series, "end"), None
    for period in periods:
        when = timing(period)
        listed = [
            (_position(point), text_of(point, "quantity")) for point in children(period, "Point")
        ]
        if not listed:
            raise ParseError("an outage with a period without a point")
        known = sorted(position for position, _ in listed if position is not None)
        for place, (position, available) in enumerate(listed):
            following = [each for each, _ in listed[place + 1 :]]
            if position is None or not 1 <= position <= when.length:
                yield None, None, available
            elif following and following[0] is None:
                yield when.at(position), None, available
            else:
                later = known[bisect_right(known, position) :][:1]
                end = min([*later, when.length + 1])
                yield when.at(position), when.at(end), available


def _position(point: etree._Element) -> int | None:
    said = (text_of(point, "position") or "").strip()
    return int(said) if said.isdecimal() and len(said) <= _LONGEST_POSITION else None


def _moment(series: etree._Element, name: str) -> datetime:
    date, time = (text_of(series, f"{name}_DateAndOrTime.{part}") for part in ("date", "time"))
    return as_instant(f"{date}T{time}", f"{name}_DateAndOrTime")


def _reason(element: etree._Element) -> dict[str, str | None]:
    reasons = children(element, "Reason")
    return {
        f"reason_{part}": "; ".join(filter(None, (text_of(each, part) for each in reasons))) or None
        for part in ("code", "text")
    }
