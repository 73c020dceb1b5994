"""The plan of a replay: ranges of landing offsets of one source, each of about the same work.

A plan says by which code and with which messages set aside its ranges are to be staged. Who stages
or merges checks that, so rows of two parsers never meet in one table. Nothing here parses.
"""

import hashlib
import json
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Self
from uuid import uuid4

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.code_digest import code_digest
from energy_platform.pipeline.set_aside import SetAside
from energy_platform.storage.landing import LandingZone


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSize:
    """How large a range is at most.

    Attributes:
        landed_bytes: The bytes of its landing segments. As rows they are about ten times as much
            memory, and up to a few hundred times for archives.
        messages: Its messages.
    """

    landed_bytes: int = 4 * 2**20
    messages: int = 20_000


USUAL: Final = RangeSize()

_ROOMS: Final = ("encodings", "formats", "market", "pipeline", "sources")
"""The packages whose code decides what rows a message has."""


class Share(NamedTuple):
    """Which ranges of a plan one of several tasks stages.

    Attributes:
        task: The number of the task, from 0 on.
        of: How many tasks share the plan.
    """

    task: int = 0
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ranges of landing offsets that are staged each for itself, one behind the other.

    Attributes:
        plan_id: Tells the plan from all others; later plans sort behind earlier ones.
        source: The market source's name.
        made_with: What the staged rows depend on beside the landed bytes, as `made_with` says it.
        bounds: The first offset of each range, and the offset after the last.
    """

    plan_id: str
    source: str
    made_with: str
    bounds: tuple[int, ...]

    @property
    def ranges(self) -> list[range]:
        """The ranges, in order."""
        return [range(start, stop) for start, stop in pairwise(self.bounds)]

    @property
    def start(self) -> int:
        """The first offset."""
        return self.bounds[0]

    @property
    def stop(self) -> int:
        """The offset after the last."""
        return self.bounds[-1]

    def around(self, offset: int) -> range | None:
        """Return the range that holds an offset; None if none does."""
        if not self.start <= offset < self.stop:
            return None
        place = bisect_right(self.bounds, offset)
        return range(self.bounds[place - 1], self.bounds[place])

    def share(self, share: Share) -> list[range]:
        """Return the ranges of one of several tasks, which together have all."""
        return self.ranges[share.task :: share.of]

    def as_json(self) -> bytes:
        """Return the plan as a JSON object."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return the plan that a JSON object says."""
        said = json.loads(text)
        return cls(**{**said, "bounds": tuple(said["bounds"])})


def plan(
    zone: LandingZone,
    source: MarketSource,
    offsets: range,
    *,
    size: RangeSize = USUAL,
    most_bytes: int,
) -> Plan | None:
    """Cut landing offsets into ranges; return the first of them, and nothing is written.

    Args:
        zone: The landing zone.
        source: The market source.
        offsets: The offsets.
        size: How large a range is at most, as far as segments show it.
        most_bytes: After how many landed bytes the plan ends, so that what is staged has a bound.

    Returns:
        None if there are fewer than two ranges: then nothing is gained by a plan.
    """
    segments = zone.log(source.name).segments(offsets.start, offsets.stop)
    bounds = [*_bounds(segments, offsets, size, most_bytes)]
    if len(bounds) < 3:  # noqa: PLR2004 (two ranges)
        return None
    return Plan(
        plan_id=f"{time.time_ns():020}-{uuid4().hex[:8]}",
        source=source.name,
        made_with=made_with(zone, source),
        bounds=tuple(bounds),
    )


def made_with(zone: LandingZone, source: MarketSource) -> str:
    """Return a digest of the code and of the messages that are set aside now."""
    set_aside = json.dumps(sorted(SetAside(zone.notes).of(source.name).items()))
    return hashlib.sha256(f"{_code()}{set_aside}".encode()).hexdigest()


@cache
def _code() -> str:
    """Return a digest of the files that make rows, as this process found them first."""
    return code_digest(Path(__file__).parents[2], _ROOMS)


def _bounds(
    segments: Iterable[tuple[int, int]], offsets: range, size: RangeSize, most_bytes: int
) -> Iterator[int]:
    """Yield the first offset of each range, and the offset after the last."""
    yield offsets.start
    begun = offsets.start
    gathered = planned = 0.0
    for first, stop, per_message in _pieces(segments, offsets, size):
        weight = per_message * (stop - first)
        is_full = gathered + weight > size.landed_bytes or stop - begun > size.messages
        if is_full and first > begun:
            planned += gathered
            yield first
            if planned >= most_bytes:
                return
            begun, gathered = first, 0.0
        gathered += weight
    if offsets.stop > begun:
        yield offsets.stop


def _pieces(
    segments: Iterable[tuple[int, int]], offsets: range, size: RangeSize
) -> Iterator[tuple[int, int, float]]:
    """Yield offsets [first, stop) of one segment each, and the bytes of a message of it.

    A segment of more than a range has is cut as if its messages were of one size.
    """
    for (first, size_bytes), (following, _) in pairwise([*segments, (offsets.stop, 0)]):
        per_message = size_bytes / max(following - first, 1)
        fitting = int(size.landed_bytes / max(per_message, 1e-9))
        step = max(min(size.messages, fitting), 1)
        for piece in range(max(first, offsets.start), min(following, offsets.stop), step):
            yield piece, min(piece + step, following, offsets.stop), per_message
