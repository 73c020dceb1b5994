"""The memory of a platform's processes: which grow, and which have held too much at once."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from energy_platform.operations import metrics
from energy_platform.operations.supervision.supervisor import Supervisor

MOST_MB: Final = 2_048.0
"""What no process may ever hold, even while a market sends a hundred times as much as usual."""
_FILLS_UP_TO_MB: Final = {"live-bus": 128.0 + 16.0}
"""What a process may fill, however long it takes: the live bus's `maxmemory`, and the server."""
_MOST_GROWTH: Final = 1.25
_LEAST_GROWTH_MB: Final = 16.0
_LEAST_NOTES: Final = 9

Notes = dict[str, list[tuple[float, float]]]
"""The memory of each process, in MB, with the time in minutes. What processes share counts once."""


def note(home: Path, minute: float, notes: Notes) -> None:
    """Add the memory of each process, its children's included, to the notes."""
    for one in Supervisor(home).statuses():
        with contextlib.suppress(psutil.Error):  # it has just ended
            members = metrics.family(one.pid)
            used_mb = sum(member.memory_full_info().pss for member in members) / 2**20
            notes.setdefault(one.name, []).append((round(minute, 1), round(used_mb, 1)))


def growing(notes: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[str]:
    """Tell of each process that holds more in the last third of the time than in the middle one.

    The live bus may fill what it is given. The first third is left out, since caches fill in it. A
    process that was restarted meanwhile has nothing to compare.

    Raises:
        AssertionError: A process was noted too seldom to tell.
    """
    for name, noted in notes.items():
        assert len(noted) >= _LEAST_NOTES, f"{name} was noted {len(noted)} times only"
        used_mb, third = [mb for _, mb in noted], len(noted) // 3
        before, after = median(used_mb[third:-third]), median(used_mb[-third:])
        if after <= _FILLS_UP_TO_MB.get(name, 0.0):
            continue
        if after > max(before * _MOST_GROWTH, before + _LEAST_GROWTH_MB):
            yield f"{name} grows: {before:.0f} MB, then {after:.0f} MB"


def too_large(home: Path) -> Iterator[str]:
    """Tell of each process that has at some time held more than any may."""
    for one in Supervisor(home).statuses():
        with contextlib.suppress(psutil.Error, OSError):  # it has just ended
            most_mb = max(_peak_mb(member.pid) for member in metrics.family(one.pid))
            if most_mb > MOST_MB:
                yield f"{one.name} has held {most_mb:.0f} MB"


def _peak_mb(pid: int) -> float:
    """Return the most that a process has ever held, as the kernel knows it; 0 once it has ended."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(said.get("VmHWM", "0 kB").split()[0]) / 2**10
