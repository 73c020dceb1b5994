"""Landed bytes reach the warehouse exactly once, whatever happens on the way."""

import random
import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.parsing import UNPARSED
from energy_platform.pipeline.tables import market_table, quarantine_table
from tests.support import micro_batch_process
from tests.support.effort import examples
from tests.support.sources import (
    BAD_ROW,
    EXAMPLE,
    GARBAGE,
    NOON,
    an_eventful_log,
    bodies_of_examples,
    example_message,
    prices,
    quote,
)
from tests.support.stores import (
    Dying,
    KilledError,
    assert_same,
    batches_in,
    contested,
    hot,
    land,
    quarantined,
    run_all,
    stored,
)

Quotes = list[tuple[str, int, float | None]]


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    return batches_in(tmp_path)


def test_a_batch_reaches_the_warehouse(batches: MicroBatches) -> None:
    land(batches, [quote(50.0), quote(None, quarter=1, minutes=3)])
    assert batches.is_behind(EXAMPLE)
    report = batches.run(EXAMPLE)
    assert (report.start, report.stop, report.messages) == (0, 2, 2)
    assert (report.rows_parsed, report.rows_new, report.unparsed) == (2, 2, 0)
    assert report.last_received_at == NOON + timedelta(minutes=3)
    assert not batches.is_behind(EXAMPLE)
    assert prices(stored(batches)) == [50.0, None]
    assert stored(batches)["landing_offset"].to_list() == [0, 1]
    assert hot(batches).is_empty(), "the hot copy is the hot lane's business"


def test_an_empty_batch_writes_nothing(batches: MicroBatches) -> None:
    land(batches, [quote(50.0)])
    batches.run(EXAMPLE)
    before = stored(batches)
    report = batches.run(EXAMPLE)
    assert (report.start, report.stop, report.rows_new) == (1, 1, 0)
    assert report.last_received_at is None
    assert_frame_equal(stored(batches), before)


def test_a_source_that_never_landed_has_an_empty_batch(batches: MicroBatches) -> None:
    assert not batches.is_behind(EXAMPLE)
    assert batches.run(EXAMPLE).messages == 0
    assert stored(batches).is_empty()


def test_a_batch_takes_no_more_messages_than_it_may(tmp_path: Path) -> None:
    batches = batches_in(tmp_path, batch_messages=2)
    land(batches, [quote(float(n)) for n in range(5)])
    assert [report.messages for report in run_all(batches)] == [2, 2, 1]
    assert prices(stored(batches)) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_unchanged_rows_add_nothing_and_revisions_add_rows(batches: MicroBatches) -> None:
    for price in (50.0, 50.0, 51.0, 51.0, None, None, 50.0):
        land(batches, [quote(price)])
        batches.run(EXAMPLE)
    assert prices(stored(batches)) == [50.0, 51.0, None, 50.0]


def test_a_batch_of_unchanged_rows_moves_the_offset(batches: MicroBatches) -> None:
    land(batches, [quote(50.0), quote(50.0), quote(50.0)])
    assert batches.run(EXAMPLE).rows_new == 1
    land(batches, [quote(50.0)])
    assert batches.run(EXAMPLE).rows_new == 0
    assert batches.warehouse.committed_offset(market_table(EXAMPLE)) == 4


def test_what_fails_is_quarantined_once_beside_what_passes(batches: MicroBatches) -> None:
    land(batches, [example_message([("CZ", 0, 1.0), BAD_ROW]), example_message(GARBAGE)])
    report = batches.run(EXAMPLE)
    assert (report.rows_new, report.unparsed, report.quarantined.height) == (1, 1, 2)
    batches.run(EXAMPLE)
    land(batches, [quote(2.0), example_message([BAD_ROW]), example_message(GARBAGE)])
    # What a reply repeats is told by each batch, and kept but once; a message is kept each time.
    assert batches.run(EXAMPLE).quarantined.height == 2
    assert prices(stored(batches)) == [1.0, 2.0]
    failures = quarantined(batches)
    assert failures["landing_offset"].to_list() == [0, 1, 4]
    assert failures["check"][1] == UNPARSED
    assert failures["row"].is_null().to_list() == [False, True, True]


def test_a_batch_of_failures_alone_moves_the_offset(batches: MicroBatches) -> None:
    land(batches, [example_message(GARBAGE)])
    batches.run(EXAMPLE)
    assert not batches.is_behind(EXAMPLE)
    assert quarantined(batches).height == 1


