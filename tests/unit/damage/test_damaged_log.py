"""A damaged segment costs its own messages, and only where nobody has read them yet."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import FencedError
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.parsing import LOST
from energy_platform.pipeline.redrive import redrive
from energy_platform.pipeline.replay import replay
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.landing.checksum import ChecksumError, is_sealed, messages_said, sealed
from energy_platform.storage.landing.segment import (
    MOST_MESSAGES,
    CorruptLogError,
    encode,
    tabulate,
)
from tests.support.damage import DAMAGES, EACH_DAMAGE
from tests.support.sources import EXAMPLE, quote
from tests.support.stores import batches_in, hot, land, quarantined, run_all, stored
from tests.unit.damage.filled_home import (
    APPENDS,
    EACH,
    MESSAGES,
    assert_next_is_stored,
    assert_others_go_on,
    messages,
    reopened,
    rows_at,
    segments,
    status_of,
)

PLACES = {"first": 0, "middle": 1, "last": APPENDS - 1}
SILENT = ("missing", "last")
"""Where nobody has read the last segment yet, nothing says that it was there."""


NIGHTLY = pytest.mark.nightly
UNREAD = [
    pytest.param(damage, place, marks=NIGHTLY if damage in {"empty", "garbage"} else ())
    for damage in DAMAGES
    for place in PLACES
    if (damage, place) != SILENT
]


def offsets_of(place: str) -> range:
    return range(PLACES[place] * EACH, (PLACES[place] + 1) * EACH)


def test_a_flipped_bit_anywhere_is_found() -> None:
    rows = tabulate([quote(1.0)], first=0)
    segment = encode(rows, cursor="c", writer="w")
    assert is_sealed(segment)
    for place in range(len(segment)):
        flipped = bytearray(segment)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(ChecksumError):
            is_sealed(bytes(flipped))
    for length in range(0, len(segment), 7):
        with pytest.raises(ChecksumError):
            is_sealed(segment[:length])


def test_every_reader_of_arrow_files_reads_a_segment_with_its_checksum() -> None:
    segment = encode(tabulate([quote(1.0), quote(2.0)], first=4), cursor="c", writer="w")
    by_another = pa.ipc.open_file(pa.BufferReader(segment)).read_all()
    assert_frame_equal(pl.DataFrame(by_another), pl.read_ipc(segment))
    assert by_another["offset"].to_pylist() == [4, 5]


def test_a_segment_of_before_there_were_checksums_is_read(
    batches: MicroBatches, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "energy_platform.storage.landing.segment.sealed", lambda file, *, messages: file
    )
    land(batches, [quote(9.0, quarter=70)])
    with pytest.raises(AssertionError):
        assert is_sealed(segments(home)[-1].read_bytes())
    run_all(batches)
    assert stored(batches).height > 0
    log = reopened().landing.log(EXAMPLE.name)
    assert log.read(MESSAGES, MESSAGES + 1)[0].body == quote(9.0, quarter=70).body
    assert list(log.damages(forgets=False)) == []


def test_a_damaged_segment_still_says_how_many_messages_it_had() -> None:
    segment = encode(tabulate([quote(1.0)] * 5, first=0), cursor=None, writer="w")
    assert messages_said(segment[:10] + b"\xff" + segment[11:]) == 5
    assert messages_said(segment[:100]) is None
    assert messages_said(b"") is None
    with pytest.raises(ChecksumError):
        sealed(b"ARROW1", messages=1)


@pytest.mark.parametrize("place", ["first", "last", pytest.param("middle", marks=NIGHTLY)])
@pytest.mark.parametrize("damage", EACH_DAMAGE)
def test_what_was_stored_stays_and_what_lands_next_is_stored(
    damage: str, place: str, home: Path, batches: MicroBatches
) -> None:
    before = {said: said(batches) for said in (stored, quarantined)}
    DAMAGES[damage](segments(home)[PLACES[place]])
    batches = reopened()
    assert_others_go_on(batches)
    assert batches.run(EXAMPLE).messages == 0, "all of it was taken"
    replay(batches, EXAMPLE, start=0)
    for said, expected in before.items():
        assert_frame_equal(said(batches), expected)
    assert_next_is_stored(reopened())
    again = reopened()
    replay(again, EXAMPLE, start=0)
    assert_next_is_stored(again, 501.0)
    for said, expected in before.items():
        assert_frame_equal(rows_at(said(again), range(MESSAGES)), expected)


@pytest.mark.parametrize(("damage", "place"), UNREAD)
def test_unread_messages_of_a_damaged_segment_alone_are_refused_until_the_file_is_back(
    damage: str, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, lost = tmp_path / "home", offsets_of(place)
    for append in range(APPENDS):
        land(batches_in(home), messages(append))
    whole = batches_in(tmp_path / "whole")
    shutil.copytree(home / "landing", tmp_path / "whole" / "landing", dirs_exist_ok=True)
    file = segments(home)[PLACES[place]]
    kept = shutil.copy(file, tmp_path / "copy")
    DAMAGES[damage](file)

    batches = batches_in(home)
    with caplog.at_level(logging.ERROR):
        land(batches, [quote(500.0, quarter=80, minutes=20)])
        reports = run_all(batches)
    run_all(whole)
    others = [offset for offset in range(MESSAGES) if offset not in lost]
    assert_frame_equal(rows_at(stored(batches), range(MESSAGES)), rows_at(stored(whole), others))
    assert 500.0 in stored(batches)["price_eur_per_mwh"].to_list()
    [line] = quarantined(batches).filter(check=LOST).to_dicts()
    assert line["landing_offset"] == lost.start
    assert [start for one in reports for start in one.lost_at] == [lost.start]
    assert EXAMPLE.name in line["reason"]
    assert f"energy-platform redrive {EXAMPLE.name}" in line["reason"]
    if damage != "missing":
        assert str(file) in line["reason"]
        assert str(file) in caplog.text
    again = redrive(batches, EXAMPLE)
    assert again.replay is None, "nothing has changed"

    shutil.copy(kept, file)
    redrive(batches_in(home), EXAMPLE)
    batches = batches_in(home)
    assert quarantined(batches).filter(check=LOST).is_empty() or (
        damage in {"torn", "empty", "garbage"} and place == "last"
    ), "behind a last segment that can't say how long it was stays a gap"
    for said in (stored, quarantined):
        assert_frame_equal(
            rows_at(said(batches), range(MESSAGES)), rows_at(said(whole), range(MESSAGES))
        )
    assert 500.0 in hot(batches)["price_eur_per_mwh"].to_list()


@pytest.mark.parametrize("damage", EACH_DAMAGE)
def test_a_damaged_last_file_is_said_and_the_log_goes_on_behind_it(
    damage: str, home: Path, batches: MicroBatches
) -> None:
    DAMAGES[damage](segments(home)[-1])
    batches = reopened()
    said = status_of(batches, EXAMPLE)
    assert said.landing_damage
    assert said.rows == stored(batches).height
    owner = batches.landing.writer(EXAMPLE.name, at_least=MESSAGES)
    assert owner.end_offset in {MESSAGES, MESSAGES - EACH + MOST_MESSAGES}
    owner.append([quote(1.0)], None)
    assert owner.append([quote(2.0)], None).start == owner.end_offset - 1
    assert not status_of(reopened(), EXAMPLE).landing_damage


def test_an_owner_goes_on_beside_its_own_damaged_segment(home: Path, batches: MicroBatches) -> None:
    owner = batches.landing.writer(EXAMPLE.name)
    owner.append([quote(3.0, quarter=60)], "a")
    DAMAGES["torn"](segments(home)[-1])
    assert owner.append([quote(4.0, quarter=61)], "b") == range(MESSAGES + 1, MESSAGES + 2)
    batches = reopened()
    run_all(batches)
    assert 4.0 in stored(batches)["price_eur_per_mwh"].to_list()
    assert quarantined(batches)["landing_offset"].to_list()[-1] == MESSAGES


def test_a_guest_does_not_go_behind_what_it_can_not_read(home: Path, batches: MicroBatches) -> None:
    """The owner may be alive, and goes on somewhere in between."""
    del batches
    DAMAGES["torn"](segments(home)[-1])
    zone = reopened().landing
    with pytest.raises(CorruptLogError, match="try again"):
        zone.guest(EXAMPLE.name).append([quote(1.0)])
    zone.writer(EXAMPLE.name).append([quote(2.0)], None)
    assert len(zone.guest(EXAMPLE.name).append([quote(3.0)])) == 1


def test_the_cursor_of_a_damaged_segment_is_the_one_before(home: Path) -> None:
    zone = LandingZone.open((home / "landing").as_uri())
    owner = zone.writer("cursors")
    for cursor in ("a", "b", "c"):
        owner.append([quote(1.0)], cursor)
    DAMAGES["flipped"](max((home / "landing" / "cursors").rglob("*.arrow")))
    anew = LandingZone.open((home / "landing").as_uri()).writer("cursors")
    assert (anew.cursor, anew.end_offset) == ("b", 3)
    anew.append([quote(2.0)], "d")
    with pytest.raises(FencedError):
        owner.append([quote(3.0)], "e")


def test_offsets_are_found_by_time_beside_damage(home: Path, batches: MicroBatches) -> None:
    times = [message.received_at for message in batches.landing.log(EXAMPLE.name).read(0, MESSAGES)]
    for place in range(APPENDS):
        DAMAGES["flipped"](segments(home)[place])
        found = [reopened().landing.log(EXAMPLE.name).offset_at(each) for each in times]
        assert all(offset <= number for number, offset in enumerate(found)), "never too late"


def test_a_file_of_other_messages_is_no_segment_of_this_place(
    home: Path, batches: MicroBatches
) -> None:
    shutil.copy(segments(home)[0], segments(home)[2])
    log = reopened().landing.log(EXAMPLE.name)
    read = log.read(0, MESSAGES)
    assert [one.landing_offset for one in read if one.lost is None] == [
        *range(2 * EACH), *range(3 * EACH, MESSAGES),
    ]  # fmt: skip
    [(place, why)] = log.damages(forgets=False)
    assert segments(home)[2].name in place
    assert "other messages" in why
    del batches


def test_a_log_whose_files_all_are_damaged_is_read_to_its_end(home: Path) -> None:
    for file in segments(home):
        DAMAGES["flipped"](file)
    batches = replace(reopened(), batch_messages=2)
    log = batches.landing.log(EXAMPLE.name)
    assert log.end_offset() == MESSAGES
    assert [one.next_offset for one in log.read(0, MESSAGES)] == [3, 6, 9, 12]
    assert len(list(log.damages(forgets=False))) == APPENDS
