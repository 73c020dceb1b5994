"""Collectors agree on one owner of each source, whoever dies, hangs, wakes or has a wrong clock."""

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.errors import FencedError, UsageError
from energy_platform.storage.landing import LandingWriter, LandingZone
from energy_platform.storage.leases import (
    Cells,
    LeaseLostError,
    LeaseStoreError,
    Membership,
    open_cells,
    owners,
)
from energy_platform.storage.leases.cells import Cell
from energy_platform.storage.leases.membership import BEAT_SECONDS, HOLD_SECONDS, TAKE_SECONDS
from energy_platform.storage.leases.shares import shares
from energy_platform.storage.leases.table import CELL, Table
from tests.support.effort import examples
from tests.unit.landing.landing_writers import SOURCE, message

NAMES = [f"source_{number}" for number in range(10)]


@pytest.fixture
def cells(url: str) -> Cells:
    """Cells in a folder, and in Cloud Storage."""
    return open_cells(f"{url}/_leases")


@dataclass
class MemoryCells:
    """Cells of one process, which can be away."""

    kept: dict[str, Cell] = field(default_factory=dict)
    is_away: bool = False
    written: int = 0

    def read(self, name: str) -> Cell | None:
        self._answer()
        return self.kept.get(name)

    def write(self, name: str, text: bytes, *, seen: str | None) -> str | None:
        self._answer()
        now = self.kept.get(name)
        if (now.version if now else None) != seen:
            return None
        self.written += 1
        self.kept[name] = Cell(text, str(self.written))
        return str(self.written)

    def remove(self, name: str) -> None:
        self._answer()
        self.kept.pop(name, None)

    def _answer(self) -> None:
        if self.is_away:
            raise LeaseStoreError("away")


@dataclass
class Clock:
    """A machine's clock: all run at the same speed, and none shows the same time."""

    at: float

    def __call__(self) -> float:
        return self.at


def test_one_of_many_writers_replaces_a_version(cells: Cells) -> None:
    seen = None
    with ThreadPoolExecutor(8) as pool:
        for turn in range(5):
            texts = [b"%d by %d" % (turn, writer) for writer in range(8)]
            written = list(
                pool.map(lambda text, seen=seen: cells.write("one", text, seen=seen), texts)
            )
            [winner] = [number for number, version in enumerate(written) if version is not None]
            now = cells.read("one")
            assert now == Cell(texts[winner], written[winner] or "")
            seen = now.version


def test_a_writer_that_slept_replaces_nothing(cells: Cells) -> None:
    slept = first = cells.write("one", b"1", seen=None)
    for number in range(2, 8):
        first = cells.write("one", b"%d" % number, seen=first)
    assert cells.write("one", b"slept", seen=slept) is None
    assert cells.write("one", b"slept", seen=None) is None
    assert cells.read("one") == Cell(b"7", first or "")


def test_a_writer_whose_answer_was_lost_knows_its_version(cells: Cells) -> None:
    first = cells.write("one", b"1", seen=None)
    assert cells.write("one", b"1", seen=None) == first
    second = cells.write("one", b"2", seen=first)
    assert cells.write("one", b"2", seen=first) == second


def test_a_removed_cell_can_not_be_replaced(cells: Cells) -> None:
    version = cells.write("one", b"1", seen=None)
    cells.remove("one")
    cells.remove("one")
    assert cells.read("one") is None
    assert cells.write("one", b"2", seen=version) is None
    assert cells.read("one") is None
    assert cells.write("one", b"3", seen=None) is not None


def test_leases_are_at_an_address_that_a_store_understands() -> None:
    with pytest.raises(UsageError, match="not at 's3://bucket'"):
        open_cells("s3://bucket")


def test_leases_of_a_folder_that_can_not_be_written_are_away() -> None:
    with pytest.raises(LeaseStoreError, match="can't be reached"):
        open_cells("file:///proc/nowhere").write("one", b"1", seen=None)


members = st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from(NAMES)), min_size=1)


