"""The accepted layout of a source: messages are compared with it, and it learns from them.

The first messages of each kind of document set the layout; afterwards only a person widens it. By
itself it learns only what could not be known before: the kind of a value that was always null, the
content of an array that was always empty, and which fields are always there. Pure: `watch` stores
it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

from energy_platform.pipeline.layouts.layout import (
    ELEMENT,
    Field,
    Layout,
    ValueKind,
    data_pattern,
    is_never_a_field,
)

ALWAYS: Final = 10
"""A field that was in the first so many documents without a gap is required from then on."""

_KINDS_OF_DOCUMENTS: Final = 128
_SAME_KIND: Final = 1 / 3
"""Documents of one format are of one kind if they share this part of the shorter one's names."""


@dataclass(slots=True)
class KnownField:
    """What has been accepted at one place of a document.

    Attributes:
        kinds: The kinds of values.
        below: The names below, or patterns of names that are data, such as `*` and `border_*`.
        documents: How many documents had the field, counted up to `ALWAYS`.
        opened: How many of them could have something below it, counted up to `ALWAYS`.
    """

    kinds: set[ValueKind] = field(default_factory=set)
    below: dict[str, "KnownField"] = field(default_factory=dict)
    documents: int = 0
    opened: int = 0

    def find(self, name: str) -> "KnownField | None":
        """Return what is known of a name, directly or by a pattern of names that are data."""
        if name in self.below:
            return self.below[name]
        pattern = data_pattern(name)
        return None if pattern is None else self.below.get(pattern)


@dataclass(slots=True)
class KnownDocument:
    """One kind of document that a source sends."""

    form: str
    root: KnownField

    def likeness(self, layout: Layout) -> float:
        """Return the share of common uppermost names, of the document with fewer, from 0 to 1."""
        if self.form != layout.form:
            return 0.0
        top = self.root.below.get(ELEMENT, self.root)
        fewer = min(len(layout.names), len(top.below))
        if fewer == 0 or layout.is_xml:
            return 1.0
        return sum(top.find(name) is not None for name in layout.names) / fewer


