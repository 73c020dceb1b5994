"""The documents that sources read: their type, their value, and the units it must have."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from energy_platform.encodings.answer_forms import Form, either, xml_form
from energy_platform.formats.entsoe.elements import ACKNOWLEDGEMENT

POWER: Final = {"quantity_Measure_Unit.name": "MAW"}
"""The unit that a series of powers must have: MW."""
_ROOTS: Final = {"A09": "Publication", "A11": "Publication", "A44": "Publication"}
"""The root element of documents that are about neither generation nor load, by document type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The requirements for a document whose points a source reads.

    Attributes:
        type: Its type, e.g. A75.
        value: The element of a point that holds the value.
        processes: The process types that it may have; any if empty.
        units: Elements of every series and their required content; with another unit or currency,
            the series' values would be wrong.
    """

    type: str
    value: str
    units: Mapping[str, str]
    processes: Collection[str] = ()


def answers(document: Document) -> Form:
    """Return the expected form of a document; an acknowledgement is an answer too."""
    processes = "|".join(sorted(document.processes))
    of_process = rf"(?=.*processType>(?:{processes})<)" if processes else ""
    root = f"{_ROOTS.get(document.type, 'GL')}_MarketDocument"
    wanted = xml_form(root, head=rf"(?=.*[<:]type>{document.type}<){of_process}")
    return either(wanted, ACKNOWLEDGEMENT)
