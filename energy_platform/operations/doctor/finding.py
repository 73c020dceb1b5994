"""What a check is given, and what it finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from energy_platform.settings import Settings


class Weight(StrEnum):
    """How much a finding matters."""

    WRONG = "wrong"
    """Something does not work, or will not for long."""
    NOTE = "note"
    """It works, though perhaps not as it was meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        weight: How much it matters.
        what: What is so, in one line.
        step: What to do about it.
    """

    weight: Weight
    what: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at.

    Attributes:
        settings: The settings of this environment.
        environment: The environment's variables.
        is_running: Whether a platform runs from the home.
    """

    settings: Settings
    environment: Mapping[str, str]
    is_running: bool


Check = Callable[[Patient], Iterator[Finding]]


def wrong(what: str, step: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(Weight.WRONG, what, step)


def note(what: str, step: str) -> Finding:
    """Return a finding of something that works, though perhaps not as it was meant."""
    return Finding(Weight.NOTE, what, step)