@dataclass(slots=True)
class Baseline:
    """The accepted layout of one source: one layout for each kind of document."""

    documents: list[KnownDocument] = field(default_factory=list)

    def differences(self, layouts: Iterable[Layout]) -> list[str]:
        """Describe how documents differ from the accepted layout; each difference once.

        A kind of document that was never seen is no difference: it gets a layout of its own.
        """
        said: dict[str, None] = {}
        for layout in layouts:
            if (known := self._known(layout)) is not None:
                said |= dict.fromkeys(_differences(known.root, layout.root, _Place(layout)))
        return list(said)

    def learn(self, layouts: Iterable[Layout]) -> None:
        """Learn from the documents of one batch what is no difference."""
        new: list[KnownDocument] = []
        for layout in layouts:
            known = self._known(layout)
            if known is None:
                new += self._add(layout)
            else:
                of_this_batch = any(known is one for one in new)
                _learn(known.root, layout.root, layout, everything=of_this_batch)
                _count(known.root, layout.root, layout)

    def accept(self, layouts: Iterable[Layout]) -> None:
        """Accept all that the documents hold; what they lack is no longer required."""
        for layout in layouts:
            known = self._known(layout)
            if known is None:
                self._add(layout)
            else:
                _learn(known.root, layout.root, layout, everything=True)
                _let_go(known.root, layout.root, layout)

    def _known(self, layout: Layout) -> KnownDocument | None:
        best = max(self.documents, key=lambda one: one.likeness(layout), default=None)
        return best if best is not None and best.likeness(layout) >= _SAME_KIND else None

    def _add(self, layout: Layout) -> list[KnownDocument]:
        """Add a kind of document, up to a bound on the kinds kept for a source."""
        if len(self.documents) >= _KINDS_OF_DOCUMENTS:
            return []
        new = KnownDocument(layout.form, _first_seen(layout.root, layout))
        _count(new.root, layout.root, layout)
        self.documents.append(new)
        return [new]

    def to_json(self) -> bytes:
        """Return the baseline as text that `from_json` reads."""
        documents = [{"form": one.form, "root": _to_plain(one.root)} for one in self.documents]
        return json.dumps({"documents": documents}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        return cls(
            [KnownDocument(one["form"], _from_plain(one["root"])) for one in plain["documents"]]
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a document, and the path by which a reader names it."""

    layout: Layout
    names: tuple[str, ...] = ()

    def at(self, name: str) -> "_Place":
        return _Place(self.layout, self.names if name == ELEMENT else (*self.names, name))

    def __str__(self) -> str:
        return f"`{('/' if self.layout.is_xml else '.').join(self.names)}`"


def _differences(known: KnownField, seen: Field, place: _Place) -> Iterator[str]:
    if other := _other_kinds(known, seen, place.layout):
        yield f"{place} was {_words(known.kinds)}, is {_words(other)}"
        if not known.kinds & seen.kinds:
            return
    for name, one in seen.below.items():
        there = known.find(name)
        if there is not None:
            yield from _differences(there, one, place.at(name))
        elif not _is_open(known, place.layout):
            yield f"new field {place.at(name)} ({_words(one.kinds) or 'no value yet'})"
    if place.layout.is_whole and seen.below:
        for name in known.below.keys() - seen.below.keys():
            if _is_required(known, name, place.layout):
                yield f"{place.at(name)} is missing"


def _other_kinds(known: KnownField, seen: Field, layout: Layout) -> set[ValueKind]:
    """Return the kinds that are not accepted; any text may look like an instant or a number."""
    if not known.kinds:
        return set()
    other = seen.kinds - known.kinds
    if ValueKind.TEXT in known.kinds:
        other.discard(ValueKind.INSTANT)
        if not layout.is_json:
            other.discard(ValueKind.NUMBER)
    return other


def _is_open(known: KnownField, layout: Layout) -> bool:
    """Return whether names are still being learned here.

    They are as long as there was only null or an empty array. They are in XML too, which leaves out
    elements without a value, so that one document does not show all names.
    """
    return not known.below or (layout.is_xml and known.opened < ALWAYS)


def _is_required(known: KnownField, name: str, layout: Layout) -> bool:
    """Return whether enough documents, and all of them, had a name.

    An array without elements is present and empty in JSON. In XML it is absent, so an element with
    others below it is never required.
    """
    one = known.below[name]
    of_records = layout.is_xml and ValueKind.OBJECT in one.kinds
    is_field = name != ELEMENT and not name.endswith("*")
    return is_field and not of_records and known.opened >= ALWAYS and one.documents >= ALWAYS


def _words(kinds: Iterable[ValueKind]) -> str:
    return " or ".join(sorted(kinds))


def _learn(known: KnownField, seen: Field, layout: Layout, *, everything: bool) -> None:
    """Take in what could not be known before; with `everything`, also what differs."""
    if everything or not known.kinds:
        known.kinds |= seen.kinds
    if _other_kinds(known, seen, layout):
        return
    is_open = _is_open(known, layout)
    for name, one in seen.below.items():
        if (there := known.find(name)) is not None:
            _learn(there, one, layout, everything=everything)
    if everything or is_open:
        unknown = {name: one for name, one in seen.below.items() if known.find(name) is None}
        for name, one in (unknown if layout.is_table else _without_data(unknown)).items():
            known.below[name] = _first_seen(one, layout)


def _count(known: KnownField, seen: Field, layout: Layout) -> None:
    """Count the documents that had a name, of those that could have it."""
    if not layout.is_whole or not seen.below:
        return
    if known.opened < ALWAYS:
        known.opened += 1
        for name in seen.below.keys() & known.below.keys():
            known.below[name].documents += 1
    for name in seen.below.keys() & known.below.keys():
        _count(known.below[name], seen.below[name], layout)


def _let_go(known: KnownField, seen: Field, layout: Layout) -> None:
    """Stop requiring the names that a document lacks."""
    if not layout.is_whole or not seen.below:
        return
    for name, one in known.below.items():
        if name in seen.below:
            _let_go(one, seen.below[name], layout)
        else:
            one.documents = 0


def _first_seen(seen: Field, layout: Layout) -> KnownField:
    """Return the layout of a first look, with names that are data replaced by their pattern."""
    below = seen.below if layout.is_table else _without_data(seen.below)
    return KnownField(
        kinds=set(seen.kinds),
        below={name: _first_seen(one, layout) for name, one in below.items()},
    )


def _without_data(below: dict[str, Field]) -> dict[str, Field]:
    """Replace names that are data by one pattern.

    A date is never a field's name. Codes and numbered words may be: they are data if several stand
    beside each other, or if they stand alone, and all have values of one kind.
    """
    by_pattern: dict[str, list[str]] = {}
    for name in below:
        if (pattern := data_pattern(name)) is not None:
            by_pattern.setdefault(pattern, []).append(name)
    fields = dict(below)
    for pattern, names in by_pattern.items():
        kinds = [below[name].kinds for name in names]
        alone = pattern == "*" and len(names) == len(below)
        alike = len(kinds[0]) == 1 and all(one == kinds[0] for one in kinds)
        data = names if alike and (len(names) > 1 or alone) else filter(is_never_a_field, names)
        for name in data:
            together = fields.setdefault(pattern, Field())
            together.add(fields.pop(name))
    return fields


def _to_plain(known: KnownField) -> dict[str, Any]:
    below = {name: _to_plain(one) for name, one in known.below.items()}
    counts = {"documents": known.documents, "opened": known.opened}
    return {
        "kinds": sorted(known.kinds),
        **{name: count for name, count in counts.items() if count},
        **({"below": below} if below else {}),
    }


def _from_plain(plain: dict[str, Any]) -> KnownField:
    return KnownField(
        kinds={ValueKind(kind) for kind in plain["kinds"]},
        below={name: _from_plain(one) for name, one in plain.get("below", {}).items()},
        documents=plain.get("documents", 0),
        opened=plain.get("opened", 0),
    )
