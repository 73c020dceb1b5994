"""The SOAP envelope, 1.1 and 1.2: what its body holds, or why it holds none.

XML is read with everything off that could reach outside the document or blow it up. What the
answer of an operation means is the business of a format or source.
"""

import re
from typing import Final

from lxml import etree

from energy_platform.errors import ParseError

_NAMESPACES: Final = (
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
)
_TAGS: Final = re.compile(r"<[^<>]*>")
_EXCERPT_CHARACTERS: Final = 120


def read_envelope(payload: bytes) -> etree._Element:
    """Return the one element inside the body of a SOAP envelope.

    Raises:
        ParseError: The payload is a fault (its text is in the message), XML of another kind, or
            not XML at all, such as an error page (its beginning is in the message).
    """
    root = read_xml(payload)
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in _NAMESPACES:
        raise ParseError(f"not a SOAP envelope but <{name.localname}>: {_excerpt(payload)}")
    body = root.find(f"{{{name.namespace}}}Body")
    content = None if body is None else next(body.iterchildren(), None)
    if content is None:
        raise ParseError("the SOAP body is empty")
    if content.tag == f"{{{name.namespace}}}Fault":
        raise ParseError(f"SOAP fault: {_fault_text(content)}")
    return content


def read_xml(payload: bytes) -> etree._Element:
    """Return the root of an XML document that has no document type declaration.

    Raises:
        ParseError: It is not well-formed, or declares a document type.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(payload, parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"not XML ({error.msg}): {_excerpt(payload)}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ParseError(f"XML with a document type is not read: {_excerpt(payload)}")
    return root


def _fault_text(fault: etree._Element) -> str:
    """Return what a fault says: `faultstring` in SOAP 1.1, `Reason/Text` in SOAP 1.2."""
    said = fault.xpath("string(faultstring | *[local-name()='Reason']/*[local-name()='Text'])")
    return " ".join(str(said).split()) or "no reason given"


def _excerpt(payload: bytes) -> str:
    """Return the beginning of a payload on one line, without markup where it is HTML or XML."""
    text = payload[: 16 * _EXCERPT_CHARACTERS].decode("utf-8", errors="replace")
    words = " ".join(_TAGS.sub(" ", text).split())
    return words[:_EXCERPT_CHARACTERS] or "no text"
