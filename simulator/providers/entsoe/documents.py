"""ENTSO-E's documents, written as the platform writes them: its namespaces, order and white space.

The values come from elsewhere; this module holds the form on the wire alone.
"""

import io
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

import polars as pl

_SENDER: Final = (
    '  <sender_MarketParticipant.mRID codingScheme="A01">10X1001A1001A450'
    "</sender_MarketParticipant.mRID>\n"
    "  <sender_MarketParticipant.marketRole.type>A32"
    "</sender_MarketParticipant.marketRole.type>\n"
    '  <receiver_MarketParticipant.mRID codingScheme="A01">10X1001A1001A450'
    "</receiver_MarketParticipant.mRID>\n"
    "  <receiver_MarketParticipant.marketRole.type>A33"
    "</receiver_MarketParticipant.marketRole.type>\n"
)
_ACKNOWLEDGEMENT: Final = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"
_MINUTE: Final = timedelta(minutes=1)
_POINT: Final = (
    "              <Point>\n                <position>{position}</position>\n"
    "                <{name}>{value}</{name}>\n              </Point>\n"
)
_OUTAGE: Final = "urn:iec62325.351:tc57wg16:451-6:outagedocument:3:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the documents of one family look.

    Attributes:
        root: The outermost element.
        namespace: Its namespace.
        period: The element that says what window the document is about.
        value: The element of a point that holds the value.
    """

    root: str
    namespace: str
    period: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One revision of an outage.

    Attributes:
        outage_id: Its name, the same in all revisions.
        revision_number: From 1.
        type: A77 for production units, A80 for generation units.
        made_at: When this revision was made.
        status: A09 cancelled, A13 withdrawn; none while it is active.
        business_type: A53 planned, A54 not planned.
        area: EIC code of the zone or control area.
        unit_eic: EIC code of the unit.
        unit_name: Its name.
        location: Where it is.
        production_type: Its code.
        nominal_mw: What it can do.
        stretches: Start, end and available power, each stretch beginning where the last one ends.
        reason_code: Why.
        reason_text: Why, in words.
    """

    outage_id: str
    revision_number: int
    type: str
    made_at: datetime
    status: str | None
    business_type: str
    area: str
    unit_eic: str
    unit_name: str
    location: str
    production_type: str
    nominal_mw: int
    stretches: Sequence[tuple[datetime, datetime, int]]
    reason_code: str
    reason_text: str


PUBLICATION: Final = Form(
    root="Publication_MarketDocument",
    namespace="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3",
    period="period.timeInterval",
    value="quantity",
)
PRICES: Final = Form(
    root=PUBLICATION.root,
    namespace=PUBLICATION.namespace,
    period=PUBLICATION.period,
    value="price.amount",
)
GENERATION_AND_LOAD: Final = Form(
    root="GL_MarketDocument",
    namespace="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0",
    period="time_Period.timeInterval",
    value="quantity",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One TimeSeries.

    Attributes:
        head: Its elements before the curve type, written out.
        tail: Its elements between curve type and period, written out.
        curve: A01, or A03: then a value that repeats the one before is left out.
        start: Start of its period (UTC).
        resolution: Length of a position.
        values: One value per position, without a gap.
    """

    head: str
    tail: str
    curve: str
    start: datetime
    resolution: timedelta
    values: pl.Series


def series_document(
    form: Form,
    elements: Mapping[str, str],
    window: tuple[datetime, datetime],
    series: Sequence[Series],
    *,
    made_at: datetime,
) -> bytes:
    """Write a document of these series.

    Args:
        form: The family.
        elements: Its elements between revision number and sender: `type`, `process.processType`.
        window: The window of the request.
        series: Its series.
        made_at: When the document is made; it is written into it.
    """
    start, end = window
    body = "".join(_series(form, number, each) for number, each in enumerate(series, start=1))
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<{form.root} xmlns="{form.namespace}">\n'
        f"  <mRID>{uuid.uuid4().hex}</mRID>\n  <revisionNumber>1</revisionNumber>\n"
        f"{_elements(elements)}{_SENDER}  <createdDateTime>{_second(made_at)}</createdDateTime>\n"
        f"  <{form.period}>\n    <start>{_minute(start)}</start>\n    <end>{_minute(end)}</end>\n"
        f"  </{form.period}>\n{body}</{form.root}>\n"
    ).encode()


def acknowledgement(text: str, *, made_at: datetime) -> bytes:
    """Write the document that says that there is no data: a reason, always of code 999."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Acknowledgement_MarketDocument xmlns="{_ACKNOWLEDGEMENT}">\n'
        f"  <mRID>{str(uuid.uuid4())[:14]}</mRID>\n"
        f"  <createdDateTime>{_second(made_at)}</createdDateTime>\n{_SENDER}"
        f"  <received_MarketDocument.createdDateTime>{_second(made_at)}"
        "</received_MarketDocument.createdDateTime>\n"
        f"  <Reason>\n    <code>999</code>\n    <text>{escape(text)}</text>\n  </Reason>\n"
        "</Acknowledgement_MarketDocument>\n"
    ).encode()


