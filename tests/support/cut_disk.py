"""A disk that a test can cut off, as a power cut does: what is not on it by then is gone.

It is a file system in a file. Linux lets its owner shut a file system down without a last write,
so that memory alone has what was not synced. That needs root and a loop device.
"""

import fcntl
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.mounts import NoDiskError, mount, run, unmount

MEGABYTES: Final = 256
_SHUT_DOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN
_WITHOUT_A_LAST_WRITE: Final = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH


@dataclass(frozen=True, slots=True)
class CutDisk:
    """A disk of some megabytes.

    Attributes:
        folder: Where it is mounted.
        image: The file that it is in.
    """

    folder: Path
    image: Path

    def cut(self) -> None:
        """Lose what is not on the disk; every access fails until `restore`."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUT_DOWN, struct.pack("I", _WITHOUT_A_LAST_WRITE))
        finally:
            os.close(descriptor)

    def restore(self) -> None:
        """Bring the disk back. Processes that used it must have ended."""
        run("umount", str(self.folder))
        self.mount()

    def mount(self) -> None:
        """Mount the disk."""
        mount(self.folder, "-o", "loop", str(self.image))


@contextmanager
def cut_disk(parent: Path) -> Iterator[CutDisk]:
    """Make a disk below a folder, for as long as the context lasts.

    Raises:
        NoDiskError: That is not allowed here.
    """
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        raise NoDiskError("a disk that can be cut off needs root, a loop device and mkfs.ext4")
    disk = CutDisk(parent / "disk", parent / "disk.image")
    disk.folder.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(MEGABYTES << 20)
    run("mkfs.ext4", "-q", str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        with suppress(NoDiskError):
            unmount(disk.folder)
