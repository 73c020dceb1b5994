"""What can run out on this machine, how much of it is left, and how long it will last.

It is the room and the number of files of each disk, memory, and the file descriptors of each
process. Which of it is worth an alert is said in `alerts/conditions`.
"""

import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import psutil

from energy_platform.operations.disk_space import disk_spaces
from energy_platform.operations.metrics import family
from energy_platform.operations.supervision.supervisor import ProcessStatus
from energy_platform.settings import Settings

LOOKED_BACK: Final = timedelta(hours=6)
"""The pace is that of so long a time."""
_LEAST_LOOK: Final = timedelta(hours=1)
"""From less than this no pace is told: a platform that has just started fills its caches."""
_SHORT_SHARE: Final = 0.1
"""The share below which what is left of a thing is short."""


class Kind(StrEnum):
    """What can run out."""

    ROOM = "room"
    FILES = "files"
    MEMORY = "memory"
    DESCRIPTORS = "descriptors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing of which there is only so much.

    Attributes:
        kind: What it is.
        subject: The folder, process or machine that has it.
        used: How much is used: bytes of room and memory, else a number.
        limit: How much there is.
    """

    kind: Kind
    subject: str
    used: float
    limit: float

    @property
    def key(self) -> str:
        """Its identity, the same over restarts."""
        return f"{self.kind}:{self.subject}"

    @property
    def is_short(self) -> bool:
        """Whether less than a tenth is left."""
        return self.limit - self.used < self.limit * _SHORT_SHARE


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of a thing was used at an instant."""

    at: datetime
    used: float


def resources(settings: Settings, processes: Iterable[ProcessStatus]) -> list[Resource]:
    """Return all that can run out, of this machine and of the processes that run.

    Args:
        settings: They name the home and the landing zone.
        processes: The supervised processes.
    """
    memory = psutil.virtual_memory()
    return [
        *_of_disks(settings),
        Resource(
            kind=Kind.MEMORY, subject="this machine",
            used=memory.total - memory.available, limit=memory.total,
        ),
        *(one for status in processes for one in _of_process(status)),
    ]  # fmt: skip


def open_files(pid: int) -> tuple[int, int]:
    """Return the open descriptors, and the limit, of the member of a family that has the most.

    Raises:
        psutil.Error: The process has ended.
    """
    return max((one.num_fds(), _most_open_files(one)) for one in family(pid))


def lasts(found: Resource, samples: Sequence[Sample], now: datetime) -> timedelta | None:
    """Return how long a thing lasts at the pace of the last hours; None if it does not grow.

    The pace is the slower one of the whole time and of its second half, so what grew only at first
    does not count.

    Args:
        found: The thing now.
        samples: How much of it was used before, oldest first.
        now: The time.
    """
    known = [one for one in samples if now - one.at <= LOOKED_BACK]
    if not known or now - known[0].at < _LEAST_LOOK:
        return None
    middle = known[0].at + (now - known[0].at) / 2
    later = next((one for one in known if one.at >= middle), known[-1])
    pace = min(_pace(one, found.used, now) for one in (known[0], later))
    return timedelta(seconds=(found.limit - found.used) / pace) if pace > 0 else None


def _pace(since: Sample, used: float, now: datetime) -> float:
    """Return how much more is used in a second, since a sample."""
    seconds = (now - since.at).total_seconds()
    return (used - since.used) / seconds if seconds > 0 else 0.0


def _of_disks(settings: Settings) -> Iterator[Resource]:
    for space in disk_spaces(settings):
        subject = str(space.folder)
        used = space.total_bytes - space.free_bytes
        yield Resource(kind=Kind.ROOM, subject=subject, used=used, limit=space.total_bytes)
        if space.free_files is not None and space.total_files is not None:
            taken = space.total_files - space.free_files
            yield Resource(kind=Kind.FILES, subject=subject, used=taken, limit=space.total_files)


def _of_process(status: ProcessStatus) -> Iterator[Resource]:
    try:
        used, limit = open_files(status.pid) if status.pid else (0, 0)
    except psutil.Error:
        return  # it has just ended
    if limit:
        yield Resource(kind=Kind.DESCRIPTORS, subject=status.name, used=used, limit=limit)


def _most_open_files(process: psutil.Process) -> int:
    """Return how many descriptors a process may have open."""
    if sys.platform == "linux":
        limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
    else:  # children inherit it
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit
