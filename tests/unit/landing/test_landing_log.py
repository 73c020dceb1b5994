"""What a landing zone promises to those who read it and to those who write it."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import obstore
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import GCSStore, LocalStore, MemoryStore, ObjectStore

from energy_platform.errors import FencedError, UsageError
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingWriter, LandingZone, log, objects, segment
from energy_platform.storage.landing.listing import SegmentListing
from energy_platform.storage.landing.segment import CorruptLogError, segment_named, segment_path
from tests.support.effort import examples
from tests.unit.landing.landing_writers import EPOCH, SOURCE, message, start_writer


def bodies(messages: list[RawMessage]) -> list[bytes]:
    return [message.body for message in messages]


def test_an_empty_log(zone: LandingZone) -> None:
    empty = zone.log(SOURCE)
    assert empty.end_offset() == 0
    assert empty.last_received_at() is None
    assert empty.read(0, 0) == []
    assert empty.offset_at(EPOCH) == 0
    assert zone.writer(SOURCE).cursor is None


def test_messages_come_back_as_they_were_received(zone: LandingZone) -> None:
    sent = RawMessage(
        body=b"\x00\xff\n" * 5,
        received_at=datetime(2026, 3, 29, 1, 30, 0, 123_456, tzinfo=UTC),
        context={"url": "https://market.example/?q=ä", "content_type": "text/xml"},
    )
    assert zone.writer(SOURCE).append([sent], "1") == range(1)
    [got] = zone.log(SOURCE).read(0, 1)
    assert (got.body, got.received_at, dict(got.context)) == (
        sent.body,
        sent.received_at,
        dict(sent.context),
    )
    assert got.landing_offset == 0
    assert got.received_at.utcoffset() == timedelta(0)


def test_offsets_go_on_where_the_last_writer_stopped(zone: LandingZone) -> None:
    assert zone.writer(SOURCE).append([message(0), message(1)], "a") == range(2)
    second = zone.writer(SOURCE)
    assert (second.end_offset, second.cursor) == (2, "a")
    assert second.append([message(2)], None) == range(2, 3)
    third = zone.writer(SOURCE)
    assert (third.end_offset, third.cursor) == (3, "a")


def test_a_cursor_without_messages_travels_with_the_next(zone: LandingZone) -> None:
    writer = zone.writer(SOURCE)
    writer.append([message(0)], "a")
    assert writer.append([], "b") == range(1, 1)
    assert writer.cursor == "b"
    assert zone.writer(SOURCE).cursor == "a"
    writer.append([message(1)], None)
    assert zone.writer(SOURCE).cursor == "b"


def test_sources_do_not_mix(zone: LandingZone) -> None:
    zone.writer("ote").append([message(0)], None)
    zone.writer("ote_price").append([message(1), message(2)], None)
    assert zone.log("ote").end_offset() == 1
    assert bodies(zone.log("ote_price").read(0, 2)) == [b"1", b"2"]


def test_a_reader_sees_what_is_appended_after_it_opened(zone: LandingZone) -> None:
    reader, writer = zone.log(SOURCE), zone.writer(SOURCE)
    for count in range(1, 30):
        writer.append([message(count)], None)
        if count % 7 == 0:
            assert reader.end_offset() == count
            assert reader.last_received_at() == message(count).received_at


def test_old_messages_are_forgotten_and_the_log_goes_on(zone: LandingZone) -> None:
    writer = zone.writer(SOURCE)
    for number in range(0, 3000, 500):
        writer.append([message(one) for one in range(number, number + 500)], str(number))
    before = message(2100).received_at
    assert zone.log(SOURCE).forget(before=before, below=1400) == 1, "up to 1000 is committed"
    assert zone.log(SOURCE).forget(before=before, below=3000) == 2, "500 messages in 2000 are new"
    assert zone.log(SOURCE).forget(before=before, below=3000) == 0
    again = LandingZone(zone._store)
    assert again.log(SOURCE).end_offset() == 3000
    assert bodies(again.log(SOURCE).read(2000, 3000)) == bodies(
        [message(one) for one in range(2000, 3000)]
    )
    assert again.log(SOURCE).offset_at(message(2300).received_at) == 2300
    read = again.log(SOURCE).read(0, 3000)
    assert bodies(read[:500] + read[501:]) == bodies(
        [message(one) for one in (*range(500), *range(2000, 3000))]
    )
    assert read[500].lost is not None
    assert (read[500].landing_offset, read[500].next_offset) == (500, 2000)
    assert "is missing" in read[500].lost.reason
    [lost] = again.log(SOURCE).read(1200, 1300)
    assert (lost.landing_offset, lost.next_offset) == (1200, 2000)
    assert list(again.log(SOURCE).damages(forgets=True)) == []
    assert len(list(again.log(SOURCE).damages(forgets=False))) == 1
    taken_over = again.writer(SOURCE)
    assert (taken_over.end_offset, taken_over.cursor) == (3000, "2500")
    assert taken_over.append([message(3000)], None) == range(3000, 3001)


def test_a_log_is_never_forgotten_whole(zone: LandingZone) -> None:
    assert zone.log(SOURCE).forget(before=EPOCH, below=10) == 0
    writer = zone.writer(SOURCE)
    for number in range(3):
        writer.append([message(number)], str(number))
    later = message(1000).received_at
    assert zone.log(SOURCE).forget(before=later, below=3) == 1
    assert LandingZone(zone._store).log(SOURCE).end_offset() == 3
    assert LandingZone(zone._store).writer(SOURCE).cursor == "2"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a b", "a" * 101, "a\n", "../x", ".a"])
def test_a_name_that_is_no_source_is_refused(zone: LandingZone, name: str) -> None:
    with pytest.raises(UsageError):
        zone.log(name)
    with pytest.raises(UsageError):
        zone.writer(name)


@pytest.mark.parametrize("url", ["s3://bucket", "/var/landing", "https://market.example", ""])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="landing zone"):
        LandingZone.open(url)


def test_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "new folder" / "landing"
    LandingZone.open(folder.as_uri()).writer(SOURCE).append([message(0)], None)
    assert LandingZone.open(folder.as_uri()).log(SOURCE).end_offset() == 1
    assert any(folder.rglob("*.arrow"))
    assert isinstance(LandingZone.open("gs://bucket/prefix")._store, GCSStore)


def test_a_range_that_the_log_does_not_hold_is_refused(zone: LandingZone) -> None:
    zone.writer(SOURCE).append([message(0)], None)
    for start, stop in [(0, 2), (-1, 1), (1, 0)]:
        with pytest.raises(ValueError, match="offset"):
            zone.log(SOURCE).read(start, stop)


def test_limits(zone: LandingZone) -> None:
    writer = zone.writer(SOURCE)
    for number in range(0, 20, 4):
        writer.append([message(n, body=bytes(100)) for n in range(number, number + 4)], None)
    reader = zone.log(SOURCE)

    def offsets(**limits: int) -> list[int]:
        return [message.landing_offset for message in reader.read(3, 20, **limits)]

    assert offsets(limit=5) == [3, 4, 5, 6, 7]
    assert offsets(limit=0) == []
    assert offsets(limit_bytes=250) == [3, 4]
    assert offsets(limit_bytes=1) == [3]
    assert offsets(limit_bytes=10_000, limit=2) == [3, 4]
    assert offsets(limit_bytes=10_000) == list(range(3, 20))


def test_a_limit_of_bytes_bounds_what_is_decoded(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies that compress well may be seventy times as large as what is fetched of them."""
    writer = zone.writer(SOURCE)
    for number in range(12):
        writer.append([message(number, body=os.urandom(2**18) + bytes(2**20))], None)
    decoded: list[int] = []
    original = segment.decode

    def counted(segments: list[bytes], *columns: list[str]) -> pl.DataFrame:
        rows = original(segments, *columns)
        if "body" in rows.columns:
            decoded.extend(rows["body"].bin.size())
        return rows

    monkeypatch.setattr(log, "decode", counted)
    assert len(zone.log(SOURCE).read(0, 12, limit_bytes=2**21)) == 1
    assert sum(decoded) <= 4 * (2**18 + 2**20)


def test_a_large_append_becomes_bounded_segments(
    zone: LandingZone, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "SEGMENT_BYTES", 1000)
    writer = zone.writer(SOURCE)
    writer.append([message(0)], "before")
    sizes = [400, 400, 400, 5000, 10, 10]
    sent = [message(n, body=os.urandom(size)) for n, size in enumerate(sizes, start=1)]
    assert writer.append(sent, "after") == range(1, 7)
    assert bodies(zone.log(SOURCE).read(1, 7)) == bodies(sent)
    listed = [meta for chunk in obstore.list(store) for meta in chunk]
    firsts = [
        found.first for meta in listed if (found := segment_named(meta["path"], 0)) is not None
    ]
    assert sorted(firsts) == [0, 1, 3, 4, 5]
    # A writer that finds only a part of the append starts again from the cursor before it.
    for first in (4, 5):
        obstore.delete(store, segment_path(SOURCE, first))
    assert zone.writer(SOURCE).cursor == "before"


def test_bodies_of_thirty_megabytes(tmp_path: Path) -> None:
    zone = LandingZone(LocalStore(tmp_path))
    body = os.urandom(30 * 2**20)
    sent = [message(n, body=body[n:]) for n in range(3)]
    assert zone.writer(SOURCE).append(sent, None) == range(3)
    assert bodies(zone.log(SOURCE).read(0, 3)) == bodies(sent)
    assert max(path.stat().st_size for path in tmp_path.rglob("*.arrow")) < 65 * 2**20