def element(name: str, value: str, indent: int = 2) -> str:
    """Write an element on a line of its own; the code of an area names its coding scheme."""
    scheme = ' codingScheme="A01"' if name.endswith("Domain.mRID") else ""
    return f"{' ' * indent}<{name}{scheme}>{escape(value)}</{name}>\n"


def archive(members: Mapping[str, bytes]) -> bytes:
    """Pack documents into a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def outage_document(outage: Outage) -> bytes:
    """Write one revision of an outage; minutes count its positions, and only changes are listed."""
    start, end = outage.stretches[0][0], outage.stretches[-1][1]
    resource = "production_RegisteredResource"
    unit = {
        f"{resource}.mRID": outage.unit_eic,
        f"{resource}.name": outage.unit_name,
        f"{resource}.location.name": outage.location,
        f"{resource}.pSRType.psrType": outage.production_type,
    }
    moments = {
        f"{edge}_DateAndOrTime.{part}": f"{at:{form}}"
        for edge, at in (("start", start), ("end", end))
        for part, form in (("date", "%Y-%m-%d"), ("time", "%H:%M:%SZ"))
    }
    series = {
        "mRID": "1",
        "businessType": outage.business_type,
        "biddingZone_Domain.mRID": outage.area,
        **moments,
        "quantity_Measure_Unit.name": "MAW",
        "curveType": "A03",
        **unit,
    }
    points = "".join(
        _POINT.format(name="quantity", position=(since - start) // _MINUTE + 1, value=available_mw)
        for since, _, available_mw in outage.stretches
    )
    status = (
        f"      <docStatus>\n        <value>{outage.status}</value>\n      </docStatus>\n"
        if outage.status
        else ""
    )
    head = {
        "mRID": outage.outage_id,
        "revisionNumber": str(outage.revision_number),
        "type": outage.type,
        "process.processType": "A26",
        "createdDateTime": _second(outage.made_at),
    }
    nominal = f"{resource}.pSRType.powerSystemResources.nominalP"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Unavailability_MarketDocument xmlns="{_OUTAGE}">\n'
        f"{_elements(head)}{_SENDER}"
        f"  <unavailability_Time_Period.timeInterval>\n    <start>{_minute(start)}</start>\n"
        f"    <end>{_minute(end)}</end>\n  </unavailability_Time_Period.timeInterval>\n{status}"
        f"  <TimeSeries>\n{_elements(series, 4)}"
        f'      <{nominal}\n            unit="MAW">{outage.nominal_mw}.0</{nominal}>\n'
        f"        <Available_Period>\n{_interval(start, end)}"
        f"          <resolution>PT1M</resolution>\n{points}        </Available_Period>\n"
        f"  </TimeSeries>\n      <Reason>\n        <code>{outage.reason_code}</code>\n"
        f"            <text>{outage.reason_text}</text>\n      </Reason>\n"
        "</Unavailability_MarketDocument>\n"
    ).encode()


def _series(form: Form, number: int, series: Series) -> str:
    values: list[float] = series.values.to_list()
    befores = [None, *values[:-1]]
    listed = [
        (position, value)
        for position, (before, value) in enumerate(zip(befores, values, strict=True), start=1)
        if series.curve == "A01" or value != before
    ]
    points = "".join(
        _POINT.format(
            name=form.value, position=position, value=int(value) if value.is_integer() else value
        )
        for position, value in listed
    )
    end = series.start + len(series.values) * series.resolution
    return (
        f"  <TimeSeries>\n    <mRID>{number}</mRID>\n{series.head}"
        f"{element('curveType', series.curve, 4)}{series.tail}"
        f"      <Period>\n{_interval(series.start, end)}"
        f"        <resolution>PT{series.resolution // _MINUTE}M</resolution>\n{points}"
        "      </Period>\n  </TimeSeries>\n"
    )


def _elements(named: Mapping[str, str], indent: int = 2) -> str:
    return "".join(element(name, value, indent) for name, value in named.items())


def _interval(start: datetime, end: datetime) -> str:
    return (
        f"        <timeInterval>\n          <start>{_minute(start)}</start>\n"
        f"          <end>{_minute(end)}</end>\n        </timeInterval>\n"
    )


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"


def _second(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
