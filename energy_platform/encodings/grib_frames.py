"""Finds GRIB messages in a run of bytes, and checks that each is whole.

Only section lengths and end marks are read, which is enough for a feed to tell a whole download
from a broken one. `encodings.grib` decodes the messages.
"""

from collections.abc import Iterator
from typing import Final

from energy_platform.errors import ParseError

_START: Final = b"GRIB"
_END: Final = b"7777"
_INDICATOR_BYTES: Final = {1: 8, 2: 16}
_LARGE_GRIB1: Final = 0x800000
_SECTION_HEADER_BYTES: Final = 5
_REPEATABLE_SECTIONS: Final = range(2, 8)
_DATA_SECTION: Final = 7
_BITMAP_SECTION: Final = 6
_SAME_BITMAP: Final = 254


def frame_length(data: bytes, start: int = 0) -> int:
    """Return the length in bytes of the GRIB message at `start`, its end mark checked.

    Raises:
        ParseError: There is no whole message of edition 1 or 2 at `start`.
    """
    if data[start : start + 4] != _START:
        raise ParseError(f"no GRIB message at byte {start}")
    edition = data[start + 7] if start + 7 < len(data) else None
    if edition == 1:
        length = int.from_bytes(data[start + 4 : start + 7], "big")
        if length & _LARGE_GRIB1:
            raise ParseError(f"the GRIB 1 message at byte {start} counts its length in blocks")
    elif edition == 2:  # noqa: PLR2004 (the number of the GRIB edition)
        length = int.from_bytes(data[start + 8 : start + 16], "big")
    else:
        raise ParseError(f"the GRIB message at byte {start} is of unknown edition {edition}")
    if length < _INDICATOR_BYTES[edition] + len(_END) or start + length > len(data):
        raise ParseError(
            f"the GRIB message at byte {start} claims {length} bytes; {len(data) - start} are there"
        )
    if data[start + length - len(_END) : start + length] != _END:
        raise ParseError(f"the GRIB message at byte {start} does not end in 7777")
    return length


def frames(data: bytes) -> Iterator[bytes]:
    """Yield each whole GRIB message, stepping over padding between them.

    Raises:
        ParseError: There is no message, one is broken, or something other than zeros lies between
            them.
    """
    position, found = 0, 0
    while (start := data.find(_START, position)) >= 0:
        _expect_padding(data[position:start], position)
        length = frame_length(data, start)
        yield data[start : start + length]
        position, found = start + length, found + 1
    if not found:
        raise ParseError("there is no GRIB message in it")
    _expect_padding(data[position:], position)


def _expect_padding(gap: bytes, position: int) -> None:
    if gap.strip(b"\0\r\n "):
        raise ParseError(f"{len(gap)} bytes at byte {position} are no GRIB message")


def single_fields(message: bytes) -> Iterator[bytes]:
    """Yield one GRIB message per field: GRIB 2 may repeat its sections to hold several.

    A field that refers to "the bitmap of the field before" gets that bitmap.

    Raises:
        ParseError: The sections do not add up to the message.
    """
    if message[7] == 1:
        yield message
        return
    head, bitmap = b"", b""
    sections: dict[int, bytes] = {}
    for number, section in _sections(message):
        if number == 1:
            head = section
        elif number in _REPEATABLE_SECTIONS:
            if number == _BITMAP_SECTION and section[5] != _SAME_BITMAP:
                bitmap = section
            sections[number] = bitmap if number == _BITMAP_SECTION else section
            if number == _DATA_SECTION:
                body = head + b"".join(sections[each] for each in sorted(sections)) + _END
                yield message[:8] + (len(body) + 16).to_bytes(8, "big") + body
    if _DATA_SECTION not in sections:
        raise ParseError("the GRIB message holds no field")


def _sections(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each section between the indicator and the end mark."""
    position, end = _INDICATOR_BYTES[2], len(message) - len(_END)
    while position < end:
        length = int.from_bytes(message[position : position + 4], "big")
        if length < _SECTION_HEADER_BYTES or position + length > end:
            raise ParseError(f"the GRIB section at byte {position} claims {length} bytes")
        yield message[position + 4], message[position : position + length]
        position += length
