"""A raw message: the bytes that a feed hands to a parser, with the context to read them.

Providers' formats and storage do not belong here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from energy_platform.errors import ContextMissingError


@dataclass(frozen=True, slots=True)
class LostMessages:
    """Messages of a log that can't be read.

    Attributes:
        stop: The landing offset after the last of them.
        reason: Why they can't be read, and what to do.
    """

    stop: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """One message of a market, byte for byte as it was received.

    Attributes:
        body: The bytes as received.
        received_at: When the platform received them (UTC).
        context: What a parser needs beside the body: the URL or topic, request parameters, the
            content type. Never a secret.
        landing_offset: The message's address in its source's log; -1 before it has landed.
        lost: Set where a log can't be read: the message has no body, and stands for all that are
            lost from its offset on. No parser sees it.
    """

    body: bytes
    received_at: datetime
    context: Mapping[str, str] = field(default_factory=dict)
    landing_offset: int = -1
    lost: LostMessages | None = None

    @property
    def next_offset(self) -> int:
        """The landing offset of the message after this one."""
        return self.landing_offset + 1 if self.lost is None else self.lost.stop

    def asked(self, name: str) -> str:
        """Return a parameter of the question that the answer does not repeat.

        Raises:
            ContextMissingError: The context lacks it; any default could be wrong.
        """
        try:
            return self.context[name]
        except KeyError:
            raise ContextMissingError(name) from None
