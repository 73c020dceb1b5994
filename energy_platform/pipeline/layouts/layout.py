"""What a layout is: a tree of names, each with the kinds of values that it was seen with.

`reading` finds a layout in bytes; `baseline` compares layouts.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final


class ValueKind(StrEnum):
    """What kind of value this is, in a reader's words."""

    NUMBER = "number"
    TEXT = "text"
    INSTANT = "instant"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"


ELEMENT: Final = "[]"
"""The name under which all elements of an array are merged into one."""


@dataclass(slots=True)
class Field:
    """A place in a document: which kinds of values it had, and what lies below it.

    Attributes:
        kinds: The kinds of values seen; empty while there were only nulls and empty texts.
        below: The names of an object or element, or `ELEMENT` of an array.
    """

    kinds: set[ValueKind] = field(default_factory=set)
    below: dict[str, "Field"] = field(default_factory=dict)

    def add(self, other: "Field") -> None:
        """Add all that `other` has seen."""
        self.kinds |= other.kinds
        for name, one in other.below.items():
            self.below.setdefault(name, Field()).add(one)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one document.

    Attributes:
        form: The format and what else identifies it, e.g. `XML Publication_MarketDocument`.
        root: The document.
        is_whole: Whether all of the document was read; only the beginning of a large one is.
    """

    form: str
    root: Field
    is_whole: bool = True

    def without(self, names: Collection[str]) -> "Layout":
        """Return the layout without some of the uppermost names."""
        if not names:
            return self
        left = {name: one for name, one in self.root.below.items() if name not in names}
        if (record := left.get(ELEMENT)) is not None:
            below = {name: one for name, one in record.below.items() if name not in names}
            left[ELEMENT] = Field(record.kinds, below)
        return replace(self, root=Field(self.root.kinds, left))

    @property
    def names(self) -> frozenset[str]:
        """The uppermost names, which tell kinds of documents apart."""
        return frozenset(self.root.below.get(ELEMENT, self.root).below)

    @property
    def is_json(self) -> bool:
        """Whether the format marks each value's kind."""
        return self.form.startswith("JSON")

    @property
    def is_xml(self) -> bool:
        """Whether the format may leave out fields without a value."""
        return self.form.startswith("XML")

    @property
    def is_table(self) -> bool:
        """Whether every name is a field's, since a header holds no data."""
        return self.form.startswith(("CSV", "XLSX"))


_DATA_NAMES: Final = (
    # Dates, instants, numbers and identifiers.
    (re.compile(r"\d[\d.:TZ+\-]*"), "*"),
    (re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "*"),
    # Codes: DE-LU, SE3, NORD.
    (re.compile(r"[A-Z][A-Z0-9]+([_\-.][A-Z0-9]+)*"), "*"),
    # A word and codes: border_AT_CZ.
    (re.compile(r"(?P<stem>[a-z][a-zA-Z]*_)[A-Z0-9]+([_\-][A-Z0-9]+)*"), "{stem}*"),
    # A word and a number: value12.
    (re.compile(r"(?P<stem>[a-zA-Z_\-@]*[a-zA-Z])\d+"), "{stem}*"),
)


def data_pattern(name: str) -> str | None:
    """Return the pattern for a name that may be data: a date, a zone, a number in a row.

    Its siblings decide whether the name is data. None for a name that reads as a field's.

    >>> data_pattern("2026-03-29"), data_pattern("SE3"), data_pattern("border_AT_CZ")
    ('*', '*', 'border_*')
    >>> data_pattern("value12"), data_pattern("price"), data_pattern("wind_speed_10m")
    ('value*', None, None)
    """
    for pattern, called in _DATA_NAMES:
        if match := pattern.fullmatch(name):
            return called.format(**match.groupdict())
    return None


def is_never_a_field(name: str) -> bool:
    """Return whether a name can only be data: a date, an instant, a number or an identifier."""
    return any(pattern.fullmatch(name) for pattern, _ in _DATA_NAMES[:2])
