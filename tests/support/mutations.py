"""Damaged payloads: in their bytes, and in the structure of their format.

Every mutator takes its decisions from a `random.Random`, so that a caller can replay and shrink
them. The test knows what a parser must make of the result.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from lxml import etree

MOST_BYTES: Final = 2_000_000

_NUMBER: Final = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_ODD_TEXTS: Final = (
    *("", " ", "-", "0", "-1", "NaN", "inf", "-inf", "1e999", "1e-320", "99999999999999999999"),
    *("1,5", "1.432,0", "N.A.", "null", "true", "0x10", "1_000", "٣", "9" * 400, "💥"),
    *("2026-02-30", "0000-00-00", "9999-12-31T23:59:59Z", "2026-03-29T02:30:00", "24:00", "P1Y"),
)
_ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 10**30, -(2**63), 1e308, float("nan"), float("inf"), 1e-320),
    *([], {}, [[]], [None], {"": None}, "", "-", "NaN", "1,5", "9" * 400, "2026-02-30"),
)
_GARBLED: Final = "~garbled~"
_ODD_BYTES: Final = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"<", b"]]>", b'"', b"\n", b";", b"PK")
_LAUGHS: Final = (
    b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">'
    b'<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e SYSTEM "file:///etc/passwd">]>'
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A damaged payload.

    Attributes:
        what: What was done to it.
        body: The result.
        garbled: Whether the only damage is one malformed number, so that no record is gone.
    """

    what: str
    body: bytes
    garbled: bool = False


def mutated(body: bytes, random: Random) -> Mutation:
    """Return a payload with damage to its structure, to its bytes, or to both."""
    if random.random() < 0.2:
        return _bytes(body, random)
    found = _of_its_format(body)(body, random)
    if random.random() < 0.1:
        found = replace(_bytes(found.body, random), what=f"{found.what}, then bytes")
    return replace(found, body=found.body[:MOST_BYTES])


def _of_its_format(body: bytes) -> Callable[[bytes, Random], Mutation]:
    head = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:4]
    if head.startswith(b"PK"):
        return _zip
    if head.startswith(b"GRIB"):
        return _grib
    if head.startswith(b"<"):
        return _xml
    if head[:1] in (b"{", b"["):
        return _json
    return _table if b"\n" in body and b"\x00" not in body else _bytes


def _bytes(body: bytes, random: Random) -> Mutation:
    """Flip, cut, splice, duplicate or insert bytes, a few times over."""
    data = bytearray(body)
    done = []
    for _ in range(random.randint(1, 3)):
        what = random.choice(("flip", "cut", "splice", "duplicate", "insert", "drop"))
        done.append(what)
        at = random.randint(0, len(data))
        length = random.choice((1, 2, 8, 64, 1024))
        if what == "flip" and data:
            data[at % len(data)] ^= 1 << random.randint(0, 7)
        elif what == "cut":
            del data[at:]
        elif what == "splice":
            start = random.randint(0, len(body))
            data[at : at + length] = body[start : start + length]
        elif what == "duplicate":
            data[at:at] = data[at : at + length]
        elif what == "insert":
            data[at:at] = random.choice(_ODD_BYTES)
        else:
            del data[at : at + length]
    return Mutation("bytes: " + ", ".join(done), bytes(data[:MOST_BYTES]))


