"""XML, read without entities, document types and network access.

Each format knows what the elements mean.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from lxml import etree

from energy_platform.encodings.body_weight import expect_to_hold
from energy_platform.errors import ParseError

_TAGS: Final = re.compile(r"<[^<>]*>")
PROLOG: Final = rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+"
"""What may stand before a document's first element; tried in one way only, however it ends."""
_DOCUMENT_TYPE: Final = re.compile(rb"(?:\xef\xbb\xbf)?" + PROLOG + rb"<!DOCTYPE", re.DOTALL)
_EXCERPT_CHARACTERS: Final = 120
GARBLED: Final = "\ufffd"
"""The text of an element that should have one text, and has several or other elements."""


HARDENED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "resolve_entities": False,
        "no_network": True,
        "load_dtd": False,
        "huge_tree": False,
        "remove_comments": True,
        "remove_pis": True,
    }
)
"""The options of every lxml parser that reads providers' documents."""


def read_xml(payload: bytes) -> etree._Element:
    """Return the root of an XML document that has no document type declaration.

    Raises:
        ParseError: It is not well-formed, declares a document type, or has too many elements.
    """
    expect_to_hold(payload)
    if _DOCUMENT_TYPE.match(payload):
        # Before it is parsed, since each element would get the attributes that it declares.
        raise _of_a_type(payload)
    parser = etree.XMLParser(
        **HARDENED,
        remove_blank_text=True,  # white space between elements, which is half of all nodes
    )
    try:
        root = etree.fromstring(payload, parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"not XML ({error.msg}): {excerpt(payload)}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise _of_a_type(payload)
    return root


def _of_a_type(payload: bytes) -> ParseError:
    return ParseError(f"XML with a document type is not read: {excerpt(payload)}")


def only_text(found: Sequence[etree._Element]) -> str | None:
    """Return the text of the only element; None if there is no element.

    If there are several, or the one contains others, the text is `GARBLED`: no number, instant or
    code.
    """
    if not found:
        return None
    if len(found) > 1 or len(found[0]):
        return GARBLED
    text: str | None = found[0].text
    return text


def excerpt(payload: bytes) -> str:
    """Return the beginning of a payload on one line, without the markup of HTML or XML."""
    text = payload[: 16 * _EXCERPT_CHARACTERS].decode("utf-8", errors="replace")
    words = " ".join(_TAGS.sub(" ", text).split())
    return words[:_EXCERPT_CHARACTERS] or "no text"
