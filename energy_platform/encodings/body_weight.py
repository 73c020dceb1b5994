"""How heavy a body is to read, by a cheap look at its bytes before anything decodes it.

Text is as heavy as it has separators, since none of its values, records or elements comes without
one. A body is too heavy to be weighed if a few of its bytes may stand for many: a container, a text
in an encoding that hides its separators, or a very long text. `limited_process` is where those are
read.
"""

import re
from typing import Final

from energy_platform.errors import OverBudgetError

MOST_SEPARATORS: Final = 50_000
"""A text with more is read in a limited process: a megabyte of JSON or XML, as providers write it.

A separator may cost 5 KB at worst, where a record that lacks all fields is read one by one.
"""

MOST_HELD_SEPARATORS: Final = 4_000_000
"""A text with more is held by no process: its values or elements would take 500 MB."""

_LONGEST_TEXT_BYTES: Final = 4 << 20
_SEPARATORS: Final = b",;|\t\n<{["
_START_BYTES: Final = 256
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_CONTAINERS: Final = (
    b"GRIB",
    b"PK",
    b"\x89HDF",
    b"Lo\xa7\x94",  # XML in EBCDIC
)
_DECLARATION: Final = b"<?xml"
_PLAIN_ENCODING: Final = re.compile(
    rb"""encoding\s*=\s*["'](?:utf-?8|(?:us-)?ascii|iso-8859-\d{1,2}|windows-\d{4})["']""",
    re.IGNORECASE,
)


def separators(body: bytes) -> int:
    """Return how many bytes of a body separate values, records or elements.

    >>> separators(b'[{"a": 1, "b": [2, 3]}, {}]')
    7
    """
    return len(body) - len(body.translate(None, _SEPARATORS))


def expect_to_hold(body: bytes) -> None:
    """Refuse a text whose values or elements would fill the memory, in whatever process.

    Raises:
        OverBudgetError: It has too many.
    """
    if len(body) > MOST_HELD_SEPARATORS and (found := separators(body)) > MOST_HELD_SEPARATORS:
        raise OverBudgetError(f"it has {found:,} separators; {MOST_HELD_SEPARATORS:,} is the most")


def weight(body: bytes) -> int | None:
    r"""Return a text's number of separators; None if it has to be read in a limited process.

    >>> weight(b"a;b\n1;2\n")
    4
    >>> weight(b"PK\x03\x04...") is None
    True
    """
    if len(body) > _LONGEST_TEXT_BYTES or not _is_plain_text(body):
        return None
    found = separators(body)
    return found if found <= MOST_SEPARATORS else None


def _is_plain_text(body: bytes) -> bool:
    """Return whether a body is a text in which a separator is the byte that it is in ASCII."""
    start = body[:_START_BYTES].lstrip(_BLANK)
    if not start:
        return len(body) <= _START_BYTES
    # Text has no byte of zeros; archives (at whatever place) and UTF-16 have some.
    if start.startswith(_CONTAINERS) or b"\0" in body:
        return False
    if not start.startswith(_DECLARATION):
        return True
    declaration, end, _ = start.partition(b"?>")
    is_silent = b"encoding" not in declaration
    return bool(end) and (is_silent or _PLAIN_ENCODING.search(declaration) is not None)
