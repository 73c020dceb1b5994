"""The logs of a landing zone: reading them, and the right to write to them.

A log's segments form a chain: each starts at the offset at which the previous one stops. The name
of the next segment is therefore known before it exists, and one look for that name tells whether
the log has grown. A listing may miss segments that are created while it runs, so a reader first
finds the end of the log and lists the segments afterwards.
"""

import random
import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import accumulate, pairwise
from threading import Lock
from typing import Final, NamedTuple, Self
from uuid import uuid4

import obstore
import polars as pl
from obstore.store import GCSStore, LocalStore, ObjectStore

from energy_platform.errors import FencedError, UsageError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import INSTANT
from energy_platform.storage.landing import objects
from energy_platform.storage.landing.notes import Notes
from energy_platform.storage.landing.segment import (
    OFFSETS_PER_FOLDER,
    CorruptLogError,
    Segment,
    decode,
    encode,
    first_offset,
    folder_path,
    guest_name,
    is_guest,
    segment_path,
    tabulate,
    to_messages,
    writer_of,
)

SEGMENT_BYTES: Final = 64 * 2**20
"""An append of more body bytes than this becomes several segments; one message is never split."""

_FETCH_BYTES: Final = 32 * 2**20
_FETCH_SEGMENTS: Final = 256
_FETCH_THREADS: Final = 8
_GUEST_PAUSE_SECONDS: Final = 0.01
"""The longest pause of a guest that came second; the owner does not pause, and so goes first."""

_SOURCE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")


class _Tail(NamedTuple):
    """What is known of a log from its last segment."""

    first: int
    end: int
    cursor: str | None
    last_received_at: datetime | None


_EMPTY: Final = _Tail(first=0, end=0, cursor=None, last_received_at=None)


class LandingZone:
    """The logs of all sources in one folder or bucket.

    Args:
        store: The folder or bucket of the segments.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._logs: dict[str, LandingLog] = {}
        self.notes = Notes(store)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the landing zone at `file:///folder` or `gs://bucket/prefix`.

        A missing folder is created. Cloud Storage takes its credentials from the environment as
        Google's own tools do, and its objects are durable once written.
        `GOOGLE_SERVICE_ACCOUNT_KEY` points it to an emulator: a key with a `gcs_base_url` and
        `"disable_oauth": true`.

        Raises:
            UsageError: No landing zone can be at this address.
        """
        if url.startswith("file://"):
            try:
                return cls(LocalStore.from_url(url, mkdir=True))
            except OSError as error:
                raise UsageError(f"no landing zone can be at {url}: {error}") from None
        if url.startswith("gs://"):
            return cls(GCSStore.from_url(url))
        raise UsageError(
            f"a landing zone is at file:///folder or gs://bucket/prefix, not at {url!r}"
        )

    def is_empty(self) -> bool:
        """Return whether nothing has ever landed here."""
        found = obstore.list_with_delimiter(self._store)
        return not found["common_prefixes"] and not found["objects"]

    def log(self, source_name: str) -> "LandingLog":
        """Return a source's log for reading; always the same object, since it caches its state.

        Raises:
            UsageError: No source can have this name.
        """
        if source_name not in self._logs:
            self._logs[source_name] = LandingLog(self._store, source_name)
        return self._logs[source_name]

    def writer(self, source_name: str) -> "LandingWriter":
        """Take over a source's log for writing.

        The previous owner gets `FencedError` when both next write at the same offset.

        Raises:
            UsageError: No source can have this name.
        """
        return LandingWriter(self._store, source_name)

    def guest(self, source_name: str) -> "LandingGuest":
        """Return a source's log for appending beside its owner, who is not disturbed.

        Raises:
            UsageError: No source can have this name.
        """
        return LandingGuest(self._store, source_name)


