"""A disk of a few megabytes that a test can fill, in memory. To mount it needs root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.mounts import mount, unmount

MEGABYTES: Final = 32
_BLOCK: Final = bytes(4096)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk at a new folder, for as long as the context lasts.

    Raises:
        NoDiskError: That is not allowed here.
    """
    folder.mkdir()
    mount(folder, "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs")
    try:
        yield
    finally:
        unmount(folder)  # stores of this process may have files open


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the disk of a folder to its last byte, and make room again afterwards."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, _BLOCK)
    except OSError:
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()
