"""Guests add to a log beside its owner: nothing lost, nothing doubled, the cursor kept."""

import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore, MemoryStore

from energy_platform.errors import FencedError
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingZone, log, segment
from tests.support.effort import examples
from tests.unit.landing.landing_guests import start
from tests.unit.landing.landing_writers import SOURCE, message


def bodies(messages: list[RawMessage]) -> list[bytes]:
    return [message.body for message in messages]


def everything(zone: LandingZone) -> list[bytes]:
    whole = zone.log(SOURCE)
    return bodies(whole.read(0, whole.end_offset()))


def test_an_owner_moves_on_behind_guests(zone: LandingZone) -> None:
    owner = zone.writer(SOURCE)
    assert owner.append([message(0)], "a") == range(1)
    assert zone.guest(SOURCE).append([message(1), message(2)]) == [range(1, 3)]
    assert zone.guest(SOURCE).append([message(3)]) == [range(3, 4)]
    assert owner.append([message(4)], "b") == range(4, 5)
    assert everything(zone) == [b"0", b"1", b"2", b"3", b"4"]
    assert zone.writer(SOURCE).cursor == "b"


def test_guests_carry_the_cursor_along(zone: LandingZone) -> None:
    zone.writer(SOURCE).append([message(0)], "a")
    zone.guest(SOURCE).append([message(1)])
    zone.guest(SOURCE).append([message(2)])
    again = zone.writer(SOURCE)
    assert (again.cursor, again.end_offset) == ("a", 3)


def test_a_cursor_that_had_no_message_yet_is_not_lost_to_a_guest(zone: LandingZone) -> None:
    owner = zone.writer(SOURCE)
    owner.append([message(0)], "a")
    owner.append([], "b")
    zone.guest(SOURCE).append([message(1)])
    owner.append([message(2)], None)
    assert zone.writer(SOURCE).cursor == "b"


def test_a_guest_may_begin_a_log(zone: LandingZone) -> None:
    owner = zone.writer(SOURCE)
    zone.guest(SOURCE).append([message(0)])
    assert owner.append([message(1)], "a") == range(1, 2)
    assert everything(zone) == [b"0", b"1"]


def test_a_guest_fences_nobody_and_saves_nobody_from_the_fence(zone: LandingZone) -> None:
    first = zone.writer(SOURCE)
    first.append([message(0)], "a")
    zone.guest(SOURCE).append([message(1)])
    second = zone.writer(SOURCE)
    second.append([message(2)], "b")
    with pytest.raises(FencedError, match=SOURCE):
        first.append([message(3)], "c")
    zone.guest(SOURCE).append([message(3)])
    with pytest.raises(FencedError, match=SOURCE):
        first.append([message(4)], "c")
    assert second.append([message(4)], "d") == range(4, 5)


def test_received_at_never_falls_between_guest_and_owner(zone: LandingZone) -> None:
    owner = zone.writer(SOURCE)
    owner.append([message(10)], None)
    zone.guest(SOURCE).append([message(5), message(20)])
    owner.append([message(15)], None)
    received = [message.received_at for message in zone.log(SOURCE).read(0, 4)]
    assert received == [message(n).received_at for n in (10, 10, 20, 20)]


def test_a_large_append_of_a_guest_becomes_bounded_segments(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "SEGMENT_BYTES", 10)
    sent = [message(n, body=b"12345678") for n in range(3)]
    assert zone.guest(SOURCE).append(sent) == [range(1), range(1, 2), range(2, 3)]
    assert everything(zone) == bodies(sent)


def test_a_guest_whose_staged_file_a_new_owner_discarded_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = LandingZone(LocalStore(tmp_path))
    link = Path.hardlink_to

    def be_discarded(self: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "hardlink_to", link)
        zone.writer(SOURCE)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", be_discarded)
    assert zone.guest(SOURCE).append([message(0)]) == [range(1)]
    assert everything(zone) == [b"0"]


