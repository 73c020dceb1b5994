"""The checksum of a segment: a flipped byte anywhere in its file is found when it is read.

It stands between the file's last batch and its footer. Readers of Arrow files find everything by
the footer and skip it, so every Arrow implementation and every earlier version of the library reads
such a file. Beside the checksum stands how many messages the segment has, so that a damaged one
still says where the next one begins. Segments of earlier versions have none.
"""

import struct
from typing import Final
from zlib import crc32

_MARK: Final = b"\0sealed\0"
_SEAL: Final = struct.Struct("<IIQ")
"""The number of messages, the number's own checksum, and the file's; Arrow aligns to 8 bytes."""
_SEAL_BYTES: Final = len(_MARK) + _SEAL.size
_TAIL: Final = struct.Struct("<i6s")
"""The footer's length and the last bytes of every Arrow file."""
_MAGIC: Final = b"ARROW1"
_NO_MORE_BATCHES: Final = b"\xff\xff\xff\xff\0\0\0\0"
_COUNT: Final = struct.Struct("<I")


class ChecksumError(ValueError):
    """The bytes are not those that were written; the message says how that shows."""


def sealed(file: bytes, *, messages: int) -> bytes:
    """Return an Arrow file with its checksum and its number of messages."""
    place = _footer_place(file)
    head, foot = memoryview(file)[:place], memoryview(file)[place:]
    counted = _COUNT.pack(messages)
    seal = _MARK + _SEAL.pack(messages, crc32(counted), _of(head, foot))
    return b"".join((head, seal, foot))


def is_sealed(file: bytes) -> bool:
    """Return whether a file has a checksum, which is right; a file of earlier versions has none.

    Raises:
        ChecksumError: The file is damaged.
    """
    place = _footer_place(file)
    if file.startswith(_NO_MORE_BATCHES, place - len(_NO_MORE_BATCHES)):
        return False
    begin = place - _SEAL_BYTES
    if begin < 0 or not file.startswith(_MARK, begin):
        raise ChecksumError("what stands before its footer is not what was written")
    view = memoryview(file)
    messages, of_count, of_file = _SEAL.unpack_from(file, begin + len(_MARK))
    if of_count != crc32(_COUNT.pack(messages)) or of_file != _of(view[:begin], view[place:]):
        raise ChecksumError("its checksum is not that of its bytes")
    return True


def messages_said(file: bytes) -> int | None:
    """Return how many messages a damaged file says that it had; None if it doesn't say so."""
    begin = file.rfind(_MARK) + len(_MARK)
    if begin < len(_MARK) or begin + _SEAL.size > len(file):
        return None
    messages, of_count, _ = _SEAL.unpack_from(file, begin)
    return int(messages) if of_count == crc32(_COUNT.pack(messages)) else None


def _of(head: memoryview, foot: memoryview) -> int:
    return crc32(foot, crc32(head))


def _footer_place(file: bytes) -> int:
    """Return where the footer begins.

    Raises:
        ChecksumError: The file has no such end.
    """
    if not file:
        raise ChecksumError("it is empty")
    if len(file) < _TAIL.size:
        raise ChecksumError("its end is missing")
    length, magic = _TAIL.unpack_from(file, len(file) - _TAIL.size)
    place: int = len(file) - _TAIL.size - length
    if magic != _MAGIC or not len(_NO_MORE_BATCHES) <= place < len(file) - _TAIL.size:
        raise ChecksumError("its end is missing")
    return place