@given(members, st.dictionaries(st.sampled_from(NAMES), st.sampled_from("abcdx")))
def test_shares_are_even_and_stay(able: Mapping[str, set[str]], before: Mapping[str, str]) -> None:
    wanted = shares(able, before)
    assert wanted.keys() == set().union(*able.values())
    assert all(source in able[who] for source, who in wanted.items())
    load = {who: sum(owner == who for owner in wanted.values()) for who in able}
    for source, who in wanted.items():
        others = [load[other] for other in able if source in able[other]]
        assert load[who] - min(others) <= 1
    assert shares(able, wanted) == wanted


def test_who_joins_gets_what_the_others_have_too_much_and_no_more() -> None:
    able = dict.fromkeys("abc", NAMES)
    two = shares({"a": NAMES, "b": NAMES}, {})
    three = shares(able, two)
    moved = [source for source in NAMES if two[source] != three[source]]
    assert len(moved) == 3
    assert {three[source] for source in moved} == {"c"}


@dataclass
class Collectors:
    """Collectors that meet in one place, each with the wrong time."""

    cells: Cells
    clocks: list[Clock] = field(default_factory=list)

    def join(self, name: str, able: list[str] = NAMES) -> Membership:
        clock = Clock(at=random.uniform(0, 1e9))
        self.clocks.append(clock)
        membership = Membership(self.cells, name, able, clock)
        membership.renew()
        return membership

    def after(self, seconds: float) -> None:
        for clock in self.clocks:
            clock.at += seconds


@pytest.fixture
def collectors(cells: Cells) -> Collectors:
    return Collectors(cells)


def mine(membership: Membership) -> set[str]:
    return set(membership.look().mine)


def test_one_alone_owns_all_that_it_is_able_to_run(collectors: Collectors) -> None:
    alone = collectors.join("alone", NAMES[1:])
    assert mine(alone) == set(NAMES[1:])
    assert owners(collectors.cells) == dict.fromkeys(NAMES[1:], "alone")


def test_who_joins_gets_half_once_the_owner_has_given_it(collectors: Collectors) -> None:
    first, second = collectors.join("first"), collectors.join("second")
    assert mine(first) == set(NAMES)
    assert mine(second) == set()
    surplus = first.look().surplus
    assert len(surplus) == len(NAMES) // 2
    assert mine(second) == set()
    first.give(surplus)
    assert (mine(first), mine(second)) == (set(NAMES) - surplus, set(surplus))


def test_terms_grow_with_each_owner(collectors: Collectors) -> None:
    first, second = collectors.join("first"), collectors.join("second")
    before = first.look().mine
    second.look()
    first.give(first.look().surplus)
    given = second.look().mine
    second.leave()
    again = first.look().mine
    assert all(before[source] < given[source] < again[source] for source in given)
    assert all(again[source] == before[source] for source in before.keys() - given.keys())


def test_a_silent_owner_is_followed_after_it_has_stopped(collectors: Collectors) -> None:
    silent, other = collectors.join("silent"), collectors.join("other")
    silent.look()
    other.look()
    collectors.after(HOLD_SECONDS)
    assert silent.seconds_left <= 0
    other.renew()
    assert mine(other) == set()
    collectors.after(TAKE_SECONDS - HOLD_SECONDS)
    assert other.until_somebody_may_be_dead() <= 0
    assert mine(other) == set(NAMES)
    with pytest.raises(LeaseLostError, match="silent was taken for dead"):
        silent.renew()
    assert silent.seconds_left < 0
    assert mine(silent) == set()
    assert other.look().owners == dict.fromkeys(NAMES, "other")


def test_takeover_is_within_fifteen_seconds_of_the_last_sign() -> None:
    assert HOLD_SECONDS < TAKE_SECONDS
    assert BEAT_SECONDS + TAKE_SECONDS < 13


def test_an_owner_that_renews_is_never_followed(collectors: Collectors) -> None:
    busy, other = collectors.join("busy"), collectors.join("other")
    busy.look()
    for _ in range(20):
        collectors.after(BEAT_SECONDS)
        busy.renew()
        other.renew()
        assert mine(other) == set()


