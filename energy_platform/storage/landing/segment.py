"""One segment of a landing log: its name, and its messages as an Arrow IPC file.

Only the layout of a segment is here; `log` writes segments and keeps their order, and `checksum`
guards their bytes.
"""

import io
import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

import polars as pl
from polars.exceptions import PanicException, PolarsError

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing.checksum import (
    ChecksumError,
    is_sealed,
    messages_said,
    sealed,
)

OFFSETS_PER_FOLDER: Final = 1000
"""A folder holds the segments whose first offsets share all but the last three digits."""

MOST_MESSAGES: Final = 10_000
"""How many messages a segment has at most: so a log can go on behind one that can't be read."""

COLUMNS: Final = {
    "offset": pl.Int64(),
    "received_at": INSTANT,
    "context": pl.String(),
    "body": pl.Binary(),
    "cursor": pl.String(),
    "writer": pl.String(),
}
"""Columns of a segment; `cursor` is null except in the last row, `context` is a JSON object."""

_SUFFIX: Final = ".arrow"
_NAME: Final = re.compile(rf"([0-9]{{20}})(?:-([0-9]{{20}}))?{re.escape(_SUFFIX)}")
_GUEST: Final = "guest-"
_OWNER: Final = re.compile(r"term-([0-9]{12})-[0-9a-f]{32}")


_IS_LAST: Final = pl.col("offset") == pl.col("offset").last()


class CorruptLogError(EnergyPlatformError):
    """A segment is unreadable or missing: somebody or something changed the folder."""


class DamagedSegmentError(CorruptLogError):
    """A segment is unreadable.

    Args:
        why: How its file is damaged.
        stop: The offset after its last message, if the file still says so.
    """

    def __init__(self, why: str, *, stop: int | None) -> None:
        super().__init__(why)
        self.stop = stop


class Segment(NamedTuple):
    """A segment as a listing shows it.

    Attributes:
        first: Its first offset.
        size: Its size in bytes.
        stop: The offset after its last if it was merged of others; None if it was appended.
    """

    first: int
    size: int
    stop: int | None = None


def folder_path(source_name: str, folder: int) -> str:
    """Return the folder's path; names sort in the order of the numbers."""
    return f"{source_name}/{folder:017}"


def segment_path(source_name: str, first: int, stop: int | None = None) -> str:
    """Return the path of the segment that starts with offset `first`.

    The name of a merged segment has the offset after its last too.

    >>> segment_path("ote_day_ahead_price", 12_345)
    'ote_day_ahead_price/00000000000000012/00000000000000012345.arrow'
    """
    merged = "" if stop is None else f"-{stop:020}"
    return f"{folder_path(source_name, first // OFFSETS_PER_FOLDER)}/{first:020}{merged}{_SUFFIX}"


def segment_named(path: str, size: int) -> Segment | None:
    """Return the segment that a path names; None for any other path."""
    found = _NAME.fullmatch(path.rpartition("/")[2])
    if found is None:
        return None
    first, stop = found.groups()
    return Segment(int(first), size, None if stop is None else int(stop))


def owner_name(term: int) -> str:
    """Return a new name of a log's owner, which says the term of its lease.

    >>> term_of(owner_name(12)), term_of("0d2f4c")
    (12, 0)
    """
    return f"term-{term:012}-{uuid4().hex}" if term else uuid4().hex


def term_of(writer: str) -> int:
    """Return the term that an owner's name says; 0 if it had no lease."""
    said = _OWNER.fullmatch(writer)
    return int(said[1]) if said else 0


def guest_name() -> str:
    """Return a writer's name that marks its segments as a guest's."""
    return f"{_GUEST}{uuid4().hex}"


def is_guest(writer: str) -> bool:
    """Return whether a writer's name is that of a guest."""
    return writer.startswith(_GUEST)


def writer_of(segment: bytes) -> str:
    """Return who wrote a segment.

    Raises:
        CorruptLogError: The bytes are no segment.
    """
    return str(decode([segment], ["writer"]).item(0, 0))


def tabulate(messages: Sequence[RawMessage], *, first: int) -> pl.DataFrame:
    """Return messages as a segment's columns, numbered from `first`, with no cursor yet.

    Raises:
        ValueError: The `received_at` of a message has no time zone.
    """
    if any(message.received_at.utcoffset() is None for message in messages):
        raise ValueError("received_at must be an instant, with a time zone")
    return pl.DataFrame(
        {
            "offset": range(first, first + len(messages)),
            "received_at": [message.received_at for message in messages],
            "context": [json.dumps(dict(message.context)) for message in messages],
            "body": [message.body for message in messages],
            "cursor": None,
            "writer": None,
        },
        schema=COLUMNS,
    )


def encode(rows: pl.DataFrame, *, cursor: str | None, writer: str) -> bytes:
    """Return the segment's bytes: an Arrow IPC file that carries `cursor` in its last row."""
    return _to_bytes(
        rows.with_columns(
            cursor=pl.when(_IS_LAST).then(pl.lit(cursor, dtype=pl.String)), writer=pl.lit(writer)
        )
    )


def encode_merged(rows: pl.DataFrame) -> bytes:
    """Return the bytes of a segment that is merged of others: who wrote each row stays in it."""
    return _to_bytes(rows.with_columns(cursor=pl.when(_IS_LAST).then("cursor")))


def _to_bytes(rows: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    # Segments are kept for good, so this is the layout that every Arrow implementation reads.
    rows.write_ipc(file, compression="zstd", compat_level=pl.CompatLevel.oldest())
    return sealed(file.getvalue(), messages=rows.height)


def require_sound(segment: Segment, body: bytes) -> None:
    """Check a segment's bytes: by their checksum or, if it has none, by reading them.

    Raises:
        DamagedSegmentError: They are not what was written.
    """
    try:
        if not is_sealed(body):
            decode([body])
    except ChecksumError as error:
        said = messages_said(body)
        stop = segment.stop or (None if said is None else segment.first + said)
        raise DamagedSegmentError(str(error), stop=stop) from None
    except CorruptLogError as error:
        raise DamagedSegmentError(str(error), stop=segment.stop) from error


def decode(segments: Sequence[bytes], columns: Sequence[str] = tuple(COLUMNS)) -> pl.DataFrame:
    """Return the columns of segments that follow one another, as one table.

    Raises:
        CorruptLogError: The bytes are no segment.
    """
    try:
        return pl.scan_ipc(list(segments)).select(columns).collect()
    except (PolarsError, PanicException) as error:
        raise CorruptLogError(f"a segment can't be read: {error}") from error


def to_messages(rows: pl.DataFrame) -> list[RawMessage]:
    """Return a segment's rows as messages."""
    return [
        RawMessage(
            body=body, received_at=received_at, context=json.loads(context), landing_offset=offset
        )
        for offset, received_at, context, body in rows.select(
            "offset", "received_at", "context", "body"
        ).iter_rows()
    ]
