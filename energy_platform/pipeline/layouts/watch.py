"""Compares some messages of each batch with the accepted layout, and keeps what it learned.

The accepted layout is kept in the landing zone's notes, one version per change. So all workers use
the same one, and its history can be read there.
"""

import logging
import string
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.layouts.baseline import Baseline
from energy_platform.pipeline.layouts.layout import Layout
from energy_platform.pipeline.layouts.reading import layouts_of
from energy_platform.storage.landing.notes import Notes

_log = logging.getLogger(__name__)

_LOOKED_AT: Final = 8
"""How many messages of a batch are compared, whatever its size."""
_LOOKED_AT_BYTES: Final = 256 * 1024
_HEAD_BYTES: Final = 96
"""How many bytes at the beginning, digits left out, tell kinds of messages apart."""
_DIGITS: Final = string.digits.encode()
_TRIES: Final = 5
_SETTLED: Final = 32

_settled: dict[str, tuple[bytes, list[Layout]]] = {}
"""By source: an accepted layout, and layouts that were compared with it and changed nothing."""


def drift(notes: Notes, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
    """Describe how a batch's messages differ from the accepted layout; learn the rest."""
    layouts = _layouts(source, some_of_each(messages))
    version, text = notes.newest(_note(source))
    if _is_settled(source, text, layouts):
        return ()
    baseline = _read(source, version, text)
    differences = baseline.differences(layouts)
    baseline.learn(layouts)
    learned = baseline.to_json()
    if learned != text:
        # Another worker has stored a newer layout; a later batch will learn what this one could
        # not.
        notes.add(_note(source), version + 1, learned)
    elif not differences:
        _settle(source, text, layouts)
    return tuple(differences)


def pending(notes: Notes, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
    """Describe what accepting these messages would change."""
    baseline = _read(source, *notes.newest(_note(source)))
    return tuple(baseline.differences(_layouts(source, messages)))


def accept(notes: Notes, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
    """Add what these messages hold to the accepted layout; return the changes."""
    layouts = _layouts(source, messages)
    for _ in range(_TRIES):
        version, text = notes.newest(_note(source))
        baseline = _read(source, version, text)
        differences = tuple(baseline.differences(layouts))
        baseline.accept(layouts)
        if notes.add(_note(source), version + 1, baseline.to_json()):
            return differences
    raise TimeoutError(f"the layout of {source.name} is being written by others, again and again")


def damage(notes: Notes, source: MarketSource) -> str:
    """Return how a source's accepted layout is damaged; an empty text if it can be read."""
    version, text = notes.newest(_note(source))
    try:
        if version:
            Baseline.from_json(text)
    except (ValueError, TypeError, LookupError) as error:
        return f"version {version} of its accepted layout can't be read: {error}"
    return ""


def some_of_each(messages: Sequence[RawMessage]) -> list[RawMessage]:
    """Return a few messages: one of each different beginning, and others spread between.

    Their number and size are bounded, because this runs after every batch.
    """
    by_beginning: dict[bytes, int] = {}
    for position, message in enumerate(messages):
        by_beginning.setdefault(message.body[:_HEAD_BYTES].translate(None, _DIGITS), position)
    step = max(1, len(messages) // _LOOKED_AT)
    # From the last backwards: in a batch that catches up, the newest messages have today's layout.
    spread = range(len(messages) - 1, -1, -step)
    chosen = dict.fromkeys([*_spread(list(by_beginning.values())), *spread])
    looked_at: list[RawMessage] = []
    size = 0
    for position in list(chosen)[:_LOOKED_AT]:
        size += len(messages[position].body)
        if looked_at and size > _LOOKED_AT_BYTES:
            continue
        looked_at.append(messages[position])
    return sorted(looked_at, key=lambda message: message.landing_offset)


def _spread(positions: Sequence[int]) -> Sequence[int]:
    step = -(-len(positions) // (_LOOKED_AT // 2)) or 1
    return positions[::step]


def _layouts(source: MarketSource, messages: Iterable[RawMessage]) -> list[Layout]:
    """Return the layouts of messages, labelled by the context names that tell them apart.

    Documents of portfolios have none. Each sender writes them in another way, a missing column is
    refused by name, and a difference that all users are told could name a portfolio.
    """
    if source.entitlement is not None:
        return []
    return [
        replace(
            layout.without(source.optional_fields),
            form=" ".join([layout.form, *_asked(source, message)]),
        )
        for message in messages
        for layout in layouts_of(message.body)
    ]


def _asked(source: MarketSource, message: RawMessage) -> list[str]:
    return [message.context.get(name, "") for name in source.layouts_by]


def _is_settled(source: MarketSource, text: bytes, layouts: Iterable[Layout]) -> bool:
    """Return whether layouts neither differ from an accepted one nor teach it anything."""
    of_text, known = _settled.get(source.name, (b"", []))
    return of_text == text and all(layout in known for layout in layouts)


def _settle(source: MarketSource, text: bytes, layouts: Iterable[Layout]) -> None:
    """Remember layouts that an accepted one does not change for."""
    of_text, known = _settled.get(source.name, (b"", []))
    known = known if of_text == text else []
    new = [layout for layout in layouts if layout not in known]
    _settled[source.name] = (text, [*new, *known][:_SETTLED])


def _read(source: MarketSource, version: int, text: bytes) -> Baseline:
    """Return an accepted layout; nothing is accepted if it is damaged."""
    try:
        return Baseline.from_json(text) if text else Baseline()
    except (ValueError, TypeError, LookupError) as error:
        _log.error(
            "%s: version %d of its accepted layout is damaged (%s): it is kept, and the layout is"
            " learned anew from what comes",
            source.name, version, error,
        )  # fmt: skip
        return Baseline()


def _note(source: MarketSource) -> str:
    return f"layout/{source.name}"
