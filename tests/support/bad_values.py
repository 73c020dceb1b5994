"""Payloads in which one value of one record is bad, and the same payloads without that record.

JSON, XML and text tables, also as the members of an archive. A record is the innermost element of a
list that holds the value: an object in a JSON array, an XML element among others of its name, a
line. A value in a JSON array of plain values has no record that could be left out.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from lxml import etree

_MARK: Final = "~the bad value~"

JSON_VALUES: Final = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", str(2**70), "[1]", "[]", '{"a": 1}'),
    *(
        "-nan",
        "nan",
        "inf",
        "N/A",
        "true",
        '"text"',
        "null",
        '"2026-02-30"',
        '"2026-02-30T25:61:00Z"',
        '"1e400"',
        '"NaN"',
    ),
)
"""The bad values, as JSON writes them."""

TEXTS: Final = (
    *("NaN", "Infinity", "-Infinity", "1e400", str(2**70), "[1]", "{}", "true", "text", ""),
    *("2026-02-30", "2026-02-30T25:61:00Z"),
)
"""The bad values in XML and in a text table."""


@dataclass(frozen=True, slots=True)
class BadValue:
    """A payload with one bad value.

    Attributes:
        where: The value's place in the payload.
        value: The bad value.
        body: The payload.
        without: The payload without the value's record; None if the record can't be left out alone.
    """

    where: str
    value: str
    body: bytes
    without: bytes | None


Making = Callable[[], BadValue]
"""Makes a payload with one bad value when it is called."""


def bad_values(body: bytes) -> Iterator[Making]:
    """Yield one `Making` for each bad value at each place; nothing for a binary format."""
    head = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:4]
    if head.startswith(b"PK"):
        yield from _in_archive(body)
    elif head.startswith(b"<"):
        yield from _in_xml(body)
    elif head[:1] in (b"{", b"["):
        yield from _in_json(body)
    elif (b";" in body or b"|" in body) and b"\x00" not in body:
        yield from _in_table(body)


def _in_json(body: bytes) -> Iterator[Making]:
    try:
        document = json.loads(body)
    except ValueError:
        return
    for path in _leaves(document):
        # A value outside any list belongs to the whole reply, not to a record.
        if any(isinstance(key, int) for key in path):
            for value in JSON_VALUES:
                yield partial(_bad_json, document, path, value)


def _bad_json(document: Any, path: tuple[Any, ...], value: str) -> BadValue:
    place = max(depth for depth, key in enumerate(path) if isinstance(key, int))
    without = deepcopy(document)
    holder = _at(without, path[:place])
    can_go = place < len(path) - 1 and len(holder) > 1
    del holder[path[place]]
    marked = deepcopy(document)
    _at(marked, path[:-1])[path[-1]] = _MARK
    return BadValue(
        where=".".join(map(str, path)),
        value=value,
        body=json.dumps(marked).replace(f'"{_MARK}"', value).encode(),
        without=json.dumps(without).encode() if can_go else None,
    )


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inside:
            yield from _leaves(each, (*path, key))
    else:
        yield path


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _in_xml(body: bytes) -> Iterator[Making]:
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return
    for element in root.iter("*"):
        record = _record(element)
        if record is None:
            continue
        for name in element.keys():  # noqa: SIM118 (an element is not its attributes)
            for value in TEXTS:
                yield partial(_bad_xml, root, element, record, value, str(name))
        if not len(element) and (element.text or "").strip():
            for value in (*TEXTS, "<element/>", "twice"):
                yield partial(_bad_xml, root, element, record, value, None)


def _record(element: etree._Element) -> etree._Element | None:
    """Return the innermost element around one that has others of its name beside it."""
    for each in (element, *element.iterancestors()):
        parent = each.getparent()
        if parent is not None and sum(other.tag == each.tag for other in parent) > 1:
            return each
    return None


def _bad_xml(
    root: etree._Element,
    element: etree._Element,
    record: etree._Element,
    value: str,
    attribute: str | None,
) -> BadValue:
    without = deepcopy(root)
    gone = _at(without, _place(record))
    gone.getparent().remove(gone)
    changed = deepcopy(root)
    spoilt = _at(changed, _place(element))
    if attribute is not None:
        spoilt.set(attribute, value)
    elif value == "<element/>":
        etree.SubElement(spoilt, "odd").text = "1"
    elif value == "twice":
        other = deepcopy(spoilt)
        other.text = "text"
        spoilt.addnext(other)
    else:
        spoilt.text = value
    where = f"{etree.QName(element).localname} {_place(element)}"
    return BadValue(where, value, etree.tostring(changed), etree.tostring(without))


def _place(element: etree._Element) -> tuple[int, ...]:
    """Return the path from the root to an element: its index below its parent at each step."""
    parent = element.getparent()
    return () if parent is None else (*_place(parent), parent.index(element))


def _in_table(body: bytes) -> Iterator[Making]:
    lines = body.decode("latin-1").split("\n")
    separator = max(";|", key=body.decode("latin-1").count)
    for number, line in list(enumerate(lines))[1:]:
        fields = line.split(separator)
        for place in range(len(fields)) if len(fields) > 1 else ():
            for value in TEXTS:
                yield partial(_bad_line, lines, separator, number, place, value)


def _bad_line(lines: list[str], separator: str, number: int, place: int, value: str) -> BadValue:
    fields = lines[number].split(separator)
    changed = separator.join([*fields[:place], value, *fields[place + 1 :]])
    body, without = (
        "\n".join([*lines[:number], *instead, *lines[number + 1 :]]).encode("latin-1")
        for instead in ([changed], [])
    )
    return BadValue(f"line {number}, field {place}", value, body, without)


def _in_archive(body: bytes) -> Iterator[Making]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        return
    for place, (_, content) in enumerate(members):
        for making in bad_values(content):
            yield partial(_bad_member, members, place, making)


def _bad_member(members: list[tuple[str, bytes]], place: int, making: Making) -> BadValue:
    bad = making()
    without = None if bad.without is None else _packed(members, place, bad.without)
    return replace(bad, body=_packed(members, place, bad.body), without=without)


def _packed(members: list[tuple[str, bytes]], place: int, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number, (name, inside) in enumerate(members):
            archive.writestr(zipfile.ZipInfo(name), content if number == place else inside)
    return packed.getvalue()
