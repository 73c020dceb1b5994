"""Merging changes no offset, loses and doubles no message, and leaves each writer where it was."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore, ObjectStore

from energy_platform.errors import FencedError
from energy_platform.storage.landing import (
    LandingWriter,
    LandingZone,
    listing,
    log,
    merging,
    objects,
)
from energy_platform.storage.landing import segment as segments
from energy_platform.storage.landing.listing import SegmentListing
from energy_platform.storage.landing.merging import Merged
from energy_platform.storage.landing.segment import Segment
from tests.support.effort import examples
from tests.unit.landing.landing_writers import EPOCH, SOURCE, message

SOON = timedelta(minutes=10)
LATER = log.MERGED_KEPT + timedelta(minutes=1)


class Clock(datetime):
    """A clock that stands until a test puts it forward."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + cls.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with_small_folders(monkeypatch)


def with_small_folders(patch: pytest.MonkeyPatch, offsets: int = 5) -> None:
    """Give a folder few offsets, and the log a clock that can be put forward."""
    for module in (segments, log, listing, merging):
        patch.setattr(module, "OFFSETS_PER_FOLDER", offsets)
    patch.setattr(Clock, "ahead", timedelta())
    patch.setattr(log, "datetime", Clock)


def wait(by: timedelta) -> None:
    Clock.ahead += by


def now() -> datetime:
    return Clock.now(UTC)


def names(store: ObjectStore) -> list[tuple[int, int | None]]:
    """Return the first offset, and of merged ones the stop, of every segment."""
    paths = [meta["path"] for chunk in obstore.list(store, SOURCE) for meta in chunk]
    found = [segments.segment_named(path, 0) for path in paths]
    return sorted(
        ((each.first, each.stop) for each in found if each is not None),
        key=lambda name: (name[0], name[1] or 0),
    )


def bodies(zone: LandingZone, start: int = 0) -> list[bytes]:
    reader = LandingZone(zone_store(zone)).log(SOURCE)
    return [one.body for one in reader.read(start, reader.end_offset())]


def zone_store(zone: LandingZone) -> ObjectStore:
    return zone._store


