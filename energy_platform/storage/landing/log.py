"""The logs of a landing zone: reading them, and the right to write to them.

A log's segments form a chain: each starts at the offset at which the previous one stops. The name
of the next segment is therefore known before it exists, and one look for that name tells whether
the log has grown. A listing may miss segments that are created while it runs, so a reader first
finds the end of the log and lists the segments afterwards.

Old segments are merged, and removed some time later (see `merging`). A name that was free may thus
have been taken and be free again. So a reader or writer that found a name free trusts this for a
shorter time than merged segments are kept, and looks at the whole log afterwards.

A segment that is damaged or missing costs its own messages only. One message stands for them, with
the reason, and the log goes on behind them. A damaged last segment may not say how many messages it
had. Readers then wait before it, and the next owner goes on behind all that it can have had.
"""

import itertools
import logging
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

import polars as pl
from obstore.store import ObjectStore

from energy_platform.errors import FencedError, UsageError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import LostMessages, RawMessage
from energy_platform.storage.landing import objects
from energy_platform.storage.landing.listing import SegmentListing
from energy_platform.storage.landing.news import Tell, tell_nobody
from energy_platform.storage.landing.segment import (
    MOST_MESSAGES,
    OFFSETS_PER_FOLDER,
    CorruptLogError,
    DamagedSegmentError,
    Segment,
    decode,
    encode,
    guest_name,
    is_guest,
    owner_name,
    segment_path,
    tabulate,
    term_of,
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
_TRIES: Final = 5
"""How often the log is listed anew for a message that no listing explains."""
_GUEST_PAUSE_SECONDS: Final = 0.01
"""The longest pause of a guest that came second; the owner does not pause, and so goes first."""

_FOLLOWED_SEGMENTS: Final = 8
"""How many segments are followed by their names before the log is listed: in a bucket a listing
costs twelve times a look, and finds a thousand.
"""
_KNOWN_SEGMENTS: Final = 64
"""How many of the newest segments are remembered, so that they need not be listed to be read."""

_SOURCE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")


_log = logging.getLogger(__name__)


class _Tail(NamedTuple):
    """What is known of a log from its last segment.

    Attributes:
        first: The segment's first offset.
        end: Where the log ends for a reader.
        cursor: The feed's cursor.
        last_received_at: When the newest message was received that can be read.
        beyond: Where a writer goes on, if the segment is damaged and doesn't say where it ends.
        damage: How the segment is damaged; empty if it is not.
    """

    first: int
    end: int
    cursor: str | None
    last_received_at: datetime | None
    beyond: int | None = None
    damage: str = ""


_EMPTY: Final = _Tail(first=0, end=0, cursor=None, last_received_at=None)


class _Lost(NamedTuple):
    """Messages from an offset on that can't be read, and when they were received at the latest."""

    start: int
    received_at: datetime
    messages: LostMessages


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
        self._taken = 0
        self._known: dict[int, tuple[Segment, int]] = {}
        self._advancing = Lock()
        self.ended_at = datetime.min.replace(tzinfo=UTC)
        """When the log was known to end at `tail`."""

    def end_offset(self, *, taken: int = 0) -> int:
        """Return the offset of the next message, which is the number of messages so far.

        Costs one look for one name while the log does not grow.

        Args:
            taken: Up to which offset messages were taken from the log, as far as the caller knows:
                the log goes on there even if the files that held them are missing by now.
        """
        self._taken = max(self._taken, taken)
        return max(self.tail().end, self._taken)

    def last_received_at(self) -> datetime | None:
        """Return when the newest message was received; None if there is none."""
        return self.tail().last_received_at

    @property
    def damage(self) -> str:
        """How the end of the log was damaged at the last look; empty if it was sound."""
        if self._tail.damage or self._taken <= self._tail.end:
            return self._tail.damage
        missing = f"[{self._tail.end}, {self._taken})"
        return f"{self._source_name}: the files with messages {missing} are missing in its log"

    def read(
        self, start: int, stop: int, *, limit: int | None = None, limit_bytes: int | None = None
    ) -> list[RawMessage]:
        """Return the messages of offsets [start, stop), in order.

        One message stands for those of a segment that is unreadable or missing, and it reaches to
        the next segment, whatever the limits.

        Args:
            start: The first offset.
            stop: The offset after the last; at most `end_offset()`.
            limit: The greatest number of messages to return, from the first on.
            limit_bytes: Return no further message once the bodies together exceed this many bytes;
                the first message is always returned.

        Raises:
            ValueError: The log doesn't reach from `start` to `stop`.
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
            if isinstance(rows, _Lost):
                messages.append(_stand_in(rows))
                continue
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

    def damages(self, *, forgets: bool) -> Iterator[tuple[str, str]]:
        """Yield each file that is damaged or missing, with the reason; reads the whole log.

        Args:
            forgets: Whether old messages may have been deleted: then the gap behind the first
                segment is none.
        """
        expected: int | None = 0
        for segment in self._listing.up_from(-1):
            if expected is not None and segment.first > expected and not forgets:
                missing = segment_path(self._source_name, expected)
                yield (
                    objects.place(self._store, missing),
                    f"messages [{expected}, {segment.first}) are missing",
                )
            forgets = forgets and segment.first == 0
            try:
                expected = self._stop_of(segment)
            except DamagedSegmentError as error:
                expected = error.stop
                yield objects.place(self._store, self._listing.path(segment)), str(error)
            except FileNotFoundError:  # merged meanwhile
                expected = None

    def stored_bytes(self, start: int, stop: int) -> int:
        """Return the size of the segments that begin in [start, stop)."""
        folders = range(start // OFFSETS_PER_FOLDER, (stop - 1) // OFFSETS_PER_FOLDER + 1)
        return sum(
            segment.size
            for folder in folders
            for segment in self._listing.segments(folder, since=start)
            if segment.first < stop
        )

    def segments(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the first offset and the bytes of each segment that holds messages of a range."""
        if start < stop:
            for segment in self._covering(start, stop, lists_all=True):
                yield segment.first, segment.size

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

        position = bisect_left(
            folders, instant, key=lambda folder: self._began_at(self._listing.segments(folder))
        )
        if position == 0:
            return 0
        segments = self._listing.segments(folders[position - 1])
        places = range(len(segments))
        place = bisect_left(places, instant, key=lambda each: self._began_at(segments[each:]))
        segment = segments[max(place - 1, 0)]
        try:
            earlier = self._received_at(segment) < instant
        except DamagedSegmentError:
            return segment.first
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
            if not is_trusted(self.ended_at):
                newest = self._listing.newest()
                if newest and (newest.first != self._tail.first or self._tail.end == 0):
                    self._tail = self._tail_at(newest)
            followed = 0
            while True:
                looked_at = datetime.now(UTC)
                grown = self._grown(lists=followed >= _FOLLOWED_SEGMENTS)
                followed += 1
                if grown is None:
                    break
                before, self._tail = self._tail, self._tail_at(grown)
                if self._tail == before:
                    break
            self.ended_at = looked_at
            return self._tail

    def place_to_write(self) -> _Tail:
        """Return the tail of the log for a writer: behind a segment that can't be read."""
        tail = self.tail()
        return tail if tail.beyond is None else tail._replace(end=tail.beyond, beyond=None)

    def _grown(self, *, lists: bool) -> Segment | None:
        """Return a later segment than the last known one, or an unreadable last one again.

        Args:
            lists: Whether to list the log for the last one, not to take the next one.
        """
        end = self._tail.end
        is_behind = self._taken > end and self._listing.exists(self._taken)
        if is_behind or self._tail.beyond is not None:
            # A damaged segment's owner goes on somewhere behind it, and another one does elsewhere.
            return self._listing.newest()
        if not self._listing.exists(end):
            return None
        if not lists:
            return Segment(end, 0)
        return self._listing.segments(end // OFFSETS_PER_FOLDER, since=end)[-1]

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
        writers: set[str] = set()
        for rows in self._rows(start, stop):
            if isinstance(rows, _Lost):
                raise CorruptLogError(rows.messages.reason)
            writers |= set(rows["writer"].unique())
        return {writer for writer in writers if not is_guest(writer)}

    def _tail_at(self, newest: Segment) -> _Tail:
        """Return the tail of the log whose last segment this is, readable or not."""
        try:
            return self._read_tail(newest)
        except DamagedSegmentError as error:
            before = self._newest_readable(newest.first)
            said = before._replace(first=newest.first, damage=f"{self._source_name}: {error}")
            if error.stop is not None:
                return said._replace(end=error.stop)
            return said._replace(end=newest.first, beyond=newest.first + MOST_MESSAGES)

    def _newest_readable(self, below: int) -> _Tail:
        """Return what the last segment before an offset says that can be read."""
        for segment in self._listing.down_from(below):
            try:
                return self._read_tail(segment)
            except DamagedSegmentError:
                continue
        return _EMPTY

    def _read_tail(self, segment: Segment) -> _Tail:
        body = self._listing.fetch(segment)
        tail = _tail_of(segment.first, body)
        self._known[segment.first] = (segment._replace(size=len(body)), tail.end)
        if len(self._known) > _KNOWN_SEGMENTS:
            del self._known[next(iter(self._known))]
        return tail

    def _known_between(self, start: int, stop: int) -> list[Segment]:
        """Return the remembered segments of [start, stop); none if any of them is not."""
        segments = []
        while start < stop:
            if start not in self._known:
                return []
            segment, start = self._known[start]
            segments.append(segment)
        return segments

    def _rows(
        self, start: int, stop: int, fetch_bytes: int = _FETCH_BYTES
    ) -> Iterator[pl.DataFrame | _Lost]:
        """Yield the rows of [start, stop) in tables of bounded size, and what is lost of them."""
        reached, tries = start, 0
        while reached < stop:
            try:
                for rows in self._following(reached, stop, fetch_bytes, lists_all=tries > 0):
                    reached, tries = reached + len(rows), tries if rows.is_empty() else 0
                    yield rows
            except _MissingError:
                # A slow reader may find that a listed segment was merged and removed meanwhile.
                tries += 1
                if tries > _TRIES:
                    raise CorruptLogError(
                        f"{self._source_name}: the segments from offset {reached} on contradict"
                        " one another"
                    ) from None
                if tries > 1 and (lost := self._lost_at(reached, stop)) is not None:
                    _log.error("%s", lost.messages.reason)
                    reached, tries = lost.messages.stop, 0
                    yield lost

    def _following(
        self, start: int, stop: int, fetch_bytes: int, *, lists_all: bool
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of [start, stop), up to the first message that is not there.

        Raises:
            _MissingError: There is a gap, a damaged segment, or a listed segment is gone.
        """
        expected = start
        with ThreadPoolExecutor(_FETCH_THREADS) as pool:
            covering = self._covering(start, stop, lists_all=lists_all)
            for segments in _bounded(covering, fetch_bytes):
                # Threads are started at the first use, and one segment needs none.
                fetch_each = pool.map if len(segments) > 1 else map
                sound = list(itertools.takewhile(bool, fetch_each(self._fetched, segments)))
                if sound:
                    read = decode(sound).filter(
                        pl.col("offset").is_between(start, stop, closed="left")
                    )
                    rows = _without_a_gap(read, expected)
                    expected += len(rows)
                    yield rows
                    if len(rows) < len(read):
                        raise _MissingError
                if len(sound) < len(segments):
                    raise _MissingError
        if expected != stop:
            raise _MissingError

    def _fetched(self, segment: Segment) -> bytes:
        """Return a segment's bytes; none if it is damaged or gone."""
        try:
            return self._listing.fetch(segment)
        except (DamagedSegmentError, FileNotFoundError):
            return b""

    def _lost_at(self, offset: int, stop: int) -> _Lost | None:
        """Return what is lost from an offset on; None if the message can be read by now."""
        later = list(itertools.islice(self._listing.up_from(offset), OFFSETS_PER_FOLDER))
        start, stop, why = 0, later[0].first if later else stop, ""
        holder = next(self._listing.down_from(offset + 1), None)
        if holder is not None:
            try:
                start = self._stop_of(holder)
            except FileNotFoundError:
                return None
            except DamagedSegmentError as error:
                if error.stop is None or error.stop > offset:
                    start, stop, why = holder.first, error.stop or stop, str(error)
                else:
                    start = error.stop
        if not why and start > offset:
            return None
        began = self._began_at(later)
        received_at = self._tail.last_received_at if began == _NEVER else began
        reason = (
            f"{self._source_name}: messages [{start}, {stop}) can't be read:"
            f" {why or 'their file is missing in the landing zone'}. If there is a copy of the"
            f" file, put it back, then: energy-platform redrive {self._source_name}"
        )
        return _Lost(offset, received_at or datetime.now(UTC), LostMessages(stop, reason))

    def _stop_of(self, segment: Segment) -> int:
        """Return the offset after a segment's last message.

        Raises:
            DamagedSegmentError: It can't be read, or is another segment's file.
            FileNotFoundError: It is gone.
        """
        offsets = decode([self._listing.fetch(segment)], ["offset"]).to_series()
        if offsets[0] != segment.first:
            path = self._listing.path(segment)
            raise DamagedSegmentError(f"{path} is the file of other messages", stop=segment.stop)
        return int(offsets[-1]) + 1

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
        known = self._known_between(start, stop)
        if known and not lists_all and is_newest and is_trusted(self.ended_at):
            yield from known
            return
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
        return offset

    def _folders_down_from(self, newest: int) -> Iterator[int]:
        """Yield a folder, and earlier ones while a folder has no wanted segment."""
        yield newest
        yield from (folder for folder in reversed(self._listing.folders()) if folder < newest)

    def _began_at(self, segments: Sequence[Segment]) -> datetime:
        """Return when the first message was received of the first segment that can be read."""
        for segment in segments:
            try:
                began: datetime = self._received_at(segment)[0]
            except (DamagedSegmentError, FileNotFoundError):
                continue
            return began
        return _NEVER

    def _received_at(self, segment: Segment) -> pl.Series:
        return decode([self._listing.fetch(segment)], ["received_at"]).to_series()


class LandingWriter:
    """One source's log, for writing by its owner, by one thread at a time.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.
        tell: Called with the source's name and the offsets after each append.
        at_least: The first offset that may be given to a message: messages before it were taken
            from the log, even if the files that held them are missing by now.
        term: The term of the owner's lease; 0 without one. What an owner of an earlier term wrote
            before it saw that its time was over counts as a guest's.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(
        self,
        store: ObjectStore,
        source_name: str,
        tell: Tell = tell_nobody,
        *,
        at_least: int = 0,
        term: int = 0,
    ) -> None:
        self._store = store
        self._source_name = source_name
        self._tell = tell
        self._term = term
        self._id = owner_name(term)
        self._log = LandingLog(store, source_name)
        objects.discard_staged(store, source_name)
        self._tail = self._log.place_to_write()
        if self._tail.damage:
            _log.error("%s: the log goes on at offset %d", self._tail.damage, self._tail.end)
        if self._tail.end < at_least:
            _log.error(
                "%s: its log ends at offset %d, and messages up to %d were taken from it: its"
                " newest files are missing, and it goes on behind them",
                source_name, self._tail.end, at_least,
            )  # fmt: skip
            self._tail = self._tail._replace(end=at_least)
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
        appended = range(firsts[0] if firsts else self._tail.end, self._tail.end)
        self._tell(self._source_name, appended)
        return appended

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
        """Continue at the end of the log, after all appends of guests and earlier owners.

        Raises:
            FencedError: Somebody else has appended, or the appended messages can't be read.
        """
        tail = self._log.place_to_write()
        try:
            owners = self._log.owners(self._tail.end, tail.end)
        except CorruptLogError as error:
            raise self._fenced() from error
        if not all(map(self._goes_before, owners)):
            raise self._fenced()
        self._tail = tail._replace(cursor=self._tail.cursor, end=max(tail.end, self._tail.end))
        self._ended_at = self._log.ended_at

    def _goes_before(self, writer: str) -> bool:
        """Return whether this owner goes on behind what a writer has written."""
        return is_guest(writer) or term_of(writer) < self._term

    def _fenced(self) -> FencedError:
        return FencedError(f"another writer has taken over the log of {self._source_name}")

    def _step_past_a_guest(self) -> None:
        """Continue after the segment that has taken the next one's name.

        Raises:
            FencedError: The segment is neither a guest's nor an earlier owner's, or it is missing
                because a new owner discarded our staged file.
        """
        path = segment_path(self._source_name, self._tail.end)
        if not objects.exists(self._store, path) or not self._goes_before(
            writer_of(body := objects.fetch(self._store, path))
        ):
            raise self._fenced()
        objects.make_durable(self._store, path)
        # A guest copied a cursor of this writer, which may be an older one.
        self._tail = _tail_of(self._tail.end, body)._replace(cursor=self._tail.cursor)


class LandingGuest:
    """One source's log, for appending beside its owner; threads and processes may each have one.

    A guest writes at the current end of the log, and tries again after a quicker writer, the owner
    or another guest. It copies the owner's cursor, and the owner continues after it.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.
        tell: Called with the source's name and the offsets after each append.
        at_least: The first offset that may be given to a message; see `LandingWriter`.

    Raises:
        UsageError: No source can have this name.
    """

    def __init__(
        self,
        store: ObjectStore,
        source_name: str,
        tell: Tell = tell_nobody,
        *,
        at_least: int = 0,
    ) -> None:
        self._store = store
        self._source_name = source_name
        self._tell = tell
        self._at_least = at_least
        self._id = guest_name()
        self._log = LandingLog(store, source_name)

    def append(self, messages: Sequence[RawMessage]) -> list[range]:
        """Append messages; return the ranges of their offsets, one per segment.

        Durable on return. `received_at` never decreases, as with the owner.

        Raises:
            CorruptLogError: The last segment is damaged, and only an owner may go on behind it.
            ValueError: The `received_at` of a message has no time zone.
        """
        landed = [self._append_segment(part) for part in _parts(messages)]
        if landed:
            self._tell(self._source_name, range(landed[0].start, landed[-1].stop))
        return landed

    def _append_segment(self, messages: Sequence[RawMessage]) -> range:
        while True:
            tail = self._log.tail()
            if tail.beyond is not None:
                raise CorruptLogError(
                    f"{tail.damage}. The collector goes on behind it: try again while it runs"
                )
            if tail.end > 0:
                objects.make_durable(self._store, segment_path(self._source_name, tail.first))
            tail = tail._replace(end=max(tail.end, self._at_least))
            appended = _put(
                self._store, self._source_name, messages, tail, cursor=tail.cursor, writer=self._id
            )
            if appended is not None and not self._log.is_void(
                appended.first, free_at=self._log.ended_at
            ):
                return range(appended.first, appended.end)
            time.sleep(random.uniform(0, _GUEST_PAUSE_SECONDS))  # noqa: S311 (spreads retries, guards nothing)


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""When messages began that can't be read."""


class _MissingError(Exception):
    """At this moment a segment is missing or damaged."""


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


def _without_a_gap(rows: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return the rows up to the first that isn't the next one."""
    offsets, following = rows.get_column("offset").to_list(), range(first, first + len(rows))
    if offsets == list(following):
        return rows
    pairs = zip(offsets, following, strict=True)
    return rows.head(sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _stand_in(lost: _Lost) -> RawMessage:
    """Return the message that stands for those that are lost."""
    return RawMessage(
        body=b"", received_at=lost.received_at, landing_offset=lost.start, lost=lost.messages
    )


def _parts(messages: Sequence[RawMessage]) -> Iterator[Sequence[RawMessage]]:
    """Split messages into parts that a segment takes; a message of more bytes is alone."""
    start = size = 0
    for position, message in enumerate(messages):
        is_full = size + len(message.body) > SEGMENT_BYTES or position - start == MOST_MESSAGES
        if position > start and is_full:
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
