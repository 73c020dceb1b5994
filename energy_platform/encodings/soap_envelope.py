"""The SOAP envelope, 1.1 and 1.2: the element in its body, or the fault.

A format knows what an operation's answer means.
"""

from typing import Final

from lxml import etree

from energy_platform.encodings.xml_document import excerpt, read_xml
from energy_platform.errors import ParseError

_NAMESPACES: Final = (
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
)


def read_envelope(payload: bytes) -> etree._Element:
    """Return the one element inside the body of a SOAP envelope.

    Raises:
        ParseError: The payload is a fault (its text is in the message), XML of another kind, or
            not XML at all, such as an error page (its beginning is in the message).
    """
    root = read_xml(payload)
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in _NAMESPACES:
        raise ParseError(f"not a SOAP envelope but <{name.localname}>: {excerpt(payload)}")
    body = root.find(f"{{{name.namespace}}}Body")
    content = None if body is None else next(body.iterchildren(), None)
    if content is None:
        raise ParseError("the SOAP body is empty")
    if content.tag == f"{{{name.namespace}}}Fault":
        raise ParseError(f"SOAP fault: {_fault_text(content)}")
    return content


def _fault_text(fault: etree._Element) -> str:
    """Return what a fault says: `faultstring` in SOAP 1.1, `Reason/Text` in SOAP 1.2."""
    said = fault.xpath("string(faultstring | *[local-name()='Reason']/*[local-name()='Text'])")
    return " ".join(str(said).split()) or "no reason given"
