"""The SOAP envelope, 1.1 and 1.2: the element in its body, or the fault.

Each format knows what an operation's answer means.
"""

from typing import Final

from lxml import etree

from energy_platform.encodings.xml_document import excerpt, read_xml
from energy_platform.errors import ParseError

_NAMESPACES: Final = (
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
)
_OURS: Final = ("Client", "Sender")
"""Codes of faults that blame the question, in SOAP 1.1 and 1.2."""


class SoapFaultError(ParseError):
    """An operation was answered by a fault.

    Args:
        text: What the fault says.
        is_ours: Whether it blames the question and not the service.
    """

    def __init__(self, text: str, *, is_ours: bool) -> None:
        super().__init__(f"SOAP fault: {text}")
        self.is_ours = is_ours


def read_envelope(payload: bytes) -> etree._Element:
    """Return the one element inside the body of a SOAP envelope.

    Raises:
        SoapFaultError: The payload is a fault.
        ParseError: The payload is other XML, or not XML at all, such as an error page (its
            beginning is in the message).
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
        raise SoapFaultError(_fault_text(content), is_ours=_fault_code(content) in _OURS)
    return content


def _fault_code(fault: etree._Element) -> str:
    """Return the code that says who is to blame: `faultcode` in SOAP 1.1, `Code/Value` in 1.2."""
    code = fault.xpath("string(faultcode | *[local-name()='Code']/*[local-name()='Value'])")
    return str(code).strip().rpartition(":")[2].partition(".")[0]


def _fault_text(fault: etree._Element) -> str:
    """Return a fault's message: `faultstring` in SOAP 1.1, `Reason/Text` in SOAP 1.2."""
    said = fault.xpath("string(faultstring | *[local-name()='Reason']/*[local-name()='Text'])")
    return " ".join(str(said).split()) or "no reason given"
