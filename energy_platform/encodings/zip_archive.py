"""ZIP archives, read within bounds: the size is checked before anything is inflated.

Each format reads the members.
"""

import fnmatch
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from energy_platform.errors import ParseError

_MEMBERS: Final = 1_000
_INFLATED_BYTES: Final = 256 * 1024 * 1024

_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    # zipfile raises these for a broken name or offset in the directory.
    ValueError,
)


def only_member(archive: bytes, pattern: str) -> bytes:
    """Return the content of the one member whose name fits a shell pattern.

    Raises:
        ParseError: The bytes are no ZIP archive, are broken or too large, or not one member fits.
    """
    with opened_member(archive, pattern) as member:
        return member.read()


@contextmanager
def opened_member(
    archive: bytes, pattern: str, *, max_bytes: int | None = None
) -> Iterator[IO[bytes]]:
    """Open the one member whose name fits a shell pattern, to be read piece by piece.

    Args:
        archive: The archive.
        pattern: The pattern.
        max_bytes: How large all members together may be, inflated; 256 MB, unless given.

    Raises:
        ParseError: As for `only_member`; also while the member is read within the context.
    """
    with _opened(archive, max_bytes or _INFLATED_BYTES) as opened:
        names = opened.namelist()
        fitting = fnmatch.filter(names, pattern)
        if len(fitting) != 1:
            found = "no member" if not fitting else f"{len(fitting)} members"
            raise ParseError(f"{found} like {pattern} in the archive: {', '.join(names[:5])}")
        with opened.open(fitting[0]) as member:
            yield member


def members_like(archive: bytes, pattern: str, *, max_bytes: int) -> dict[str, bytes]:
    """Return the content of every member whose name fits a shell pattern, by name.

    Args:
        archive: The archive.
        pattern: The pattern.
        max_bytes: How large all members together may be, inflated.

    Raises:
        ParseError: The bytes are no ZIP archive, or are broken or too large.
    """
    with _opened(archive, max_bytes) as opened:
        return {name: opened.read(name) for name in fnmatch.filter(opened.namelist(), pattern)}


def member_heads(archive: bytes, *, members: int, bytes_each: int) -> list[tuple[str, bytes, bool]]:
    """Return the first members' names, the beginning of each, and whether that is all of it.

    Only these beginnings are inflated, so the archive may have any size.

    Raises:
        ParseError: The bytes are no ZIP archive, or are broken.
    """
    heads = []
    with _opened(archive, sys.maxsize) as opened:
        for member in opened.infolist()[:members]:
            with opened.open(member) as content:
                head = content.read(bytes_each)
            heads.append((member.filename, head, len(head) == member.file_size))
    return heads


def directory(archive: bytes) -> list[tuple[str, int, int]]:
    """Return each member's name, checksum and size, which do not depend on the time of packing.

    Raises:
        ParseError: The bytes are no ZIP archive, or are broken.
    """
    with _opened(archive, sys.maxsize) as opened:
        return [(member.filename, member.CRC, member.file_size) for member in opened.infolist()]


def is_whole(archive: bytes) -> bool:
    """Return whether these bytes are a ZIP archive in which nothing is missing or broken."""
    try:
        with _opened(archive, _INFLATED_BYTES) as opened:
            return opened.testzip() is None
    except ParseError:
        return False


@contextmanager
def _opened(archive: bytes, max_bytes: int) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = opened.infolist()
            # zipfile never inflates a member beyond the size declared in the directory.
            size = sum(member.file_size for member in members)
            if len(members) > _MEMBERS or size > max_bytes:
                raise ParseError(f"archive of {len(members)} members, {size} bytes is too large")
            if any(member.flag_bits & 1 for member in members):
                raise ParseError("archive is encrypted")
            yield opened
    except _BROKEN as error:
        raise ParseError(f"not a whole ZIP archive: {error}") from error