def numbers(stop: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


def test_what_is_complete_is_merged_and_its_parts_go_later(
    zone: LandingZone, store: ObjectStore
) -> None:
    writer = zone.writer(SOURCE)
    for number in range(12):
        writer.append([message(number)], str(number))
    assert zone.merge(SOURCE, now=now()) == Merged(merged=10, into=2)
    assert bodies(zone) == numbers(12)
    assert zone.merge(SOURCE, now=now()) == Merged(), "all parts are young"
    wait(LATER)
    assert zone.merge(SOURCE, now=now()) == Merged(removed=9)
    # The first one stays: it says that the log has begun. The newest folder isn't complete.
    assert names(store) == [(0, None), (0, 5), (5, 10), (10, None), (11, None)]
    assert zone.merge(SOURCE, now=now()) == Merged()
    assert bodies(zone) == numbers(12)
    assert zone.log(SOURCE).read(3, 7) == LandingZone(store).log(SOURCE).read(3, 7)
    assert writer.append([message(12)], "12") == range(12, 13)
    assert LandingZone(store).writer(SOURCE).cursor == "12"


def test_a_merge_looks_at_no_folder_that_is_done(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = zone.writer(SOURCE)
    looked_at: list[int] = []
    folder = SegmentListing.folder

    def note(self: SegmentListing, number: int, *, since: int = 0) -> listing.Folder:
        looked_at.append(number)
        return folder(self, number, since=since)

    monkeypatch.setattr(SegmentListing, "folder", note)
    for number in range(100):
        writer.append([message(number)], None)
        if number % 10 == 9:
            zone.merge(SOURCE, now=now())
            wait(LATER)
            looked_at.clear()
    zone.merge(SOURCE, now=now())
    assert min(looked_at) >= 16, "of folders 0 to 19"


def test_what_is_large_stays_as_it_is(
    zone: LandingZone, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MERGED_BYTES", 20_000)
    sizes = [10, 50_000, 10, 10, 10]
    writer = zone.writer(SOURCE)
    for number in range(6):
        size = sizes[number] if number < len(sizes) else 10
        writer.append([message(number, body=os.urandom(size))], None)
    assert zone.merge(SOURCE, now=now()) == Merged(merged=3, into=1)
    wait(LATER)
    assert zone.merge(SOURCE, now=now()) == Merged(removed=3)
    assert names(store) == [(0, None), (1, None), (2, 5), (5, None)]


def test_a_gap_is_not_merged_over(zone: LandingZone, store: ObjectStore) -> None:
    writer = zone.writer(SOURCE)
    for number in range(6):
        writer.append([message(number)], None)
    obstore.delete(store, segments.segment_path(SOURCE, 2))
    assert zone.merge(SOURCE, now=now()) == Merged()
    reader = LandingZone(store).log(SOURCE)
    assert [one.landing_offset for one in reader.read(0, 6) if one.lost is not None] == [2]


@pytest.mark.parametrize("pause", [SOON, LATER])
def test_a_reader_that_holds_an_old_listing_finds_every_message(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch, pause: timedelta
) -> None:
    """Also one that sleeps for longer than the parts stay."""
    writer = zone.writer(SOURCE)
    for number in range(12):
        writer.append([message(number)], None)
    reader = zone.log(SOURCE)
    reader.end_offset()
    fetch = SegmentListing.fetch

    def fetch_late(self: SegmentListing, segment: Segment) -> bytes:
        monkeypatch.setattr(SegmentListing, "fetch", fetch)
        zone.merge(SOURCE, now=now())
        wait(pause)
        zone.merge(SOURCE, now=now())
        return fetch(self, segment)

    monkeypatch.setattr(SegmentListing, "fetch", fetch_late)
    assert [one.body for one in reader.read(0, 12)] == numbers(12)


def test_a_writer_that_slept_through_a_merge_does_not_take_a_name_that_is_free_again(
    zone: LandingZone, store: ObjectStore
) -> None:
    first = zone.writer(SOURCE)
    first.append([message(0)], "a")
    second = zone.writer(SOURCE)
    for number in range(1, 12):
        second.append([message(number)], str(number))
    for _ in range(2):
        zone.merge(SOURCE, now=now())
        wait(LATER)
    assert (1, None) not in names(store)
    with pytest.raises(FencedError):
        first.append([message(99)], "b")
    assert bodies(zone) == numbers(12)


def test_an_owner_moves_on_behind_guests_whose_segments_were_merged(zone: LandingZone) -> None:
    owner, guest = zone.writer(SOURCE), zone.guest(SOURCE)
    owner.append([message(0)], "a")
    for number in range(1, 12):
        guest.append([message(number)])
    for _ in range(2):
        zone.merge(SOURCE, now=now())
        wait(LATER)
    assert owner.append([message(12)], None) == range(12, 13)
    assert zone.writer(SOURCE).cursor == "a"
    assert bodies(zone) == numbers(13)


@pytest.mark.parametrize("who", ["owner", "guest"])
def test_what_was_written_by_a_process_that_slept_within_the_write_is_written_again(
    zone: LandingZone, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Its name was free when it looked, was taken, merged and removed, and is free when it writes.

    The stray segment is no part of the log.
    """
    owner, guest = zone.writer(SOURCE), zone.guest(SOURCE)
    owner.append([message(0)], "a")
    others = zone.guest(SOURCE)
    create = objects.create

    def create_late(store: ObjectStore, path: str, body: bytes, *, writer: str) -> bool:
        monkeypatch.setattr(objects, "create", create)
        for number in range(1, 12):
            others.append([message(number)])
        for _ in range(2):
            zone.merge(SOURCE, now=now())
            wait(LATER)
        return create(store, path, body, writer=writer)

    monkeypatch.setattr(objects, "create", create_late)
    if who == "owner":
        assert owner.append([message(12)], "b") == range(12, 13)
    else:
        assert guest.append([message(12)]) == [range(12, 13)]
    assert (1, None) in names(store), "the stray one"
    assert bodies(zone) == numbers(13)
    assert bodies(zone, 1) == numbers(13, 1)
    zone.merge(SOURCE, now=now())
    wait(LATER)
    zone.merge(SOURCE, now=now())
    assert bodies(zone) == numbers(13)


def test_old_merged_segments_are_forgotten_with_their_parts(
    zone: LandingZone, store: ObjectStore
) -> None:
    writer = zone.writer(SOURCE)
    for number in range(17):
        writer.append([message(number)], None)
    zone.merge(SOURCE, now=now())
    reader = zone.log(SOURCE)
    before = EPOCH + timedelta(seconds=12)
    assert reader.forget(before=before, below=17) == 2
    assert names(store)[:2] == [(0, None), (10, None)], "the first says that the log has begun"
    assert (10, 15) in names(store)
    assert [one.body for one in reader.read(10, 17)] == numbers(17, 10)
    assert reader.forget(before=before, below=17) == 0
    assert zone.writer(SOURCE).append([message(17)], None) == range(17, 18)


class KilledError(BaseException):
    """The process ends here."""


@contextmanager
def killed_after(calls: int, *, done: bool) -> Iterator[None]:
    """End the process at one of the next writes or removals, which is done, or done by half."""
    left = itertools.count(calls, -1)

    def create(store: ObjectStore, path: str, body: bytes, *, writer: str) -> bool:
        if next(left) > 0:
            return CREATE(store, path, body, writer=writer)
        if done:
            CREATE(store, path, body, writer=writer)
        raise KilledError

    def remove(store: ObjectStore, paths: Sequence[str]) -> None:
        if not paths:
            return
        if next(left) > 0:
            REMOVE(store, paths)
            return
        REMOVE(store, paths[:: 2 if done else 3])
        raise KilledError

    with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
        patch.setattr(objects, "create", create)
        patch.setattr(objects, "remove", remove)
        yield


CREATE, REMOVE = objects.create, objects.remove


@dataclass
class Model:
    """A log, and what it must hold."""

    folder: Path
    zone: LandingZone
    owners: list[LandingWriter] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    cursor: str | None = None
    forgotten: int = 0
    dated: set[Path] = field(default_factory=set)
    sent_at: list[datetime] = field(default_factory=list)

    def append(self, who: int, count: int) -> None:
        """Have an owner, the newest or one before, or a guest append messages."""
        messages = [message(len(self.sent) + number) for number in range(count)]
        if who == 0:
            stops = [part.stop for part in self.zone.guest(SOURCE).append(messages)]
            assert stops == ([len(self.sent) + count] if count else [])
        else:
            owner = self.owners[-who % len(self.owners)]
            after = str(len(self.sent) + count)
            try:
                written = owner.append(messages, after)
            except FencedError:
                assert len(self.owners) > 1, "no other has owned the log"
                self.owners[-who % len(self.owners)] = self.zone.writer(SOURCE)
                return
            if messages:
                assert written == range(len(self.sent), len(self.sent) + count)
                self.cursor = after
        self.sent += [one.body for one in messages]
        self.sent_at += [now()] * count

    def merge(self, calls: int, *, done: bool) -> None:
        """Merge, and be killed at some point unless that is beyond the end."""
        with killed_after(calls, done=done):
            self.zone.merge(SOURCE, now=now())
        for file in self.folder.rglob("*-*.arrow"):
            # Files are as old as the test's clock says.
            if file.stat().st_mtime < now().timestamp() and file not in self.dated:
                os.utime(file, (now().timestamp(),) * 2)
                self.dated.add(file)

    def forget(self, below: int) -> None:
        old = sum(now() - at > timedelta(hours=1) for at in self.sent_at)
        below = min(below, old)
        self.zone.log(SOURCE).forget(before=EPOCH + timedelta(days=365), below=below)
        self.forgotten = max(self.forgotten, below)

    def check(self, reader: LandingZone, start: int, stop: int) -> None:
        """Hold a range of the log against what was sent."""
        one = reader.log(SOURCE)
        assert one.end_offset() == len(self.sent)
        start, stop = sorted((max(self.forgotten, start), max(self.forgotten, stop)))
        start, stop = min(start, len(self.sent)), min(stop, len(self.sent))
        assert [each.body for each in one.read(start, stop)] == self.sent[start:stop]


ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 2), st.integers(0, 7)),
    st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 2)),
    st.tuples(st.just("merge"), st.integers(0, 4), st.booleans()),
    st.tuples(st.just("merge"), st.just(99), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 31, 90]), st.just(0)),
    st.tuples(st.just("read"), st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.just("forget"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("take over"), st.just(0), st.just(0)),
)


@settings(max_examples=examples(40), deadline=None)
@given(
    actions=st.lists(ACTIONS, min_size=5, max_size=40), merged_bytes=st.sampled_from([5_000, 2**20])
)
def test_in_any_order_with_any_kill_the_log_holds_what_was_appended(
    actions: list[tuple[str, int, int]], merged_bytes: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        with_small_folders(patch)
        patch.setattr(merging, "MERGED_BYTES", merged_bytes)
        patch.setattr(os, "fsync", lambda _: None)
        model = Model(Path(folder), LandingZone(LocalStore(folder)))
        model.owners.append(model.zone.writer(SOURCE))
        reader = LandingZone(LocalStore(folder))
        for name, one, other in actions:
            match name:
                case "append":
                    model.append(one, other)
                case "merge":
                    model.merge(one, done=bool(other))
                case "wait":
                    wait(timedelta(minutes=one))
                case "read":
                    model.check(reader, one, other)
                case "forget":
                    model.forget(one)
                case _:
                    model.owners.append(model.zone.writer(SOURCE))
        for each in (reader, LandingZone(LocalStore(folder))):
            model.check(each, 0, len(model.sent))
        assert model.zone.writer(SOURCE).cursor == model.cursor
