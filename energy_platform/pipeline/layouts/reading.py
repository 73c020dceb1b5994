"""Finds the layout in a message's bytes: JSON, XML, delimited text, XLSX, and ZIP of these.

This runs beside every batch, so it is cheap: it reads only the beginning of a large body, and only
some members of a long array or element, the first and last among them. A message in another format
(GRIB, free text) has no layout. Only the kinds of values are kept, never a value.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from lxml import etree
from pydantic_core import from_json

from energy_platform.encodings import workbook
from energy_platform.encodings.body_weight import weight
from energy_platform.encodings.limited_process import within_limits
from energy_platform.encodings.xml_document import HARDENED, read_xml
from energy_platform.encodings.zip_archive import member_heads
from energy_platform.errors import ParseError
from energy_platform.pipeline.layouts.layout import ELEMENT, Field, Layout, ValueKind

_WHOLE_BYTES: Final = 256 * 1024
"""A body up to this size is read whole; of a larger one, this much of its beginning."""
_HEAD_BYTES: Final = 64 * 1024
_MEMBERS: Final = 16
"""How many members of an archive are read."""
_SAMPLED: Final = (4, 6, 3)
"""How many members of a long array or element are read: the first, the last and some between."""
_DEEPEST: Final = 24
_COLUMNS: Final = 1_000
_ROWS: Final = 20

_ISO_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_LOCAL_DATE: Final = re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{4}( \d{1,2}:\d{2}.*)?")
_NUMBER: Final = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)([eE][+-]?\d+)?")
_NO_VALUE: Final = frozenset({"", "-", "--", "N.A.", "N.E.", "N/A", "n/a", "NaN", "null", "nil"})
"""Texts that stand for a value that is missing."""
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_NO_DATA_OF_OURS: Final = frozenset(
    {"http://www.w3.org/2001/XMLSchema", "http://www.w3.org/2001/XMLSchema-instance"}
)
"""Namespaces whose attributes describe a document and change with its data."""

_XLSX_KINDS: Final = {
    "int": ValueKind.NUMBER,
    "float": ValueKind.NUMBER,
    "string": ValueKind.TEXT,
    "boolean": ValueKind.BOOLEAN,
    "datetime": ValueKind.INSTANT,
    "date": ValueKind.INSTANT,
}

_Member = TypeVar("_Member")


def layouts_of(body: bytes) -> list[Layout]:
    """Return the layouts in a message: one, or one per member of an archive, or none."""
    try:
        if weight(body) is not None:
            return layouts_in(body)
        found: list[Layout] = within_limits(f"{__name__}:{layouts_in.__name__}", body)
    except (ParseError, ValueError, SyntaxError, RecursionError):
        # The parser quarantines a document that can't be read so far, with the reason.
        return []
    else:
        return found


def layouts_in(body: bytes) -> list[Layout]:
    """Return the same without a limit.

    Raises:
        ParseError: The document can't be read; also ValueError, SyntaxError and RecursionError.
    """
    return list(_layouts(body, is_whole=True))


def _layouts(body: bytes, *, is_whole: bool) -> Iterator[Layout]:
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if body.startswith(b"PK\x03\x04"):
        yield from _archive_layouts(body)
    elif start.startswith((b"{", b"[")):
        yield from _json_layouts(body, is_whole=is_whole)
    elif start.startswith(b"<"):
        yield from _xml_layouts(body, is_whole=is_whole)
    elif not _NOT_TEXT.search(body[:1024]):
        yield from _table_layouts(body, is_whole=is_whole)


def _json_layouts(body: bytes, *, is_whole: bool) -> Iterator[Layout]:
    is_whole = is_whole and len(body) <= _WHOLE_BYTES
    document = from_json(
        body if is_whole else body[:_HEAD_BYTES], allow_partial=False if is_whole else "on"
    )
    root = _json_field(document, _DEEPEST)
    if root.below:
        yield Layout(f"JSON {next(iter(root.kinds))}", root, is_whole)


def _json_field(value: Any, depth: int) -> Field:  # noqa: ANN401 (a JSON value may have any type)
    match value:
        case bool():
            return Field({ValueKind.BOOLEAN})
        case int() | float():
            return Field({ValueKind.NUMBER})
        case str():
            return Field(_kinds_of_json_text(value))
        case dict() if depth:
            names = list(value)[:_COLUMNS]
            below = {name: _json_field(value[name], depth - 1) for name in names}
            return Field({ValueKind.OBJECT}, below)
        case list() if depth:
            array = Field({ValueKind.ARRAY})
            for element in _sample(value):
                array.below.setdefault(ELEMENT, Field()).add(_json_field(element, depth - 1))
            return array
        case _:
            return Field()


def _kinds_of_json_text(text: str) -> set[ValueKind]:
    """Return the kind of a JSON text; a number in quotes is text, since JSON has numbers."""
    if text.strip() in _NO_VALUE:
        return set()
    return {ValueKind.INSTANT if _ISO_INSTANT.fullmatch(text) else ValueKind.TEXT}


def _kinds_of_text(text: str | None) -> set[ValueKind]:
    """Return the kind that a text looks like, in formats where every value is text."""
    value = (text or "").strip()
    if value in _NO_VALUE:
        return set()
    if _ISO_INSTANT.fullmatch(value) or _LOCAL_DATE.fullmatch(value):
        return {ValueKind.INSTANT}
    return {ValueKind.NUMBER if _NUMBER.fullmatch(value) else ValueKind.TEXT}


def _xml_layouts(body: bytes, *, is_whole: bool) -> Iterator[Layout]:
    is_whole = is_whole and len(body) <= _WHOLE_BYTES
    root = read_xml(body) if is_whole else _xml_head(body[:_HEAD_BYTES])
    content = root
    if _local_name(root) == "Envelope":
        bodies = [one for one in root if _local_name(one) == "Body"]
        content = next(iter(bodies[0]), root) if bodies else root
    yield Layout(f"XML {_local_name(content)}", _xml_field(content, _DEEPEST), is_whole)


def _xml_head(head: bytes) -> etree._Element:
    """Return the root of a cut document, with the elements that are complete."""
    if b"<!DOCTYPE" in head:
        raise ParseError("XML with a document type is not read")
    parser = etree.XMLPullParser(
        ("start",),
        **HARDENED,
    )
    parser.feed(head)
    started: tuple[str, Any] = next(parser.read_events(), ("", None))
    if started[1] is None:
        raise ParseError("no element in the beginning of the document")
    root: etree._Element = started[1].getroottree().getroot()
    return root


def _xml_field(element: etree._Element, depth: int) -> Field:
    found = Field()
    for attribute, text in element.items():
        name = etree.QName(attribute)
        if name.namespace not in _NO_DATA_OF_OURS:
            found.below[f"@{name.localname}"] = Field(_kinds_of_text(str(text)))
    if len(element) == 0 or not depth:
        found.kinds |= _kinds_of_text(element.text)
        return found
    found.kinds.add(ValueKind.OBJECT)
    for child in _sample(list(element)):
        if etree.QName(child).namespace not in _NO_DATA_OF_OURS:
            below = found.below.setdefault(_local_name(child), Field())
            below.add(_xml_field(child, depth - 1))
    return found


def _local_name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _table_layouts(body: bytes, *, is_whole: bool) -> Iterator[Layout]:
    """Read a header and some rows of delimited text."""
    text = _decoded(body[:_HEAD_BYTES])
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not is_whole or len(body) > _HEAD_BYTES:
        lines = lines[:-1]
    if len(lines) < 2:  # noqa: PLR2004 (a header and a row)
        return
    delimiter = max(";\t,|", key=lines[0].count)
    cells = list(csv.reader([lines[0], *_sample(lines[1:])], delimiter=delimiter))
    header = [name.strip() for name in cells[0]]
    rows = [row for row in cells[1:] if len(row) == len(header)]
    is_header = all(_kinds_of_text(name) <= {ValueKind.TEXT} for name in header)
    if len(header) == 1 or not rows or not is_header:
        return
    columns = {
        name: Field(set().union(*(_kinds_of_text(row[position]) for row in rows)))
        for position, name in enumerate(header[:_COLUMNS])
        if name
    }
    yield Layout("CSV", Field({ValueKind.OBJECT}, columns))


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _archive_layouts(body: bytes) -> Iterator[Layout]:
    heads = member_heads(body, members=_MEMBERS, bytes_each=_HEAD_BYTES)
    if b"xl/workbook.xml" in body:
        yield from _workbook_layouts(body)
        return
    for name, head, is_whole in heads:
        # Names of members have dates and stations in them.
        member = re.sub(r"\d+", "#", name)
        try:
            found = list(_layouts(head, is_whole=is_whole)) if head[:2] != b"PK" else []
        except (ParseError, ValueError, SyntaxError):
            continue
        for layout in found:
            yield Layout(f"{layout.form} in {member}", layout.root, layout.is_whole)


def _workbook_layouts(body: bytes) -> Iterator[Layout]:
    with workbook.opened(body) as book:
        for sheet in book.sheet_names:
            columns = book.load_sheet(sheet, n_rows=_ROWS).available_columns()
            if columns:
                below = {
                    one.name.strip(): Field(
                        {_XLSX_KINDS[one.dtype]} if one.dtype in _XLSX_KINDS else set()
                    )
                    for one in columns[:_COLUMNS]
                }
                yield Layout("XLSX", Field({ValueKind.OBJECT}, below))


def _sample(members: Sequence[_Member]) -> Sequence[_Member]:
    """Return the first, the last and some members between; all members of a short sequence."""
    first, between, last = _SAMPLED
    if len(members) <= first + between + last:
        return members
    step = (len(members) - first - last) // between
    middle = [members[first + step * number] for number in range(between)]
    return [*members[:first], *middle, *members[-last:]]
