"""What the hot lane's process has announced on the live bus, in a file for other processes."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

_log = logging.getLogger(__name__)

_REPORT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Announcements:
    """What a process has announced since it began.

    Attributes:
        published: How many ranges of landing offsets were published.
        failures: How many were not, because the bus was down or hung.
        trouble: Why the newest was not; empty if it was.
        offsets: The landing offset that was announced last, by source.
    """

    published: int = 0
    failures: int = 0
    trouble: str = ""
    offsets: Mapping[str, int] = field(default_factory=dict)


_WRITTEN: Final = TypeAdapter(Announcements)


def announcements(home: Path) -> Announcements:
    """Return what the hot lane of this home wrote last; nothing before it ran."""
    try:
        return _WRITTEN.validate_json(_file(home).read_bytes())
    except FileNotFoundError:
        return Announcements()
    except (OSError, ValueError) as error:
        _log.warning("what was announced can't be read: %s", error)
        return Announcements()


async def report(home: Path, announced: Callable[[], Announcements]) -> None:
    """Write what is announced once a second, where it has changed, until cancelled."""
    file, written = _file(home), None
    fresh = file.with_suffix(".new")
    while True:
        now = announced()
        if now != written:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                fresh.write_text(json.dumps(asdict(now)))
                fresh.replace(file)
                written = now
            except OSError as error:  # rows matter more than their count
                _log.warning("what was announced could not be written: %s", error)
        await asyncio.sleep(_REPORT_SECONDS)


def _file(home: Path) -> Path:
    return home / "run" / "announced.json"
