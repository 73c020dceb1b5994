"""What an ENTSO-E document is made of: elements by local name, instants, acknowledgements.

Namespaces change with a document's version, so elements are found by their local names.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from lxml import etree

from energy_platform.encodings.answer_forms import xml_form
from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import ParseError

ACKNOWLEDGEMENT_ROOT: Final = "Acknowledgement_MarketDocument"
ACKNOWLEDGEMENT: Final = xml_form(ACKNOWLEDGEMENT_ROOT)


def read_document(body: bytes) -> etree._Element:
    """Return the root of a document that is no acknowledgement.

    Raises:
        ParseError: The body is no XML, or an acknowledgement, whose reason is the message.
    """
    root = read_xml(body)
    if etree.QName(root).localname == ACKNOWLEDGEMENT_ROOT:
        raise ParseError(f"an acknowledgement without data: {reasons(root)}")
    return root


def reasons(acknowledgement: etree._Element) -> str:
    """Return the codes and texts of an acknowledgement's reasons, in one line."""
    said = [
        f"{text_of(reason, 'code')} {' '.join((text_of(reason, 'text') or '').split())}".strip()
        for reason in children(acknowledgement, "Reason")
    ]
    return "; ".join(said) or "no reason given"


def text_of(element: etree._Element, path: str) -> str | None:
    """Return the text at a path of local names below an element; None if there is none."""
    return element.findtext(_qualified(path, namespace_of(element))) or None


def children(element: etree._Element, *names: str) -> list[etree._Element]:
    """Return an element's children with one of these local names, in order."""
    namespace = namespace_of(element)
    return list(element.iterchildren(*(namespace + name for name in names)))


def as_instant(said: str | None, what: str) -> datetime:
    """Return the instant (UTC) that a document's text stands for.

    Raises:
        ParseError: The text is no instant, or has no zone.
    """
    try:
        instant = datetime.fromisoformat(said or "")
    except ValueError:
        raise ParseError(f"{what} is {said}, no instant") from None
    if instant.tzinfo is None:
        raise ParseError(f"{what} is {said}, without a zone")
    return instant.astimezone(UTC)


def expect(where: str, element: str, found: str | None, wanted: Collection[str]) -> None:
    """Refuse an element whose text is none of those wanted.

    Raises:
        ParseError: It says where the element is, what it is and what was wanted.
    """
    if found not in wanted:
        raise ParseError(f"{where} with {element} {found}, not {' or '.join(sorted(wanted))}")


def xpath(element: etree._Element, path: str) -> Any:  # noqa: ANN401 (a number, or elements)
    """Evaluate an XPath in which `n:` stands for the element's namespace."""
    return _compiled(path, namespace_of(element))(element)


def namespace_of(element: etree._Element) -> str:
    """Return an element's namespace in braces; empty if it has none."""
    return element.tag[: element.tag.rfind("}") + 1]


@lru_cache(maxsize=256)
def _qualified(path: str, namespace: str) -> str:
    return "/".join(namespace + name for name in path.split("/"))


@lru_cache(maxsize=64)
def _compiled(path: str, namespace: str) -> etree.XPath:
    if not namespace:
        return etree.XPath(path.replace("n:", ""))
    return etree.XPath(path, namespaces={"n": namespace[1:-1]})
