"""The entries of a stream: a range of landing offsets with its rows, as an Arrow IPC stream.

Any Arrow library reads the rows, in any language.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Self

import polars as pl

MOST_BYTES: Final = 2**20
"""How large an entry's rows may be; one message with more is not published, only said to exist."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. An entry without offsets says how far the hot store is.

    Attributes:
        copy: The name of the hot copy that the rows are in.
        start: The first landing offset.
        stop: The offset after the last one.
        payload: The rows; empty if there are none.
    """

    copy: str
    start: int
    stop: int
    payload: bytes = b""

    @classmethod
    def of(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Read an entry's fields."""
        return cls(
            fields[b"copy"].decode(), int(fields[b"start"]), int(fields[b"stop"]), fields[b"rows"]
        )

    def fields(self) -> dict[str, str | int | bytes]:
        """Return the fields by which the entry is stored."""
        return {"copy": self.copy, "start": self.start, "stop": self.stop, "rows": self.payload}

    def rows(self) -> pl.DataFrame:
        """Return the rows, which the entry must have."""
        return pl.read_ipc_stream(BytesIO(self.payload))


def entries(rows: pl.DataFrame, *, copy: str, offsets: range) -> Iterator[Entry]:
    """Cut rows of landing offsets into entries, in landing order.

    A message whose rows are too large becomes an entry without offsets, so followers learn that
    they miss it.
    """
    payload = _payload(rows)
    if len(payload) <= MOST_BYTES:
        yield Entry(copy, offsets.start, offsets.stop, payload)
    elif len(offsets) == 1:
        yield Entry(copy, offsets.stop, offsets.stop)
    else:
        middle = offsets.start + len(offsets) // 2
        is_before = pl.col("landing_offset") < middle
        yield from entries(rows.filter(is_before), copy=copy, offsets=range(offsets.start, middle))
        yield from entries(rows.filter(~is_before), copy=copy, offsets=range(middle, offsets.stop))


def _payload(rows: pl.DataFrame) -> bytes:
    if rows.is_empty():
        return b""
    file = BytesIO()
    # Not every library reads Arrow's newer string views.
    rows.write_ipc_stream(file, compression="zstd", compat_level=pl.CompatLevel.oldest())
    return file.getvalue()