def _json(body: bytes, random: Random) -> Mutation:
    """Change one place of a JSON document."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _bytes(body, random)
    holder = [document]
    parent, key = random.choice(_places(holder))
    what = random.choice(("odd", "garble", "date", "drop", "rename", "repeat", "shuffle", "wrap"))
    value = parent[key]
    garbled = False
    if what == "garble" and _is_number(value):
        parent[key] = _GARBLED
        garbled = True
    elif what == "date" and isinstance(value, str):
        parent[key] = _other_date(value, random)
    elif what == "drop" and (isinstance(parent, dict) or len(parent) > 1):
        del parent[key]
    elif what == "rename" and isinstance(parent, dict):
        parent[_other_name(str(key), random)] = parent.pop(key)
    elif what == "repeat" and isinstance(parent, list):
        parent[key:key] = [value] * random.choice((1, 2, 50))
    elif what == "shuffle" and isinstance(value, list):
        random.shuffle(value)
    elif what == "wrap":
        parent[key] = random.choice(([value], {"value": value}, str(value)))
    else:
        what = "odd"
        parent[key] = random.choice(_ODD_VALUES)
    return Mutation(f"JSON: {what} at {key!r}", json.dumps(holder[0]).encode(), garbled)


def _places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Return every place of a document: its container, and its key there."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [holder]
    while waiting:
        parent = waiting.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        for key in keys:
            found.append((parent, key))
            if isinstance(parent[key], dict | list):
                waiting.append(parent[key])
    return found


def _xml(body: bytes, random: Random) -> Mutation:
    """Change one element of an XML document, or one of its attributes."""
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return _bytes(body, random)
    if random.random() < 0.03:
        return Mutation("XML: document type", _LAUGHS + etree.tostring(root))
    element = random.choice([each for each in root.iter() if isinstance(each.tag, str)])
    names = [str(name) for name in element.keys()]  # noqa: SIM118 (an element is not its attributes)
    if names and random.random() < 0.6:
        what, garbled = _attribute(element, random.choice(names), random)
    else:
        what, garbled = _element(element, random)
    place = etree.QName(element).localname
    return Mutation(f"XML: {what} of {place}", etree.tostring(root, encoding="UTF-8"), garbled)


def _attribute(element: etree._Element, name: str, random: Random) -> tuple[str, bool]:
    value = str(element.get(name))
    what = random.choice(("garble", "date", "drop", "rename", "odd"))
    garbled = what == "garble" and _is_number(value)
    if garbled:
        element.set(name, _GARBLED)
    elif what == "date":
        element.set(name, _other_date(value, random))
    elif what == "drop":
        del element.attrib[name]
    elif what == "rename":
        del element.attrib[name]
        element.set(_other_name(etree.QName(name).localname, random), value)
    else:
        element.set(name, random.choice(_ODD_TEXTS))
    return f"{what} @{name}", garbled


def _element(element: etree._Element, random: Random) -> tuple[str, bool]:
    parent = element.getparent()
    name = etree.QName(element)
    what = random.choice(("garble", "date", "drop", "rename", "repeat", "add", "namespace", "odd"))
    garbled = what == "garble" and _is_number(element.text)
    if garbled:
        element.text = _GARBLED
    elif what == "date":
        element.text = _other_date(element.text or "", random)
    elif what == "drop" and parent is not None:
        parent.remove(element)
    elif what == "rename":
        element.tag = f"{{{name.namespace or ''}}}{_other_name(name.localname, random)}"
    elif what == "repeat" and parent is not None:
        for _ in range(random.choice((1, 2, 50))):
            parent.insert(parent.index(element), deepcopy(element))
    elif what == "add":
        etree.SubElement(element, "unheard").text = "1"
    elif what == "namespace":
        element.tag = f"{{urn:another}}{name.localname}"
    else:
        element.text = random.choice(_ODD_TEXTS)
    return what, garbled


def _table(body: bytes, random: Random) -> Mutation:
    """Change one line or field of a text table, or all of its separators."""
    text = body.decode("latin-1")
    separator = max(";,\t|", key=text.count)
    rows = [line.split(separator) for line in text.split("\n")]
    at = random.randrange(len(rows))
    field = random.randrange(len(rows[at]))
    value = rows[at][field]
    what = random.choice(("odd", "garble", "date", "drop line", "repeat", "drop", "add", "cut"))
    garbled = False
    if random.random() < 0.1:
        other = random.choice(";,\t| ")
        return Mutation(f"table: separator {other!r}", text.replace(separator, other).encode("l1"))
    if what == "garble" and _is_number(value):
        rows[at][field] = _GARBLED
        garbled = True
    elif what == "date":
        rows[at][field] = _other_date(value, random)
    elif what == "drop line":
        del rows[at]
    elif what == "repeat":
        rows[at:at] = [list(rows[at])] * random.choice((1, 2, 50))
    elif what == "drop":
        del rows[at][field]
    elif what == "add":
        rows[at].insert(field, random.choice(_ODD_TEXTS))
    elif what == "cut":
        rows[at] = rows[at][:field]
    else:
        what = "odd"
        rows[at][field] = random.choice(_ODD_TEXTS)
    joined = "\n".join(separator.join(row) for row in rows)
    return Mutation(f"table: {what} in line {at}", joined.encode("latin-1", "replace"), garbled)


def _zip(body: bytes, random: Random) -> Mutation:
    """Change a member and pack it again, so that its checksum holds; or the archive's directory."""
    members = _members(body)
    if not members:
        return _bytes(body, random)
    at = random.randrange(len(members))
    name, content = members[at]
    what = random.choice(("member",) * 6 + ("rename", "drop", "repeat", "empty"))
    garbled = False
    if what == "member":
        inside = _of_its_format(content)(content, random)
        members[at] = (name, inside.body)
        what, garbled = f"{name}: {inside.what}", inside.garbled
    elif what == "rename":
        members[at] = (_other_name(name, random), content)
    elif what == "drop":
        del members[at]
    elif what == "repeat":
        members.append((f"again/{name}", content))
    else:
        members[at] = (name, b"")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, inside_it in members:
            archive.writestr(zipfile.ZipInfo(each or "nameless"), inside_it)
    return Mutation(f"ZIP: {what}", packed.getvalue(), garbled)


