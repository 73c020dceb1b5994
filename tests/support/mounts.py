"""Mounting a disk for a test. It needs root."""

import subprocess
from pathlib import Path


class NoDiskError(Exception):
    """This machine does not let a test have a disk of its own."""


def mount(folder: Path, *options: str) -> None:
    """Mount a disk at a folder.

    Raises:
        NoDiskError: That is not allowed here.
    """
    run("mount", *options, str(folder))


def unmount(folder: Path) -> None:
    """Take the disk away; files that are still open keep it until they are closed."""
    run("umount", "--lazy", str(folder))


def run(*command: str) -> None:
    """Run a command that only root may run.

    Raises:
        NoDiskError: It failed, with its reason.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoDiskError(f"{' '.join(command)}: {done.stderr.strip()}")