# What a death in mid-batch leaves is made whole by the next run.

MIXED = [
    example_message([("CZ", 0, 1.0), BAD_ROW]),
    example_message(GARBAGE),
    example_message([("CZ", 0, 2.0), ("DE-LU", 0, 2.0)]),
]


def dying(batches: MicroBatches, write: str, *, done: bool) -> MicroBatches:
    """Return batches whose process dies of one of a batch's two writes."""

    def is_last(name: str, args: tuple[object, ...]) -> bool:
        table = quarantine_table(EXAMPLE) if write == "quarantine" else market_table(EXAMPLE)
        return name == "commit" and args[0] == table

    return replace(batches, warehouse=Dying(batches.warehouse, is_last, done))


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", ["quarantine", "rows"])
def test_a_killed_batch_lands_once(tmp_path: Path, write: str, *, done: bool) -> None:
    batches, undisturbed = batches_in(tmp_path / "killed"), batches_in(tmp_path / "undisturbed")
    for each in (batches, undisturbed):
        land(each, MIXED)
    with pytest.raises(KilledError):
        dying(batches, write, done=done).run(EXAMPLE)
    # More may have landed before the next run; it must not hide what was done.
    for each in (batches, undisturbed):
        land(each, MIXED)
        run_all(each)
    assert_same(batches, undisturbed)


def test_a_killed_batch_may_be_run_again_in_smaller_ones(tmp_path: Path) -> None:
    batches, undisturbed = batches_in(tmp_path / "killed"), batches_in(tmp_path / "undisturbed")
    for each in (batches, undisturbed):
        land(each, MIXED)
    with pytest.raises(KilledError):
        dying(batches, "quarantine", done=True).run(EXAMPLE)
    run_all(replace(batches, batch_messages=1))
    run_all(undisturbed)
    assert_same(batches, undisturbed)


@pytest.mark.usefixtures("without_waiting")
def test_a_conflict_is_tried_again_and_a_lasting_one_is_told(batches: MicroBatches) -> None:
    land(batches, [quote(50.0)])
    with pytest.raises(CommitConflictError):
        contested(batches, 1_000).run(EXAMPLE)
    assert stored(batches).is_empty()
    contested(batches, 2).run(EXAMPLE)
    assert prices(stored(batches)) == [50.0]


def test_a_process_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    batches, undisturbed = batches_in(tmp_path / "killed"), batches_in(tmp_path / "undisturbed")
    for each in (batches, undisturbed):
        land(each, an_eventful_log(40))
    victims = [micro_batch_process.start(tmp_path / "killed", batch_messages=1) for _ in range(3)]
    chance = random.Random()
    for victim in victims:
        micro_batch_process.go(victim)
        time.sleep(chance.uniform(0.0, 0.5))
        victim.kill()
        victim.communicate()
    run_all(batches)
    run_all(undisturbed)
    assert_same(batches, undisturbed)


def test_two_processes_on_one_source_lose_and_double_nothing(tmp_path: Path) -> None:
    batches, undisturbed = batches_in(tmp_path / "raced"), batches_in(tmp_path / "undisturbed")
    for each in (batches, undisturbed):
        land(each, an_eventful_log(12))
    racers = [
        micro_batch_process.start(tmp_path / "raced", batch_messages=messages)
        for messages in (1, 2)
    ]
    for racer in racers:
        micro_batch_process.go(racer)
    assert [_result(racer) for racer in racers] == [0, 0]
    run_all(undisturbed)
    assert_same(batches, undisturbed)


def _result(process: subprocess.Popen[str]) -> int:
    process.communicate()
    return process.returncode


@settings(max_examples=examples(6))
@given(
    landings=st.lists(
        st.tuples(st.lists(bodies_of_examples(quarters=2), max_size=4), st.integers(1, 3)),
        max_size=4,
    )
)
def test_any_batch_cuts_give_what_one_batch_gives(
    landings: list[tuple[list[bytes | Quotes], int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cut, whole = batches_in(Path(folder) / "cut"), batches_in(Path(folder) / "whole")
        for bodies, batch_messages in landings:
            arrived = [example_message(body) for body in bodies]
            land(cut, arrived)
            land(whole, arrived)
            # Not all of it: the next batch spans this landing and the next.
            replace(cut, batch_messages=batch_messages).run(EXAMPLE)
        run_all(cut)
        run_all(whole)
        assert_same(cut, whole)