class LandingLog:
    """One source's log, for reading. Threads may share it.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(self, store: ObjectStore, source_name: str) -> None:
        if not _SOURCE_NAME.fullmatch(source_name):
            raise UsageError(f"a source's name is of a-z, 0-9 and _, which {source_name!r} is not")
        self._store = store
        self._source_name = source_name
        self._tail = _EMPTY
        self._advancing = Lock()

    def end_offset(self) -> int:
        """Return the offset of the next message, which is the number of messages so far.

        Costs one look for one name while the log does not grow.
        """
        return self.tail().end

    def last_received_at(self) -> datetime | None:
        """Return when the newest message was received; None if there is none."""
        return self.tail().last_received_at

    def read(
        self, start: int, stop: int, *, limit: int | None = None, limit_bytes: int | None = None
    ) -> list[RawMessage]:
        """Return the messages of offsets [start, stop), in order.

        Args:
            start: The first offset.
            stop: The offset after the last; at most `end_offset()`.
            limit: The greatest number of messages to return, from the first on.
            limit_bytes: Return no further message once the bodies together exceed this many bytes;
                the first message is always returned.

        Raises:
            ValueError: The log doesn't reach from `start` to `stop`.
            CorruptLogError: A segment is unreadable or missing.
        """
        if not 0 <= start <= stop:
            raise ValueError(f"no offsets are in [{start}, {stop})")
        if stop > self._tail.end and stop > self.end_offset():
            raise ValueError(f"{self._source_name} ends before offset {stop}")
        if limit is not None:
            stop = min(stop, start + limit)
        messages: list[RawMessage] = []
        for rows in self._rows(start, stop):
            messages += to_messages(rows)
            if limit_bytes is not None:
                sizes = accumulate(len(message.body) for message in messages)
                within = sum(size <= limit_bytes for size in sizes)
                if within < len(messages):
                    return messages[: max(within, 1)]
        return messages

    def stored_bytes(self, start: int, stop: int) -> int:
        """Return the size of the segments that begin in [start, stop)."""
        folders = range(start // OFFSETS_PER_FOLDER, (stop - 1) // OFFSETS_PER_FOLDER + 1)
        return sum(
            segment.size
            for folder in folders
            for segment in self._list(folder, since=start)
            if segment.first < stop
        )

    def size_bytes(self) -> int:
        """Return the size of all files of the log."""
        return objects.size_bytes(self._store, self._source_name)

    def offset_at(self, instant: datetime) -> int:
        """Return the first offset received at `instant` or later; the end if there is none.

        `received_at` never decreases along a log.
        """
        tail = self.tail()
        folders = [
            folder for folder in self._folders() if folder <= tail.first // OFFSETS_PER_FOLDER
        ]

        def began_at(segment: Segment) -> datetime:
            began: datetime = self._received_at(segment)[0]
            return began

        position = bisect_left(folders, instant, key=lambda folder: began_at(self._list(folder)[0]))
        if position == 0:
            return 0
        segments = self._list(folders[position - 1])
        segment = segments[bisect_left(segments, instant, key=began_at) - 1]
        earlier = self._received_at(segment) < instant
        return segment.first + int(earlier.sum())

    def forget(self, *, before: datetime, below: int) -> int:
        """Remove old segments for good; return how many.

        A segment goes if all of its messages were received before an instant and have offsets
        below a bound. The first segment and the last one stay: they say that the log has begun,
        and where it ends.
        """
        stop = min(self.offset_at(before), below)
        firsts = [
            segment.first
            for folder in self._folders()
            if folder <= stop // OFFSETS_PER_FOLDER
            for segment in self._list(folder)
        ]
        old = [first for first, following in pairwise(firsts) if first > 0 and following <= stop]
        objects.remove(self._store, [segment_path(self._source_name, first) for first in old])
        return len(old)

    def tail(self) -> _Tail:
        """Return what the last segment says, after checking that it still is the last."""
        with self._advancing:
            if self._tail.end == 0 and self._is_segment(0):
                self._tail = self._read_tail(self._newest())
            while self._is_segment(self._tail.end):
                grown = self._list(self._tail.end // OFFSETS_PER_FOLDER, since=self._tail.end)
                self._tail = self._read_tail(grown[-1])
            return self._tail

    def _is_segment(self, first: int) -> bool:
        return objects.exists(self._store, segment_path(self._source_name, first))

    def _newest(self) -> Segment:
        # A writer that is killed after creating a folder and before its segment leaves the folder
        # empty.
        return next(
            segments[-1] for folder in reversed(self._folders()) if (segments := self._list(folder))
        )

    def _read_tail(self, segment: Segment) -> _Tail:
        return _tail_of(segment.first, self._fetch(segment))

    def _rows(self, start: int, stop: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of [start, stop) in tables of bounded size.

        Raises:
            CorruptLogError: A segment is unreadable or missing.
        """
        expected = start
        if start == stop:
            return
        with ThreadPoolExecutor(_FETCH_THREADS) as pool:
            for segments in _bounded(self._covering(start, stop)):
                rows = decode(list(pool.map(self._fetch, segments))).filter(
                    pl.col("offset").is_between(start, stop, closed="left")
                )
                if rows.get_column("offset").to_list() != list(
                    range(expected, expected + len(rows))
                ):
                    raise CorruptLogError(
                        f"{self._source_name}: a segment from offset {expected} on is missing"
                    )
                expected += len(rows)
                yield rows
        if expected != stop:
            raise CorruptLogError(
                f"{self._source_name}: a segment from offset {expected} on is missing"
            )

    def _covering(self, start: int, stop: int) -> Iterator[Segment]:
        """Yield the segments that hold the offsets [start, stop), in order."""
        floor = start if self._is_segment(start) else self._floor(start)
        for folder in range(floor // OFFSETS_PER_FOLDER, (stop - 1) // OFFSETS_PER_FOLDER + 1):
            for segment in self._list(folder, since=floor):
                if segment.first < stop:
                    yield segment

    def _floor(self, offset: int) -> int:
        """Return the first offset of the segment that holds `offset`."""
        for folder in reversed(self._folders()):
            if folder <= offset // OFFSETS_PER_FOLDER:
                firsts = [segment.first for segment in self._list(folder)]
                position = bisect_left(firsts, offset + 1)
                if position > 0:
                    return firsts[position - 1]
        raise CorruptLogError(f"{self._source_name}: no segment holds offset {offset}")

    def _folders(self) -> list[int]:
        listing = obstore.list_with_delimiter(self._store, self._source_name)
        return sorted(int(path.rpartition("/")[2]) for path in listing["common_prefixes"])

    def _list(self, folder: int, *, since: int = 0) -> list[Segment]:
        """Return a folder's segments that start at `since` or later, in order."""
        listing = obstore.list(
            self._store,
            folder_path(self._source_name, folder),
            # The last name before the wanted ones, since a listing begins after its offset.
            offset=segment_path(self._source_name, since - 1) if since else None,
            chunk_size=OFFSETS_PER_FOLDER,
        )
        return sorted(
            Segment(first, meta["size"])
            for chunk in listing
            for meta in chunk
            if (first := first_offset(meta["path"])) is not None
        )

    def _fetch(self, segment: Segment) -> bytes:
        return objects.fetch(self._store, segment_path(self._source_name, segment.first))

    def _received_at(self, segment: Segment) -> pl.Series:
        return decode([self._fetch(segment)], ["received_at"]).to_series()


class LandingWriter:
    """One source's log, for writing by its owner, by one thread at a time.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(self, store: ObjectStore, source_name: str) -> None:
        self._store = store
        self._source_name = source_name
        self._id = uuid4().hex
        log = LandingLog(store, source_name)
        objects.discard_staged(store, source_name)
        self._tail = log.tail()

    @property
    def end_offset(self) -> int:
        """The offset of the next message, unless a guest writes first."""
        return self._tail.end

    @property
    def cursor(self) -> str | None:
        """The cursor that was appended last."""
        return self._tail.cursor

    def append(self, messages: Sequence[RawMessage], cursor: str | None) -> range:
        """Append messages and the feed's cursor after them; return the messages' offsets.

        Durable on return. If the clock was set back, `received_at` stays at the last landed instant
        until the clock has caught up. An append that becomes several segments has the new cursor in
        the last one only, so a crash between them costs a repeated fetch and no message; a guest's
        messages may then lie in between. A cursor without a message is written with the next
        message.

        Args:
            messages: The received messages, in order.
            cursor: Where the feed continues; None leaves the cursor as it was.

        Raises:
            FencedError: Another writer has taken over this log; nothing more was written.
            ValueError: The `received_at` of a message has no time zone.
        """
        after = cursor if cursor is not None else self._tail.cursor
        firsts = []
        parts = list(_parts(messages))
        for number, part in enumerate(parts, start=1):
            self._append_segment(part, after if number == len(parts) else self._tail.cursor)
            firsts.append(self._tail.first)
        self._tail = self._tail._replace(cursor=after)
        return range(firsts[0] if firsts else self._tail.end, self._tail.end)

    def _append_segment(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        while (appended := _put(
            self._store, self._source_name, messages, self._tail, cursor=cursor, writer=self._id
        )) is None:  # fmt: skip
            self._step_past_a_guest()
        self._tail = appended

    def _step_past_a_guest(self) -> None:
        """Continue after the segment that has taken the next one's name.

        Raises:
            FencedError: The segment is no guest's, or it is missing because a new owner discarded
                our staged file.
        """
        path = segment_path(self._source_name, self._tail.end)
        if not objects.exists(self._store, path) or not is_guest(
            writer_of(body := objects.fetch(self._store, path))
        ):
            raise FencedError(f"another writer has taken over the log of {self._source_name}")
        objects.make_durable(self._store, path)
        # The guest copied a cursor of this writer, which may be an older one.
        self._tail = _tail_of(self._tail.end, body)._replace(cursor=self._tail.cursor)


class LandingGuest:
    """One source's log, for appending beside its owner; threads and processes may each have one.

    A guest writes at the current end of the log, and tries again after a quicker writer, the owner
    or another guest. It copies the owner's cursor, and the owner continues after it.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(self, store: ObjectStore, source_name: str) -> None:
        self._store = store
        self._source_name = source_name
        self._id = guest_name()
        self._log = LandingLog(store, source_name)

    def append(self, messages: Sequence[RawMessage]) -> list[range]:
        """Append messages; return the ranges of their offsets, one per segment.

        Durable on return. `received_at` never decreases, as with the owner.

        Raises:
            ValueError: The `received_at` of a message has no time zone.
        """
        return [self._append_segment(part) for part in _parts(messages)]

    def _append_segment(self, messages: Sequence[RawMessage]) -> range:
        while True:
            tail = self._log.tail()
            if tail.end > 0:
                objects.make_durable(self._store, segment_path(self._source_name, tail.first))
            appended = _put(
                self._store, self._source_name, messages, tail, cursor=tail.cursor, writer=self._id
            )
            if appended is not None:
                return range(appended.first, appended.end)
            time.sleep(random.uniform(0, _GUEST_PAUSE_SECONDS))  # noqa: S311 (spreads retries, guards nothing)


def _put(  # noqa: PLR0913 (the parts of a segment)
    store: ObjectStore,
    source_name: str,
    messages: Sequence[RawMessage],
    tail: _Tail,
    *,
    cursor: str | None,
    writer: str,
) -> _Tail | None:
    """Write messages as the segment after `tail`; return the new tail, or None if it exists."""
    rows = tabulate(messages, first=tail.end).with_columns(
        pl.max_horizontal(
            pl.col("received_at").cum_max(), pl.lit(tail.last_received_at, dtype=INSTANT)
        )
    )
    body = encode(rows, cursor=cursor, writer=writer)
    if not objects.create(store, segment_path(source_name, tail.end), body, writer=writer):
        return None
    received_at: datetime = rows.get_column("received_at")[-1]
    return _Tail(tail.end, tail.end + len(messages), cursor, received_at)


def _tail_of(first: int, segment: bytes) -> _Tail:
    """Return the tail of a log whose last segment this is."""
    rows = decode([segment], ["offset", "received_at", "cursor"])
    last_offset, last_received_at, cursor = rows.row(-1)
    return _Tail(first, last_offset + 1, cursor, last_received_at)


def _parts(messages: Sequence[RawMessage]) -> Iterator[Sequence[RawMessage]]:
    """Split messages into parts of at most `SEGMENT_BYTES` of bodies; a larger message is alone."""
    start = size = 0
    for position, message in enumerate(messages):
        if position > start and size + len(message.body) > SEGMENT_BYTES:
            yield messages[start:position]
            start, size = position, 0
        size += len(message.body)
    if start < len(messages):
        yield messages[start:]


def _bounded(segments: Iterator[Segment]) -> Iterator[list[Segment]]:
    """Group segments into portions that are fetched and held at once."""
    group: list[Segment] = []
    size = 0
    for segment in segments:
        if group and (len(group) == _FETCH_SEGMENTS or size + segment.size > _FETCH_BYTES):
            yield group
            group, size = [], 0
        group.append(segment)
        size += segment.size
    if group:
        yield group
