"""The logs of a landing zone: reading them, and the right to write to them.

A log's segments form a chain: each starts at the offset at which the previous one stops. The name
of the next segment is therefore known before it exists, and one look for that name tells whether
the log has grown. A listing may miss segments that are created while it runs, so a reader first
finds the end of the log and lists the segments afterwards.

Old segments are merged, and removed some time later (see `merging`). A name that was free may thus
have been taken and be free again. So a reader or writer that found a name free trusts this for a
shorter time than merged segments are kept, and looks at the whole log afterwards.
"""

import random
import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Final, NamedTuple
from uuid import uuid4

import polars as pl
from obstore.store import ObjectStore

from energy_platform.errors import FencedError, UsageError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import objects
from energy_platform.storage.landing.listing import SegmentListing
from energy_platform.storage.landing.news import Tell, tell_nobody
from energy_platform.storage.landing.segment import (
    OFFSETS_PER_FOLDER,
    CorruptLogError,
    Segment,
    decode,
    encode,
    guest_name,
    is_guest,
    segment_path,
    tabulate,
    to_messages,
    writer_of,
)

SEGMENT_BYTES: Final = 64 * 2**20
"""An append of more body bytes than this becomes several segments; one message is never split."""

MERGED_KEPT: Final = timedelta(minutes=30)
"""How long segments stay after they were merged; no reader needs longer for a listing."""

_TRUSTED: Final = MERGED_KEPT / 2
"""How long a name that was free counts as never taken."""
_LONGEST_TRUSTED: Final = timedelta(hours=1)
"""The longest pause of a writer within a write; only older segments are deleted."""

