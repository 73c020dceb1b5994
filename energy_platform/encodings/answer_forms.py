"""Checks that an answer is whole and of the expected kind, before it is parsed.

A form inspects a body and raises `ParseError` if it is a page, empty, cut or a foreign document; a
feed counts a question as answered only if its form accepts the answer. Forms check outlines: a root
element and its end, a JSON reply's fields, a table's header. Parsers decide what values mean, and
whether they are right.
"""

import fnmatch
import re
from collections.abc import Callable, Collection
from typing import Any, Final

from lxml import etree
from pydantic_core import from_json

from energy_platform.encodings.body_weight import expect_to_hold
from energy_platform.encodings.json_reply import read_json
from energy_platform.encodings.soap_envelope import read_envelope
from energy_platform.encodings.xml_document import PROLOG, excerpt
from energy_platform.encodings.zip_archive import directory, is_whole
from energy_platform.errors import ParseError

Form = Callable[[bytes], None]
"""Raises `ParseError` if a body is no answer of this form; else does nothing."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ROOT: Final = re.compile(PROLOG + rb"<((?:[\w.-]+:)?([\w.-]+))[\s/>]", re.DOTALL)
_HEAD_BYTES: Final = 4_000


def json_form(
    *fields: str, records: str | None = None, having: Collection[str] = (), bare: bool = False
) -> Form:
    """Return the form of a JSON object, or of an array of such objects.

    Args:
        fields: The fields that it must have.
        records: The field that is an array of records, if there is one.
        having: Fields of which a record must have one, unless there is no record.
        bare: Whether the array of records may also come without the object around it.
    """

    def check(body: bytes) -> None:
        reply = _json(body)
        if bare and isinstance(reply, list):
            found = reply
        else:
            for each in reply if isinstance(reply, list) and records is None else [reply]:
                _check_fields(each, fields, body)
            found = reply[records] if records is not None else []
        if not isinstance(found, list):
            raise ParseError(f"{records!r} is no array: {excerpt(body)}")
        names = {name for record in found if isinstance(record, dict) for name in record}
        if found and having and not names.intersection(having):
            raise ParseError(f"no record has a field {' or '.join(having)}: {excerpt(body)}")

    return check


def xml_form(*roots: str, head: str = "") -> Form:
    """Return the form of an XML document that begins and ends with one of these root elements.

    Args:
        roots: Their local names.
        head: Regular expression that the document's beginning must hold.
    """
    said = re.compile(head.encode(), re.DOTALL)

    def check(body: bytes) -> None:
        beginning = body.removeprefix(_BYTE_ORDER_MARK)[:_HEAD_BYTES]
        root = _ROOT.match(beginning)
        if root is None or root[2].decode() not in roots:
            raise ParseError(f"no {' or '.join(roots)}: {excerpt(body)}")
        if not body.rstrip().endswith(b"</" + root[1] + b">"):
            raise ParseError(f"<{root[2].decode()}> has no end after {len(body)} bytes")
        if not said.search(beginning):
            raise ParseError(f"another {root[2].decode()}: {excerpt(body)}")

    return check


def soap_form(operation: str) -> Form:
    """Return the form of a SOAP envelope that holds the response to an operation."""

    def check(body: bytes) -> None:
        name = etree.QName(read_envelope(body)).localname
        if name != f"{operation}Response":
            raise ParseError(f"<{name}> does not answer {operation}")

    return check


def table_form(*columns: str, separator: str = ";") -> Form:
    """Return the form of a text table: one of these columns, and lines that all end."""

    def check(body: bytes) -> None:
        header, _, _ = body.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")
        names = {name.strip() for name in header.decode("cp1252", "replace").split(separator)}
        if not names.intersection(columns):
            raise ParseError(f"no column {' or '.join(columns)}: {excerpt(body)}")
        if not body.endswith(b"\n"):
            raise ParseError(f"the table's last line has no end after {len(body)} bytes")

    return check


def zip_form(*members: str) -> Form:
    """Return the form of a whole ZIP archive with a member for each of these shell patterns."""

    def check(body: bytes) -> None:
        if not is_whole(body):
            raise ParseError(f"no whole ZIP archive: {excerpt(body)}")
        names = [name for name, _, _ in directory(body)]
        for pattern in members:
            if not fnmatch.filter(names, pattern):
                raise ParseError(f"no member like {pattern}: {', '.join(names[:5])}")

    return check


def either(*forms: Form) -> Form:
    """Return the form of a body that has one of these forms."""

    def check(body: bytes) -> None:
        errors = []
        for form in forms:
            try:
                form(body)
            except ParseError as error:
                errors.append(str(error))
            else:
                return
        raise ParseError("; ".join(errors))

    return check


def is_of(form: Form, body: bytes) -> bool:
    """Return whether a body is of a form."""
    try:
        form(body)
    except ParseError:
        return False
    return True


def _json(body: bytes) -> Any:  # noqa: ANN401 (a JSON value may have any type)
    expect_to_hold(body)
    try:
        return from_json(body.removeprefix(_BYTE_ORDER_MARK), cache_strings="keys")
    except ValueError as error:
        try:
            return read_json(body)  # it reads a bare word, such as `-nan`, as one bad value
        except ParseError:
            raise ParseError(f"no whole JSON ({error}): {excerpt(body)}") from error


def _check_fields(reply: object, fields: Collection[str], body: bytes) -> None:
    if not isinstance(reply, dict):
        raise ParseError(f"no JSON object: {excerpt(body)}")
    if missing := [field for field in fields if field not in reply]:
        raise ParseError(f"no field {' and no '.join(missing)}: {excerpt(body)}")