def _members(body: bytes) -> list[tuple[str, bytes]]:
    """Return the names and contents of an archive; none if it is no archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        return []


def _grib(body: bytes, random: Random) -> Mutation:
    """Change bytes inside one section of a GRIB message, or whole sections and messages."""
    sections = _grib_sections(body)
    if not sections:
        return _bytes(body, random)
    start, end = random.choice(sections)
    what = random.choice(("byte", "byte", "byte", "drop", "repeat", "zero", "message"))
    data = bytearray(body)
    if what == "byte":
        for _ in range(random.randint(1, 3)):
            data[random.randrange(start, end)] = random.choice((0, 1, 127, 128, 254, 255))
    elif what == "drop":
        del data[start:end]
    elif what == "repeat":
        data[start:start] = data[start:end]
    elif what == "zero":
        data[start:end] = bytes(end - start)
    else:
        data += body[: random.randint(0, len(body))]
    return Mutation(f"GRIB: {what} in {start}-{end}", bytes(data))


def _grib_sections(body: bytes) -> list[tuple[int, int]]:
    """Return the places of the sections of the first message, as far as they can be told."""
    found = [(0, 16)]
    at = 16
    while at + 5 <= len(body) and body[at : at + 4] != b"7777":
        length = int.from_bytes(body[at : at + 4], "big")
        if not 5 <= length <= len(body) - at:
            break
        found.append((at, at + length))
        at += length
    return found if len(body) > 16 else []


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (
        isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    )


def _other_date(text: str, random: Random) -> str:
    """Return a text with its first date moved or broken; another text if it has no date."""
    found = _DATE.search(text)
    if found is None:
        return random.choice(_ODD_TEXTS)
    other = random.choice(("1970-01-01", "2026-13-01", "9999-12-31", "0001-01-01", "26-3-1"))
    return text[: found.start()] + other + text[found.end() :]


def _other_name(name: str, random: Random) -> str:
    return random.choice((f"{name}x", name[:-1] or "x", name.upper(), name.lower(), "unheard"))


def field_paths(body: bytes) -> frozenset[str] | None:
    """Return the paths of a JSON or XML document that have a value; None for another format.

    Positions in arrays are left out, so that a hundred records have the paths of one; null and
    empty texts are no values.
    """
    head = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if head == b"<":
        try:
            root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            return None
        return frozenset(_xml_paths(root))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return frozenset(
        path for path, value in _json_leaves(document, "") if value not in (None, "", [], {})
    )


def _xml_paths(root: etree._Element) -> set[str]:
    found = set()
    for element in root.iter("*"):
        above = [etree.QName(each).localname for each in element.iterancestors()]
        path = "/".join([*reversed(above), etree.QName(element).localname])
        found.add(path)
        found |= {f"{path}@{name!s}" for name in element.keys()}  # noqa: SIM118 (an element is not its attributes)
    return found


def _json_leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        inside: Sequence[tuple[str, Any]] = [(f"{path}.{key}", each) for key, each in value.items()]
    elif isinstance(value, list):
        inside = [(f"{path}[]", each) for each in value]
    else:
        return [(path, value)]
    return [leaf for below, each in inside for leaf in _json_leaves(each, below)]


def data_lines(body: bytes) -> int:
    """Return how many lines of a text table, or of those in an archive, have content."""
    if members := _members(body):
        return sum(data_lines(content) for _, content in members)
    rows = csv.reader(body.decode("latin-1").replace("\x00", "").splitlines(), delimiter=";")
    return sum(any(field.strip() for field in row) for row in rows)
