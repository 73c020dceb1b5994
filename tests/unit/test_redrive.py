"""After a fix, tables are what they would be had the fix always been there."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.errors import ReplayOvertakenError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.redrive import redrive
from energy_platform.pipeline.replay import merge, replay
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from tests.support import micro_batch_process
from tests.support.effort import examples
from tests.support.sources import (
    BAD_ROW,
    EXAMPLE,
    GARBAGE,
    MENDED,
    an_eventful_log,
    example_message,
    prices,
)
from tests.support.stores import (
    Dying,
    KilledError,
    assert_same,
    batches_in,
    hot,
    land,
    quarantined,
    run_all,
    stored,
)

if TYPE_CHECKING:
    from energy_platform.storage.warehouse.protocol import Warehouse

MESSAGES = 12


@pytest.fixture(autouse=True)
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replay make many commits, between which something can happen."""
    monkeypatch.setattr(merge, "_COMMIT_ROWS", 1)


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    """Stores with an eventful history, run through before the fix."""
    batches = batches_in(tmp_path / "mended_later", batch_messages=3)
    land(batches, an_eventful_log(MESSAGES))
    run_all(batches)
    return batches


@pytest.fixture
def as_if(tmp_path: Path) -> Callable[..., MicroBatches]:
    """Make stores as if a source had always been what it is now, with more landed in the end."""

    def make(source: MarketSource = MENDED, landings: int = 1) -> MicroBatches:
        undisturbed = batches_in(tmp_path / "undisturbed")
        for _ in range(landings):
            land(undisturbed, an_eventful_log(MESSAGES))
        run_all(undisturbed, source)
        return undisturbed

    return make


def versions(batches: MicroBatches) -> list[object]:
    """Return what any write would move."""
    tables = (market_table(EXAMPLE), quarantine_table(EXAMPLE))
    return [
        *(batches.warehouse.position(table) for table in tables),
        batches.hot_store.committed_offset(measurement(EXAMPLE)),
    ]


def test_what_is_good_now_leaves_the_quarantine(
    batches: MicroBatches, as_if: Callable[..., MicroBatches]
) -> None:
    before = quarantined(batches).height
    report = redrive(batches, MENDED)
    assert report.replay is not None
    assert (report.lines_before, report.lines_after) == (before, 0)
    assert report.replay.start == 0 or report.replay.start < report.replay.stop == MESSAGES
    assert quarantined(batches).is_empty()
    assert_same(batches, as_if())


def test_a_second_redrive_changes_nothing(batches: MicroBatches) -> None:
    redrive(batches, MENDED)
    done = versions(batches)
    assert redrive(batches, MENDED).replay is None
    assert versions(batches) == done


def test_without_a_fix_nothing_is_written(batches: MicroBatches) -> None:
    done, failing = versions(batches), quarantined(batches).height
    report = redrive(batches, EXAMPLE)
    assert (report.replay, report.lines_before, report.lines_after) == (None, failing, failing)
    assert versions(batches) == done


