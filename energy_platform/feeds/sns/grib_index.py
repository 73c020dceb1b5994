"""Reads NCEP's `.idx` inventories of GRIB files, and finds the byte ranges of the wanted fields.

`grib_ranges` asks for the ranges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energy_platform.errors import ParseError


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One GRIB message of a file, and the fields that its index lines name.

    Attributes:
        start: Its first byte.
        stop: The byte after its last; None if it ends with the file. Padding counts as part.
        fields: Variable and level of each field in it, e.g. `("UGRD", "10 m above ground")`.
    """

    start: int
    stop: int | None
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Neighbouring messages to ask for at once.

    Attributes:
        start: First byte.
        stop: The byte after the last; None for the file's end.
        messages: First byte of each message in it, counted from the file's start.
    """

    start: int
    stop: int | None
    messages: tuple[int, ...]

    @property
    def header(self) -> str:
        """The range as HTTP writes it, its last byte included."""
        return f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"


def read_index(text: str) -> list[IndexEntry]:
    """Read an inventory: `n[.m]:offset:d=YYYYMMDDHH:variable:level:forecast:[qualifiers]` a line.

    Lines `n.m` share the offset of one message with several fields. An inventory says where a
    message starts; its end is the next offset, and the last one is open-ended.

    Raises:
        ParseError: A line is not of this form, or the offsets don't rise.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split(":")
        if len(parts) < 6 or not parts[1].isdecimal():  # noqa: PLR2004 (as in the docstring)
            raise ParseError(f"line {number} of the GRIB index is not one: {line[:80]!r}")
        offset = int(parts[1])
        if found and offset < next(reversed(found)):
            raise ParseError(f"the offset in line {number} of the GRIB index goes back")
        found.setdefault(offset, []).append((parts[3], parts[4]))
    starts = list(found)
    return [
        IndexEntry(start, stop, tuple(fields))
        for (start, fields), stop in zip(found.items(), [*starts[1:], None], strict=True)
    ]


def byte_ranges(
    entries: Iterable[IndexEntry], *, variables: Sequence[str], levels: Sequence[str]
) -> list[ByteRange]:
    """Return the ranges that hold each wanted variable on each wanted level, neighbours joined."""
    wanted = {(variable, level) for variable in variables for level in levels}
    ranges: list[ByteRange] = []
    for entry in entries:
        if wanted.isdisjoint(entry.fields):
            continue
        if ranges and ranges[-1].stop == entry.start:
            last = ranges.pop()
            ranges.append(ByteRange(last.start, entry.stop, (*last.messages, entry.start)))
        else:
            ranges.append(ByteRange(entry.start, entry.stop, (entry.start,)))
    return ranges
