"""What a disk, a power cut or a person can do to a file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

Damage = Callable[[Path], None]

_GARBAGE: Final = b"\0this is nothing that anybody wrote\xff" * 40


def tear(file: Path) -> None:
    """Cut a file in half, as a power cut does."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    """Take all bytes from a file."""
    file.write_bytes(b"")


def remove(file: Path) -> None:
    """Delete a file."""
    file.unlink()


def flip(file: Path) -> None:
    """Change one bit in the middle of a file, or give an empty one a byte."""
    body = bytearray(file.read_bytes() or b"\0")
    body[len(body) // 2] ^= 0x10
    file.write_bytes(bytes(body))


def scribble(file: Path) -> None:
    """Write something else in place of a file."""
    file.write_bytes(_GARBAGE)


DAMAGES: Final[Mapping[str, Damage]] = {
    "torn": tear,
    "empty": empty,
    "missing": remove,
    "flipped": flip,
    "garbage": scribble,
}

EACH_DAMAGE: Final = [
    pytest.param(name, marks=pytest.mark.nightly) if name in {"empty", "garbage"} else name
    for name in DAMAGES
]
"""The damages for a test of many files: by day those that differ most."""