def test_with_nothing_in_quarantine_nothing_is_written(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    assert redrive(batches, MENDED).replay is None
    land(batches, [example_message([("CZ", 0, 1.0)])])
    assert redrive(batches, MENDED).replay is None
    assert not (tmp_path / "warehouse").exists()


def test_only_what_follows_the_first_fixed_message_is_replayed(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    good = example_message([("CZ", 0, 1.0)])
    land(batches, [good] * 40 + [example_message(GARBAGE)] + [good] * 3)
    land(batches, [example_message([BAD_ROW])])
    run_all(batches)
    report = redrive(batches, MENDED)
    assert report.replay is not None
    assert (report.replay.start, report.replay.stop) == (40, 45)
    # The price that came back makes the repetition after it a revision.
    assert prices(stored(batches)) == [1.0, 0.0, 1.0, 4_999.0]


def test_what_still_fails_stays(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [example_message(body) for body in (GARBAGE, b"{}", b"\xff")])
    land(batches, [example_message([("XX", 0, 1.0), BAD_ROW])])
    run_all(batches)
    report = redrive(batches, MENDED)
    assert (report.lines_before, report.lines_after) == (5, 3)
    assert quarantined(batches)["landing_offset"].to_list() == [1, 2, 3]
    assert prices(stored(batches)) == [0.0, 4_999.0]
    assert stored(batches)["landing_offset"].to_list() == [0, 3]


def test_what_came_back_was_known_when_it_was_received(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [example_message(GARBAGE, minutes=7)])
    run_all(batches)
    received_at = quarantined(batches)["received_at"].to_list()
    redrive(batches, MENDED)
    assert stored(batches)["received_at"].to_list() == received_at


def test_a_stricter_check_is_told_of_quarantined_messages(tmp_path: Path) -> None:
    """A message of which one row failed may come to fail as a whole."""
    batches = batches_in(tmp_path)
    land(batches, [example_message([("CZ", 0, 1.0), BAD_ROW])])
    run_all(batches)

    def refuse(_: object) -> Any:
        raise ValueError("not any more")

    report = redrive(batches, replace(EXAMPLE, parse=refuse))
    assert report.replay is not None
    assert stored(batches).is_empty()
    assert quarantined(batches)["row"].to_list() == [None]


def is_write(name: str) -> bool:
    return name in ("commit", "replace", "write", "clear")


@pytest.mark.parametrize("last", range(9))
def test_a_redrive_that_was_killed_is_run_again(
    batches: MicroBatches,
    as_if: Callable[..., MicroBatches],
    last: int,
) -> None:
    writes = count()

    def is_last(name: str, _: tuple[object, ...]) -> bool:
        return is_write(name) and next(writes) == last

    killed = replace(
        batches,
        warehouse=cast("Warehouse", Dying(batches.warehouse, is_last, done=bool(last % 2))),
        hot_store=cast("Any", Dying(batches.hot_store, is_last, done=bool(last % 2))),
    )
    with pytest.raises(KilledError):
        redrive(killed, MENDED)
    # Life goes on before somebody runs it again.
    land(batches, an_eventful_log(MESSAGES))
    batches.run(MENDED)
    redrive(batches, MENDED)
    run_all(batches, MENDED)
    assert_same(batches, as_if(landings=2))
    assert redrive(batches, MENDED).replay is None


@dataclass
class Interrupted:
    """A store before or after one of whose writes something else happens."""

    store: Any
    at: int
    event: Callable[[], object]
    done: bool
    writes: int = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            happens = is_write(name) and self.writes == self.at
            self.writes += is_write(name)
            if happens and not self.done:
                self.event()
            answer = method(*args, **kwargs)
            if happens and self.done:
                self.event()
            return answer

        return call


def interrupted(
    batches: MicroBatches, at: int, event: Callable[[], object], *, done: bool
) -> MicroBatches:
    store = Interrupted(batches.warehouse, at, event, done)
    return replace(batches, warehouse=cast("Warehouse", store))


@pytest.mark.parametrize("at", range(7))
def test_batches_that_run_during_a_redrive_are_overtaken_by_it(
    batches: MicroBatches, as_if: Callable[..., MicroBatches], at: int
) -> None:
    live = replace(batches, batch_messages=5)

    def new_data() -> None:
        land(live, an_eventful_log(MESSAGES))
        live.run(MENDED)

    redrive(interrupted(batches, at, new_data, done=False), MENDED)
    run_all(batches, MENDED)
    assert_same(batches, as_if(landings=2))


@pytest.mark.parametrize("at", [0, 1], ids=["quarantine", "rows"])
def test_a_batch_under_way_when_a_replay_ends_is_made_again(
    batches: MicroBatches, tmp_path: Path, at: int
) -> None:
    """It has compared its rows with ones that are there no more when it comes to commit them."""
    undisturbed, other = batches_in(tmp_path / "undisturbed"), batches_in(tmp_path / "mended_later")
    goes_on = [example_message([("XX", 0, 1.0), ("CZ", 0, 2.0)]), *an_eventful_log(MESSAGES)]
    land(undisturbed, an_eventful_log(MESSAGES))
    for each in (batches, undisturbed):
        land(each, goes_on)
    interrupted(batches, at, lambda: redrive(other, MENDED), done=False).run(MENDED)
    run_all(batches, MENDED)
    run_all(undisturbed, MENDED)
    assert_same(batches, undisturbed)


def test_a_failure_that_was_known_is_not_lost_with_what_made_it_known(tmp_path: Path) -> None:
    """A batch under way left a bad row out, for it was in quarantine; a redrive takes it away."""
    batches, other = batches_in(tmp_path), batches_in(tmp_path)
    land(batches, [example_message([BAD_ROW])])
    batches.run(EXAMPLE)
    land(batches, [example_message([BAD_ROW, ("XX", 0, 1.0)])])

    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        return EXAMPLE.parse(messages).filter(pl.col("landing_offset") > 0)

    mended = replace(EXAMPLE, parse=parse)
    interrupted(batches, 1, lambda: redrive(other, mended), done=False).run(mended)
    run_all(batches, mended)
    assert quarantined(batches)["landing_offset"].to_list() == [1, 1]


def test_of_two_replays_the_later_one_goes_on(
    batches: MicroBatches, as_if: Callable[..., MicroBatches]
) -> None:
    later = interrupted(batches, 3, lambda: replay(batches, MENDED, start=0), done=True)
    with pytest.raises(ReplayOvertakenError):
        replay(later, EXAMPLE, start=0)
    assert_same(batches, as_if())
    assert batches.warehouse.position(market_table(EXAMPLE)).stale_from is None


def test_a_replay_goes_on_where_a_dead_one_stopped(batches: MicroBatches) -> None:
    killed = replace(
        batches,
        warehouse=cast(
            "Warehouse", Dying(batches.warehouse, lambda name, _: name == "replace", done=True)
        ),
    )
    with pytest.raises(KilledError):
        replay(killed, MENDED, start=4)
    assert batches.warehouse.position(market_table(EXAMPLE)).stale_from == 4
    report = replay(batches, MENDED, start=MESSAGES)
    assert (report.start, report.stop) == (4, MESSAGES)
    assert batches.warehouse.position(market_table(EXAMPLE)).stale_from is None


bodies = st.one_of(
    st.just(GARBAGE),
    st.just(b"{}"),
    st.lists(
        st.tuples(
            st.sampled_from(["CZ", "XX"]),
            st.integers(0, 1),
            st.sampled_from([1.0, 2.0, 100.0, 9_999.0, 10_000.0]),
        ),
        max_size=3,
    ),
)


@settings(max_examples=examples(6))
@given(
    landings=st.lists(st.lists(bodies, max_size=4), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
def test_any_history_is_mended(
    landings: list[list[Any]], sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mended")
    batches, undisturbed = batches_in(folder / "later"), batches_in(folder / "always")
    for said, size in zip(landings, sizes, strict=False):
        for each in (batches, undisturbed):
            land(each, [example_message(body) for body in said])
        replace(batches, batch_messages=size).run(EXAMPLE)
    redrive(replace(batches, batch_messages=sizes[0]), MENDED)
    run_all(batches, MENDED)
    run_all(undisturbed, MENDED)
    assert_same(batches, undisturbed)
    assert redrive(batches, MENDED).replay is None


@pytest.mark.nightly
def test_killed_processes_and_live_ones_end_in_the_same_tables(
    batches: MicroBatches, as_if: Callable[..., MicroBatches], tmp_path: Path
) -> None:
    """SIGKILL at any moment of two redrives, while another process runs what goes on landing."""
    folder, chance = tmp_path / "mended_later", random.Random()
    victims = [
        micro_batch_process.start(folder, batch_messages=1, work="redrive") for _ in range(2)
    ]
    lives = [
        micro_batch_process.start(folder, batch_messages=2, work="run mended") for _ in range(2)
    ]
    for victim, live in zip(victims, lives, strict=True):
        land(batches, an_eventful_log(MESSAGES))
        micro_batch_process.go(victim)
        micro_batch_process.go(live)
        time.sleep(chance.uniform(0.0, 0.6))
        victim.kill()
        victim.communicate()
        live.communicate()
        assert live.returncode == 0
    redrive(batches, MENDED)
    run_all(batches, MENDED)
    assert_same(batches, as_if(landings=3))
    assert hot(batches).height > 0