_FETCH_BYTES: Final = 32 * 2**20
_FETCH_BYTES_OF_FEW: Final = 2**20
"""The same where the bodies are limited. They may be seventy times as large as their segments, and
what is beyond the limit is decoded for nothing, with each read anew.
"""
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
        self._listing = SegmentListing(store, source_name)
        self._tail = _EMPTY
        self._advancing = Lock()
        self.ended_at = datetime.min.replace(tzinfo=UTC)
        """When the log was known to end at `tail`."""

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
        size = 0
        fetch_bytes = _FETCH_BYTES if limit_bytes is None else _FETCH_BYTES_OF_FEW
        for rows in self._rows(start, stop, fetch_bytes):
            sizes = rows["body"].bin.size().cast(pl.Int64)
            within = rows.height
            if limit_bytes is not None:
                within = int((size + sizes.cum_sum() <= limit_bytes).sum())
            if within < rows.height:
                # Only what is returned is made into messages; a segment may hold much more.
                return messages + to_messages(rows.head(within if messages else max(within, 1)))
            messages += to_messages(rows)
            size += int(sizes.sum())
        return messages

    def stored_bytes(self, start: int, stop: int) -> int:
        """Return the size of the segments that begin in [start, stop)."""
        folders = range(start // OFFSETS_PER_FOLDER, (stop - 1) // OFFSETS_PER_FOLDER + 1)
        return sum(
            segment.size
            for folder in folders
            for segment in self._listing.segments(folder, since=start)
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
            folder
            for folder in self._listing.folders()
            if folder <= tail.first // OFFSETS_PER_FOLDER
        ]

        def began_at(segment: Segment) -> datetime:
            began: datetime = self._received_at(segment)[0]
            return began

        position = bisect_left(
            folders, instant, key=lambda folder: began_at(self._listing.segments(folder)[0])
        )
        if position == 0:
            return 0
        segments = self._listing.segments(folders[position - 1])
        segment = segments[bisect_left(segments, instant, key=began_at) - 1]
        earlier = self._received_at(segment) < instant
        return segment.first + int(earlier.sum())

    def forget(self, *, before: datetime, below: int) -> int:
        """Delete old segments; return how many.

        A segment is deleted if all of its messages were received before an instant and have offsets
        below a bound. Segments of the last hour stay, and so do the first segment and the last one:
        they show that the log has begun, and where it ends.
        """
        before = min(before, datetime.now(UTC) - _LONGEST_TRUSTED)
        stop = min(self.offset_at(before), below)
        folders = [
            self._listing.folder(folder)
            for folder in self._listing.folders()
            if folder <= stop // OFFSETS_PER_FOLDER
        ]
        valid = [listed.segment for folder in folders for listed in folder.valid]
        old = {
            segment
            for segment, following in pairwise(valid)
            if following.first <= stop and not _is_first(segment)
        }
        covered = [
            part.segment
            for folder in folders
            for part, merged in folder.covered
            if merged.segment in old and not _is_first(part.segment)
        ]
        # In this order, so that covered segments are never listed without the merged one.
        for segments in (covered, old):
            objects.remove(self._store, [self._listing.path(segment) for segment in segments])
        return len(old)

    def tail(self) -> _Tail:
        """Return what the last segment says, after checking that it still is the last."""
        with self._advancing:
            if not is_trusted(self.ended_at) and self._listing.exists(0):
                newest = self._listing.newest()
                if newest.first != self._tail.first or self._tail.end == 0:
                    self._tail = self._read_tail(newest)
            while True:
                looked_at = datetime.now(UTC)
                if not self._listing.exists(self._tail.end):
                    break
                folder = self._tail.end // OFFSETS_PER_FOLDER
                grown = self._listing.segments(folder, since=self._tail.end)
                self._tail = self._read_tail(grown[-1])
            self.ended_at = looked_at
            return self._tail

    def is_void(self, first: int, *, free_at: datetime) -> bool:
        """Return whether a segment that was just written is not part of the log.

        It is not if its name had been taken before: another segment of that name was merged and
        removed between the look that found the name free and the write.

        Args:
            first: The segment's first offset.
            free_at: When its name was known to be free.
        """
        if is_trusted(free_at):
            return False
        if datetime.now(UTC) - free_at > _LONGEST_TRUSTED:
            return True
        folder = self._listing.folder(first // OFFSETS_PER_FOLDER)
        return any(part.segment.first == first for part, _ in folder.covered)

    def owners(self, start: int, stop: int) -> set[str]:
        """Return the owners that wrote the messages of [start, stop), without guests.

        Raises:
            CorruptLogError: A segment is unreadable or missing.
        """
        writers = {writer for rows in self._rows(start, stop) for writer in rows["writer"].unique()}
        return {writer for writer in writers if not is_guest(writer)}

    def _read_tail(self, segment: Segment) -> _Tail:
        return _tail_of(segment.first, self._listing.fetch(segment))

    def _rows(
        self, start: int, stop: int, fetch_bytes: int = _FETCH_BYTES
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of [start, stop) in tables of bounded size.

        Raises:
            CorruptLogError: A segment is unreadable or missing.
        """
        reached, lists_anew = start, False
        while reached < stop:
            try:
                for rows in self._following(reached, stop, fetch_bytes, lists_all=lists_anew):
                    reached += len(rows)
                    yield rows
            except _MissingError:
                # A slow reader may find that a listed segment was merged and removed meanwhile.
                if lists_anew:
                    raise CorruptLogError(
                        f"{self._source_name}: a segment from offset {reached} on is missing"
                    ) from None
                lists_anew = True

    def _following(
        self, start: int, stop: int, fetch_bytes: int, *, lists_all: bool
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of [start, stop), up to the first gap.

        Raises:
            CorruptLogError: A segment is unreadable.
            _MissingError: There is a gap, or a listed segment is gone.
        """
        expected = start
        with ThreadPoolExecutor(_FETCH_THREADS) as pool:
            covering = self._covering(start, stop, lists_all=lists_all)
            for segments in _bounded(covering, fetch_bytes):
                # Threads are started at the first use, and one segment needs none.
                fetch_each = pool.map if len(segments) > 1 else map
                try:
                    fetched = list(fetch_each(self._listing.fetch, segments))
                except FileNotFoundError:
                    raise _MissingError from None
                rows = decode(fetched).filter(
                    pl.col("offset").is_between(start, stop, closed="left")
                )
                following = range(expected, expected + len(rows))
                if rows.get_column("offset").to_list() != list(following):
                    raise _MissingError
                expected += len(rows)
                yield rows
        if expected != stop:
            raise _MissingError

    def _covering(self, start: int, stop: int, *, lists_all: bool) -> Iterator[Segment]:
        """Yield the segments that hold the offsets [start, stop), in order.

        The newest folder has no merged segments, so a segment that begins at `start` is the valid
        one.

        Args:
            start: The first offset.
            stop: The offset after the last.
            lists_all: Whether to list the whole folder in any case.
        """
        is_newest = start >= self._tail.first // OFFSETS_PER_FOLDER * OFFSETS_PER_FOLDER
        floor = start
        if lists_all or not (
            is_newest and is_trusted(self.ended_at) and self._listing.exists(start)
        ):
            floor = self._floor(start)
        for folder in range(floor // OFFSETS_PER_FOLDER, (stop - 1) // OFFSETS_PER_FOLDER + 1):
            for segment in self._listing.segments(folder, since=floor):
                if segment.first < stop:
                    yield segment

    def _floor(self, offset: int) -> int:
        """Return the first offset of the segment that holds `offset`."""
        for folder in self._folders_down_from(offset // OFFSETS_PER_FOLDER):
            firsts = [segment.first for segment in self._listing.segments(folder)]
            position = bisect_left(firsts, offset + 1)
            if position > 0:
                return firsts[position - 1]
        raise CorruptLogError(f"{self._source_name}: no segment holds offset {offset}")

    def _folders_down_from(self, newest: int) -> Iterator[int]:
        """Yield a folder, and earlier ones while a folder has no wanted segment."""
        yield newest
        yield from (folder for folder in reversed(self._listing.folders()) if folder < newest)

    def _received_at(self, segment: Segment) -> pl.Series:
        return decode([self._listing.fetch(segment)], ["received_at"]).to_series()


class LandingWriter:
    """One source's log, for writing by its owner, by one thread at a time.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.
        tell: Called with the source's name after each append.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(self, store: ObjectStore, source_name: str, tell: Tell = tell_nobody) -> None:
        self._store = store
        self._source_name = source_name
        self._tell = tell
        self._id = uuid4().hex
        self._log = LandingLog(store, source_name)
        objects.discard_staged(store, source_name)
        self._tail = self._log.tail()
        self._ended_at = self._log.ended_at

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
        self._tell(self._source_name)
        return range(firsts[0] if firsts else self._tail.end, self._tail.end)

    def _append_segment(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        while True:
            if not is_trusted(self._ended_at):
                self._step_past_guests()
            began = datetime.now(UTC)
            appended = _put(
                self._store, self._source_name, messages, self._tail, cursor=cursor, writer=self._id
            )
            if appended is None:
                self._step_past_a_guest()
            elif not self._log.is_void(appended.first, free_at=self._ended_at):
                self._tail, self._ended_at = appended, began
                return

    def _step_past_guests(self) -> None:
        """Continue at the end of the log, after all appends of guests.

        Raises:
            FencedError: Somebody else has appended, or the appended messages can't be read.
        """
        tail = self._log.tail()
        try:
            owners = self._log.owners(self._tail.end, tail.end)
        except CorruptLogError as error:
            raise self._fenced() from error
        if owners:
            raise self._fenced()
        self._tail = tail._replace(cursor=self._tail.cursor)
        self._ended_at = self._log.ended_at

    def _fenced(self) -> FencedError:
        return FencedError(f"another writer has taken over the log of {self._source_name}")

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
            raise self._fenced()
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
        tell: Called with the source's name after each append.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(self, store: ObjectStore, source_name: str, tell: Tell = tell_nobody) -> None:
        self._store = store
        self._source_name = source_name
        self._tell = tell
        self._id = guest_name()
        self._log = LandingLog(store, source_name)

    def append(self, messages: Sequence[RawMessage]) -> list[range]:
        """Append messages; return the ranges of their offsets, one per segment.

        Durable on return. `received_at` never decreases, as with the owner.

        Raises:
            ValueError: The `received_at` of a message has no time zone.
        """
        landed = [self._append_segment(part) for part in _parts(messages)]
        self._tell(self._source_name)
        return landed

    def _append_segment(self, messages: Sequence[RawMessage]) -> range:
        while True:
            tail = self._log.tail()
            if tail.end > 0:
                objects.make_durable(self._store, segment_path(self._source_name, tail.first))
            appended = _put(
                self._store, self._source_name, messages, tail, cursor=tail.cursor, writer=self._id
            )
            if appended is not None and not self._log.is_void(
                appended.first, free_at=self._log.ended_at
            ):
                return range(appended.first, appended.end)
            time.sleep(random.uniform(0, _GUEST_PAUSE_SECONDS))  # noqa: S311 (spreads retries, guards nothing)


class _MissingError(Exception):
    """At this moment a segment is missing."""


def is_trusted(free_at: datetime) -> bool:
    """Return whether a name that was free then can't have been taken, merged and freed since."""
    return abs(datetime.now(UTC) - free_at) < _TRUSTED


def _is_first(segment: Segment) -> bool:
    """Return whether this is the segment that says that its log has begun."""
    return segment.first == 0 and segment.stop is None


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


def _bounded(segments: Iterator[Segment], fetch_bytes: int) -> Iterator[list[Segment]]:
    """Group segments into portions that are fetched and held at once."""
    group: list[Segment] = []
    size = 0
    for segment in segments:
        if group and (len(group) == _FETCH_SEGMENTS or size + segment.size > fetch_bytes):
            yield group
            group, size = [], 0
        group.append(segment)
        size += segment.size
    if group:
        yield group
