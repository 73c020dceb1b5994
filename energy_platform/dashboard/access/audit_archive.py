"""The older entries of the audit log: compressed files of so many entries each, the newest kept.

`audit` decides when entries are archived, and notes which ones went for good.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from energy_platform.dashboard.access.private_files import access_folder, write_private

MOST_BYTES: Final = 128 * 2**20
"""How large all files may be together."""
_SUFFIX: Final = ".jsonl.gz"

Line = Sequence[Any]
"""An entry: number, time in seconds since 1970, user, address, action, detail."""


@dataclass(frozen=True, slots=True)
class AuditArchive:
    """The files of one home, named by the time and number of their first entry."""

    folder: Path
    most_bytes: int = MOST_BYTES

    @classmethod
    def of(cls, home: Path) -> Self:
        """Return the archive of a home."""
        return cls(access_folder(home) / "audit")

    def put(self, lines: Sequence[Line]) -> None:
        """Write entries, the oldest first; the same entries are written to the same file."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        [number, at, *_] = lines[0]
        name = f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S%f}-{number}{_SUFFIX}"
        text = "".join(json.dumps([*line]) + "\n" for line in lines)
        write_private(self.folder / name, gzip.compress(text.encode(), mtime=0))

    def newest(self, limit: int) -> Iterator[Line]:
        """Yield the newest entries, the newest first."""
        left = limit
        for file in reversed(self._files()):
            if left <= 0:
                return
            lines = _lines(file)[::-1][:left]
            yield from lines
            left -= len(lines)

    def surplus(self) -> list[Path]:
        """Return the oldest files, without which the others are small enough."""
        files, kept = self._files(), 0
        for position in range(len(files) - 1, -1, -1):
            kept += files[position].stat().st_size
            if kept > self.most_bytes:
                return files[: position + 1]
        return []

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def span(file: Path) -> tuple[Line, Line]:
    """Return the first and the last entry of a file."""
    lines = _lines(file)
    return lines[0], lines[-1]


def _lines(file: Path) -> list[Line]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
