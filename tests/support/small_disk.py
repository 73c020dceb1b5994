"""A disk of a few megabytes that a test can fill, in memory. To mount it needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEGABYTES: Final = 32
_BLOCK: Final = bytes(4096)


class NoDiskError(Exception):
    """This machine lets nobody mount a disk."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk at a new folder, for as long as the context lasts.

    Raises:
        NoDiskError: That is not allowed here.
    """
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs")
    done = subprocess.run(
        ["mount", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise NoDiskError(f"a disk that can be filled needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        # Stores of this process may have files open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


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
