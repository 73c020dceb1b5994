"""A collector's right to a source, and the log to which it appends with it or without it.

The lease decides who asks the provider. The log decides who may write, by the terms of the leases:
an owner that hung within an append and wakes lands at most that one append, as a guest would, and
is fenced at the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from energy_platform.errors import FencedError
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingGuest, LandingWriter


@dataclass(frozen=True, slots=True)
class Tenure:
    """The time for which a collector owns a source.

    Attributes:
        term: The term of its lease; 0 without one.
        is_held: Returns whether the lease surely goes on.
    """

    term: int
    is_held: Callable[[], bool]

    def require(self) -> None:
        """Refuse to go on once the lease may have ended.

        Raises:
            FencedError: It may have.
        """
        if not self.is_held():
            raise FencedError("the lease was not renewed in time")


ALONE: Final = Tenure(term=0, is_held=lambda: True)
"""The right of one who shares the landing zone with no other collector."""


@dataclass(frozen=True, slots=True)
class OwnedLog:
    """The log of a source that this collector owns."""

    writer: LandingWriter
    tenure: Tenure

    @property
    def cursor(self) -> str | None:
        """The cursor that was appended last."""
        return self.writer.cursor

    def append(self, messages: Sequence[RawMessage], cursor: str | None) -> range:
        """Append messages and the cursor after them, if the lease goes on.

        Raises:
            FencedError: It may have ended, or another writer has taken over the log.
        """
        self.tenure.require()
        return self.writer.append(messages, cursor)


@dataclass(slots=True)
class BesideTheOwner:
    """The log of a source that another collector owns, for what only this machine receives.

    The cursor is this feed's own, and lives as long as its process: a collector that is killed
    between an append and what follows it appends the same again.
    """

    guest: LandingGuest
    cursor: str | None = field(default=None, init=False)

    def append(self, messages: Sequence[RawMessage], cursor: str | None) -> list[range]:
        """Append messages; keep the cursor here, since the log's is the owner's."""
        landed = self.guest.append(messages)
        self.cursor = cursor
        return landed