def test_a_guest_that_comes_leaves_an_owner_in_mid_write_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = LandingZone(LocalStore(tmp_path))
    owner = zone.writer(SOURCE)
    link = Path.hardlink_to

    def be_overtaken(self: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "hardlink_to", link)
        zone.guest(SOURCE).append([message(0)])
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", be_overtaken)
    assert owner.append([message(1)], "a") == range(1, 2)
    assert everything(zone) == [b"0", b"1"]
    assert zone.writer(SOURCE).cursor == "a"


@settings(max_examples=examples(40))
@given(
    appends=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=30),
    in_memory=st.booleans(),
)
def test_in_any_order_every_message_lands_once_and_the_owners_cursor_is_kept(
    appends: list[tuple[int, int]], *, in_memory: bool
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "OFFSETS_PER_FOLDER", 5)
        patch.setattr(log, "OFFSETS_PER_FOLDER", 5)
        zone = LandingZone(MemoryStore() if in_memory else LocalStore(folder))
        owner, guests = zone.writer(SOURCE), [zone.guest(SOURCE), zone.guest(SOURCE)]
        sent: list[bytes] = []
        cursor = None
        for who, count in appends:
            messages = [message(len(sent) + n) for n in range(count)]
            if who == 2:
                owner.append(messages, str(len(sent)))
                cursor = str(len(sent)) if messages else cursor
            else:
                guests[who].append(messages)
            sent += bodies(messages)
        assert everything(zone) == sent
        assert zone.writer(SOURCE).cursor == cursor


def kill(process: subprocess.Popen[str]) -> int:
    """Kill a process; return the next number of its last acknowledged append."""
    process.kill()
    said, _ = process.communicate()
    return int((said.split() or ["0"])[-1])


def end(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Leave no process behind a test that failed."""
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "url", ["folder", pytest.param("cloud storage", marks=pytest.mark.nightly)], indirect=True
)
def test_processes_that_are_killed_lose_and_double_nothing(
    url: str, request: pytest.FixtureRequest
) -> None:
    """An owner and two guests write at once, each killed and started again at odd moments."""
    moments = random.Random(7)
    running = {role: start(url, role) for role in ("owner", "one", "two")}
    request.addfinalizer(lambda: end(running.values()))
    acknowledged: dict[str, list[int]] = defaultdict(list)
    starts: dict[str, list[int]] = {role: [0] for role in running}
    for role in ["one", "owner", "two", "owner", "one", "two"]:
        heard = running[role].stdout
        assert heard is not None
        heard.readline()  # up and appending
        time.sleep(moments.uniform(0.3, 0.6))
        alive = [process.poll() for process in running.values()]
        assert alive == [None] * 3  # nobody was fenced
        acknowledged[role].append(kill(running[role]))
        # A guest's numbers start anew far above, so that what an append under way landed is seen.
        first = 100_000 * len(starts[role])
        starts[role].append(first)
        running[role] = start(url, role, first)
    for role, process in running.items():
        assert process.poll() is None
        acknowledged[role].append(kill(process))

    zone = LandingZone.open(url)
    whole = zone.log(SOURCE)
    messages = whole.read(0, whole.end_offset())
    assert all(a.received_at <= b.received_at for a, b in pairwise(messages))
    landed: dict[str, list[int]] = defaultdict(list)
    for one in messages:
        role, _, number = one.body.decode().partition(":")
        landed[role].append(int(number))

    # The owner goes on from its cursor, so its numbers have no gap and no repetition at all.
    last = landed["owner"][-1] + 1
    assert landed["owner"] == list(range(last))
    assert zone.writer(SOURCE).cursor == str(last)
    assert acknowledged["owner"][-1] in (0, last, last - 3)
    for role in ("one", "two"):
        assert len(set(landed[role])) == len(landed[role])
        for first, until in zip(starts[role], acknowledged[role], strict=True):
            part = [n for n in landed[role] if first <= n < first + 100_000]
            # At most the one append that was under way had landed and was not acknowledged.
            heard_of = max(until, first)
            assert part in (list(range(first, end)) for end in (heard_of, heard_of + 3))
    # Each was heard of twice before it was killed, with three messages.
    assert min(len(numbers) for numbers in landed.values()) >= 6
