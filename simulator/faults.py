"""Faults on demand: what is to go wrong next, for whom, and how often.

A provider calls `take` when a fault could strike, and applies the fault to its own protocol.
Nothing here touches a socket.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong on the way from a market."""

    TOO_MANY_REQUESTS = "too_many_requests"
    """HTTP 429 with Retry-After, and a ban: every request is refused until it is over."""
    SERVER_ERROR = "server_error"
    """HTTP 500; a SOAP fault; an FTP 4xx; a STOMP ERROR frame."""
    HANG = "hang"
    """The connection stays open and nothing comes."""
    CUT = "cut"
    """The connection is closed in the middle of an answer."""
    TRUNCATED = "truncated"
    """A complete answer whose body ends early."""
    MALFORMED = "malformed"
    """A complete answer whose body is not in the provider's format."""
    BAD_ROW = "bad_row"
    """A well-formed answer, one row of which fails its source's checks."""
    SEQUENCE_GAP = "sequence_gap"
    """One message of a stream is numbered but never sent."""
    DUPLICATE = "duplicate"
    """A message is delivered twice."""
    REORDERED = "reordered"
    """Two messages are delivered in the other order."""
    HALF_WRITTEN_FILE = "half_written_file"
    """A file that is listed while it is still being written."""
    SURGE = "surge"
    """A stream sends a hundred times as much as usual."""


@dataclass(slots=True)
class Fault:
    """One planned fault.

    Attributes:
        kind: What goes wrong.
        count: How many more times.
        seconds: How long a hang, a ban or a surge lasts, in wall time.
    """

    kind: FaultKind
    count: int = 1
    seconds: float = 5.0


NextFault = Callable[[], Fault | None]
"""Returns the fault that strikes the next answer, or None."""


class FaultPlan:
    """Faults that were asked for, by market source."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Fault]] = defaultdict(list)

    def ask(self, source: str, fault: Fault) -> None:
        """Plan a fault for a market source."""
        self._planned[source].append(fault)

    def take(self, source: str, *kinds: FaultKind) -> Fault | None:
        """Return the next planned fault of one of these kinds and count it down, or None."""
        for fault in self._planned[source]:
            if fault.kind in kinds:
                fault.count -= 1
                if fault.count <= 0:
                    self._planned[source].remove(fault)
                return fault
        return None

    def pending(self, source: str) -> int:
        """Return how many faults are still to come for a market source."""
        return sum(fault.count for fault in self._planned[source])
