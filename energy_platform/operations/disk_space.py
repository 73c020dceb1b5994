"""How much room is left on the disks that the home and the landing zone are on.

On real markets raw messages and rows are kept for good, so only a person can make room: alerts,
`status` and metrics say in time that there is little left.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from energy_platform.settings import Settings

_SHORT_PART: Final = 0.1
_SHORT_BYTES: Final = 20 * 2**30
"""The room is short if less than a tenth of the disk and less than this, days of data, is free."""
_GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The room on the disk of one folder.

    Attributes:
        folder: The folder.
        free_bytes: How much this user can still write.
        total_bytes: The size of the disk.
        free_files: How many more files fit; None where there is no limit.
        total_files: How many fit in all.
    """

    folder: Path
    free_bytes: int
    total_bytes: int
    free_files: int | None = None
    total_files: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether somebody should make room."""
        return self.free_bytes < min(self.total_bytes * _SHORT_PART, _SHORT_BYTES)

    @property
    def told(self) -> str:
        """The room that is left, in words."""
        return (
            f"{self.free_bytes / _GIB:.1f} of {self.total_bytes / _GIB:.0f} GiB are free"
            f" for {self.folder}"
        )


def disk_spaces(settings: Settings) -> list[DiskSpace]:
    """Return the room of the home, and of the landing zone if it is on another disk."""
    by_disk = {folder.stat().st_dev: folder for folder in reversed(list(_folders(settings)))}
    return [_space(folder) for folder in reversed(by_disk.values())]


def _folders(settings: Settings) -> Iterator[Path]:
    landing = urlsplit(settings.landing_url)
    for folder in (
        settings.home.absolute(),
        *([Path(unquote(landing.path))] if landing.scheme == "file" else []),
    ):
        if folder.exists():
            yield folder


def _space(folder: Path) -> DiskSpace:
    usage, files = shutil.disk_usage(folder), os.statvfs(folder)
    # Some file systems make room for as many files as are wanted.
    fit = (files.f_favail, files.f_files) if files.f_files else (None, None)
    return DiskSpace(folder, usage.free, usage.total, *fit)