def test_who_leaves_hands_over_at_once(collectors: Collectors) -> None:
    first, second = collectors.join("first"), collectors.join("second")
    first.look()
    second.look()
    first.leave()
    assert mine(second) == set(NAMES)
    assert first.seconds_left < 0
    assert collectors.cells.read(f"member-{first.id}") is None


def test_a_dead_predecessor_need_not_be_waited_for(collectors: Collectors) -> None:
    collectors.join("dead").look()
    dead_id = Table.of(collectors.cells.read(CELL)).by
    successor = collectors.join("successor")
    successor.end(dead_id)
    assert mine(successor) == set(NAMES)


def test_a_table_that_can_not_be_read_is_begun_anew(collectors: Collectors) -> None:
    version = collectors.cells.write(CELL, b"torn", seen=None)
    assert version is not None
    assert mine(collectors.join("any")) == set(NAMES)


@dataclass
class Crowd:
    """Members that act in any order; what each believes to own."""

    chance: random.Random
    cells: MemoryCells = field(default_factory=MemoryCells)
    owned: dict[Membership, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.collectors = Collectors(self.cells)

    def step(self) -> None:
        """Let time pass, and one member do something; the store is away at times."""
        self.cells.is_away = self.chance.random() < 0.1
        self.collectors.after(self.chance.choice([0.0, 0.5, 3.0, 9.5]))
        if not self.owned or (len(self.owned) < 4 and self.chance.random() < 0.2):
            self.cells.is_away = False
            self.owned[self.collectors.join("any")] = set()
        one = self.chance.choice(list(self.owned))
        act = self.chance.choice(
            [self.renew, self.renew, self.look, self.look, self.give, self.leave]
        )
        try:
            act(one)
        except LeaseLostError:
            del self.owned[one]
        except LeaseStoreError:
            assert self.cells.is_away

    def renew(self, one: Membership) -> None:
        one.renew()

    def look(self, one: Membership) -> None:
        standing = one.look()
        if one.seconds_left > 0:
            self.owned[one] = set(standing.mine)

    def give(self, one: Membership) -> None:
        surplus = one.look().surplus
        self.owned[one] -= surplus
        one.give(surplus)

    def leave(self, one: Membership) -> None:
        if self.chance.random() < 0.2:
            del self.owned[one]
            one.leave()

    def acting(self) -> list[str]:
        """Return the sources whose owners may ask now, each as often as it has owners."""
        return [name for one, names in self.owned.items() if one.seconds_left > 0 for name in names]


@pytest.mark.parametrize("seed", range(examples(30)))
def test_no_source_ever_has_two_owners(seed: int) -> None:
    crowd = Crowd(random.Random(seed))
    most = 0
    for _ in range(300):
        crowd.step()
        acting = crowd.acting()
        assert len(acting) == len(set(acting)), acting
        most = max(most, len(acting))
    assert most == len(NAMES)


def owner(zone: LandingZone, term: int) -> LandingWriter:
    return zone.writer(SOURCE, term=term)


def test_what_an_earlier_owner_lands_late_is_a_guests(zone: LandingZone) -> None:
    hung = owner(zone, 1)
    hung.append([message(0)], "a")
    following = owner(zone, 2)
    hung.append([message(1)], "late")
    following.append([message(2)], "b")
    assert following.cursor == "b"
    with pytest.raises(FencedError):
        hung.append([message(3)], "later")
    following.append([message(4)], "c")
    log = zone.log(SOURCE)
    landed = log.read(0, log.end_offset())
    assert [one.body for one in landed] == [b"0", b"1", b"2", b"4"]
    assert owner(zone, 3).cursor == "c"


def test_an_earlier_owner_never_fences_a_later_one(zone: LandingZone) -> None:
    following = owner(zone, 7)
    owner(zone, 6).append([message(0)], "late")
    assert following.append([message(1)], "b") == range(1, 2)


def test_owners_of_one_term_fence_each_other(zone: LandingZone) -> None:
    one, other = owner(zone, 5), owner(zone, 5)
    other.append([message(0)], None)
    with pytest.raises(FencedError):
        one.append([message(1)], None)