def test_received_at_never_falls(zone: LandingZone) -> None:
    writer = zone.writer(SOURCE)
    writer.append([message(10), message(5), message(11)], None)
    zone.writer(SOURCE).append([message(7), message(12)], None)
    received = [message.received_at for message in zone.log(SOURCE).read(0, 5)]
    assert received == [message(n).received_at for n in (10, 10, 11, 11, 12)]


def test_times_of_any_zone_land_as_the_instant_they_are(zone: LandingZone) -> None:
    prague = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Prague"))
    zone.writer(SOURCE).append([RawMessage(body=b"", received_at=prague)], None)
    assert zone.log(SOURCE).last_received_at() == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused(zone: LandingZone) -> None:
    naive = RawMessage(body=b"", received_at=EPOCH.replace(tzinfo=None))
    writer = zone.writer(SOURCE)
    with pytest.raises(ValueError, match="time zone"):
        writer.append([naive], None)
    assert zone.log(SOURCE).end_offset() == 0


appends = st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 60), max_size=7)), max_size=25)
"""Whether a new writer takes over, and the seconds at which its messages say they came."""


@settings(max_examples=examples(50))
@given(appends=appends, in_memory=st.booleans(), data=st.data())
def test_every_message_comes_back_once_and_in_order(
    appends: list[tuple[bool, list[int]]], *, in_memory: bool, data: st.DataObject
) -> None:
    """Whatever was appended in whatever portions, any range and any instant finds its messages."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # Folders of few offsets, so that a short log has many, and lacks some.
        patch.setattr(segment, "OFFSETS_PER_FOLDER", 5)
        patch.setattr(log, "OFFSETS_PER_FOLDER", 5)
        zone = LandingZone(MemoryStore() if in_memory else LocalStore(folder))
        writer = zone.writer(SOURCE)
        sent: list[RawMessage] = []
        for takes_over, seconds in appends:
            if takes_over:
                writer = zone.writer(SOURCE)
            portion = [message(at, body=b"%d" % n) for n, at in enumerate(seconds, len(sent))]
            assert writer.append(portion, None) == range(len(sent), len(sent) + len(portion))
            sent += portion
            if data.draw(st.booleans(), label="a reader looks"):
                assert zone.log(SOURCE).end_offset() == len(sent)

        reader = zone.log(SOURCE)
        assert reader.end_offset() == LandingZone(zone._store).log(SOURCE).end_offset() == len(sent)
        start = data.draw(st.integers(0, len(sent)), label="start")
        stop = data.draw(st.integers(start, len(sent)), label="stop")
        got = reader.read(start, stop)
        assert [message.landing_offset for message in got] == list(range(start, stop))
        assert bodies(got) == bodies(sent[start:stop])

        landed = [message.received_at for message in reader.read(0, len(sent))]
        assert landed == list(accumulate((message.received_at for message in sent), max))
        instant = EPOCH + timedelta(
            seconds=data.draw(st.integers(-1, 122), label="half seconds") / 2
        )
        first = next((n for n, at in enumerate(landed) if at >= instant), len(sent))
        assert reader.offset_at(instant) == first


def test_the_second_writer_fences_the_first(zone: LandingZone) -> None:
    first = zone.writer(SOURCE)
    first.append([message(0)], "a")
    second = zone.writer(SOURCE)
    second.append([message(1)], "b")
    for _ in range(2):
        with pytest.raises(FencedError, match=SOURCE):
            first.append([message(2)], "c")
    assert first.end_offset == 1
    assert second.append([message(2)], "c") == range(2, 3)
    assert bodies(zone.log(SOURCE).read(0, 3)) == [b"0", b"1", b"2"]


def test_the_same_messages_of_another_writer_are_fenced_too(zone: LandingZone) -> None:
    first, second = zone.writer(SOURCE), zone.writer(SOURCE)
    first.append([message(0)], "a")
    with pytest.raises(FencedError):
        second.append([message(0)], "a")


def test_a_put_whose_answer_was_lost_is_no_other_writer(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = objects.create

    def create_and_lose_the_answer(
        store: ObjectStore, path: str, body: bytes, *, writer: str
    ) -> bool:
        create(store, path, body, writer=writer)
        raise TimeoutError

    writer = zone.writer(SOURCE)
    with monkeypatch.context() as patch:
        patch.setattr(objects, "create", create_and_lose_the_answer)
        with pytest.raises(TimeoutError):
            writer.append([message(0)], "a")
    assert writer.append([message(0)], "a") == range(1)
    assert bodies(zone.log(SOURCE).read(0, 1)) == [b"0"]
    # Had the feed brought something else meanwhile, the writer must not pass it off as landed.
    with monkeypatch.context() as patch:
        patch.setattr(objects, "create", create_and_lose_the_answer)
        with pytest.raises(TimeoutError):
            writer.append([message(1)], "b")
    with pytest.raises(FencedError):
        writer.append([message(1), message(2)], "c")


def test_threads_that_race_for_an_offset_have_one_winner(zone: LandingZone) -> None:
    barrier = threading.Barrier(4)

    def race(writer: LandingWriter) -> bool:
        barrier.wait()
        try:
            writer.append([message(0)], None)
        except FencedError:
            return False
        return True

    for turn in range(10):
        writers = [zone.writer(SOURCE) for _ in range(barrier.parties)]
        with ThreadPoolExecutor(barrier.parties) as pool:
            won = list(pool.map(race, writers))
        assert sum(won) == 1
        assert zone.log(SOURCE).end_offset() == turn + 1


def test_a_writer_that_takes_over_fences_one_in_the_middle_of_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = LandingZone(LocalStore(tmp_path))
    slow = zone.writer(SOURCE)
    link = Path.hardlink_to

    def be_overtaken(self: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "hardlink_to", link)
        zone.writer(SOURCE)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", be_overtaken)
    with pytest.raises(FencedError):
        slow.append([message(0)], None)
    assert zone.log(SOURCE).end_offset() == 0


def test_bytes_are_durable_before_they_have_a_name_and_the_name_before_we_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, link = os.fsync, Path.hardlink_to

    def note_sync(descriptor: int) -> None:
        sync(descriptor)
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def note_link(self: Path, target: Path) -> None:
        link(self, target)
        steps.append("named")

    writer = LandingZone(LocalStore(tmp_path)).writer(SOURCE)
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "hardlink_to", note_link)
    writer.append([message(0)], None)
    folder = (tmp_path / segment_path(SOURCE, 0)).parent
    assert steps[0].endswith(".staged")
    assert steps[1:] == ["named", str(folder), str(folder.parent), str(tmp_path)]


def test_a_missing_segment_is_not_passed_over_in_silence(
    zone: LandingZone, store: ObjectStore
) -> None:
    writer = zone.writer(SOURCE)
    for number in range(5):
        writer.append([message(number)], None)
    obstore.delete(store, segment_path(SOURCE, 2))
    reader = LandingZone(store).log(SOURCE)
    for start, stop in [(0, 5), (2, 5), (0, 3)]:
        read = {one.landing_offset: one for one in reader.read(start, stop)}
        assert list(read) == list(range(start, stop))
        assert [offset for offset, one in read.items() if one.lost is not None] == [2]
        assert read[2].next_offset == 3
    with pytest.raises(CorruptLogError, match="is missing"):
        reader.owners(0, 5)
    assert bodies(reader.read(3, 5)) == [b"3", b"4"]


def test_an_unreadable_segment_says_so(zone: LandingZone, store: ObjectStore) -> None:
    zone.writer(SOURCE).append([message(0), message(1)], None)
    obstore.put(store, segment_path(SOURCE, 0), b"ARROW1\0\0 but not for long")
    log = LandingZone(store).log(SOURCE)
    assert log.end_offset() == 0, "how many messages it had can't be told"
    assert segment_path(SOURCE, 0) in log.damage
    assert log.damage.startswith(SOURCE)


def test_an_append_of_very_many_messages_becomes_bounded_segments(
    zone: LandingZone, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_platform.storage.landing.log.MOST_MESSAGES", 4)
    assert zone.writer(SOURCE).append([message(number) for number in range(10)], "c") == range(10)
    assert [one.first for one in SegmentListing(store, SOURCE).segments(0)] == [0, 4, 8]


def test_what_is_no_segment_is_not_seen(tmp_path: Path) -> None:
    zone = LandingZone(LocalStore(tmp_path))
    zone.writer(SOURCE).append([message(0)], None)
    folder = (tmp_path / segment_path(SOURCE, 0)).parent
    for name in ["1.arrow", f"{1:020}.arrow.part", f"{1:020}.tmp", f"{1:020}.arrow#1", "notes"]:
        (folder / name).write_bytes(b"half")
    (folder.parent / "killed.staged").write_bytes(b"half")
    (folder.parent / f"{7:017}").mkdir()
    assert LandingZone(zone._store).log(SOURCE).end_offset() == 1
    assert zone.log(SOURCE).offset_at(EPOCH + timedelta(days=1)) == 1
    assert zone.writer(SOURCE).append([message(1)], None) == range(1, 2)
    assert not (folder.parent / "killed.staged").exists()
    assert bodies(zone.log(SOURCE).read(0, 2)) == [b"0", b"1"]


def test_a_killed_writer_leaves_whole_segments_and_keeps_its_word(url: str, tmp_path: Path) -> None:
    """Kill a writer again and again in mid-append: what it acknowledged is there, all of it."""
    acknowledged = end = 0
    moments = random.Random(7)
    for _ in range(3 if url.startswith("file") else 1):
        process = start_writer(url)
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline())
        timer = threading.Timer(moments.uniform(0.01, 0.15), process.kill)
        timer.start()
        for line in process.stdout:
            acknowledged = int(line)
        process.wait()
        process.stdout.close()
        timer.join()
        end = LandingZone.open(url).log(SOURCE).end_offset()
        # At most the one append that was under way had become visible and was not acknowledged.
        assert end in {acknowledged, acknowledged + 3}
    zone = LandingZone.open(url)
    assert bodies(zone.log(SOURCE).read(0, end)) == [b"%d:" % n * 20_000 for n in range(end)]
    assert zone.writer(SOURCE).cursor == str(end)
    assert not list(tmp_path.rglob("*.staged"))


@pytest.mark.nightly_on("cloud storage")
def test_a_writer_in_another_process_is_fenced(url: str) -> None:
    process = start_writer(url)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == 3
    zone = LandingZone.open(url)
    taken: range | None = None
    while taken is None:
        writer = zone.writer(SOURCE)
        try:
            taken = writer.append([message(0, body=b"mine")], "mine")
        except FencedError:
            continue  # The other was faster once more.
    acknowledged = [int(line) for line in process.stdout]
    assert process.wait(timeout=20) == 1
    process.stdout.close()
    assert taken.start == (acknowledged or [3])[-1]
    assert zone.log(SOURCE).end_offset() == taken.stop
    [mine] = zone.log(SOURCE).read(taken.start, taken.stop)
    assert mine.body == b"mine"


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count from now on how often a store is asked for what."""
    counts: Counter[str] = Counter()

    def counting(name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        def count(*asked: object, **more: object) -> object:
            counts[name] += 1
            return ask(*asked, **more)

        return count

    for name in ("put", "get", "head", "list", "list_with_delimiter"):
        monkeypatch.setattr(obstore, name, counting(name, getattr(obstore, name)))
    return counts


def test_a_follower_lists_nothing(zone: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, follower = zone.writer(SOURCE), LandingZone(zone._store).log(SOURCE)
    writer.append([message(0)], None)
    assert follower.end_offset() == 1
    counts = counted(monkeypatch)
    for number in range(1, 31):
        writer.append([message(number)], None)
        assert follower.end_offset() == number + 1
        assert bodies(follower.read(number, number + 1)) == [b"%d" % number]
    assert counts["list"] == counts["list_with_delimiter"] == 0
    assert counts["get"] <= 2 * 30
    assert counts["head"] <= 2 * 30


def test_a_log_far_ahead_is_listed_once(zone: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, follower = zone.writer(SOURCE), LandingZone(zone._store).log(SOURCE)
    assert follower.end_offset() == 0
    for number in range(100):
        writer.append([message(number)], None)
    counts = counted(monkeypatch)
    assert follower.end_offset() == 100
    assert counts["list"] == 1
    assert counts["get"] < 15
    assert bodies(follower.read(0, 100)) == [b"%d" % number for number in range(100)]
