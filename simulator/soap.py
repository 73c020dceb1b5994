"""Reads calls in SOAP 1.1 and 1.2: the version, the operation and its arguments.

Each provider writes its own answers.
"""

from dataclasses import dataclass
from typing import Final

from lxml import etree

SOAP_1_1: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_1_2: Final = "http://www.w3.org/2003/05/soap-envelope"
MEDIA_TYPES: Final = {SOAP_1_1: "text/xml", SOAP_1_2: "application/soap+xml"}
"""The media type of each version, by its namespace."""

_MOST_PARTS: Final = 2
"""An envelope has a body, and perhaps a header before it."""


class NoCallError(ValueError):
    """A request is not a call of an operation."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Attributes:
        version: The namespace of its version of SOAP.
        content: The operation's element.
    """

    version: str
    content: etree._Element

    @property
    def operation(self) -> str:
        """The operation's name."""
        return etree.QName(self.content).localname

    @property
    def arguments(self) -> dict[str, str]:
        """The texts of the operation's parts, by name."""
        return {etree.QName(part).localname: part.text or "" for part in self.content}


def read_call(request: bytes) -> Call:
    """Read a request.

    Raises:
        NoCallError: It is no envelope with one operation in its body.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        envelope = etree.fromstring(request, parser)
    except etree.XMLSyntaxError as error:
        raise NoCallError(f"not XML: {error}") from error
    version, parts = etree.QName(envelope).namespace, list(envelope)
    if version not in MEDIA_TYPES or etree.QName(envelope).localname != "Envelope":
        raise NoCallError(f"no envelope: {envelope.tag}")
    if not 1 <= len(parts) <= _MOST_PARTS or parts[-1].tag != f"{{{version}}}Body":
        raise NoCallError("the envelope has no body, or something else")
    operations = list(parts[-1])
    if len(operations) != 1:
        raise NoCallError(f"the body holds {len(operations)} elements, not one")
    return Call(version, operations[0])
