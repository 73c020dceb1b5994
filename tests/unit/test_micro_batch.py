"""Landed bytes reach both stores exactly once, whatever happens on the way."""

import random
import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import each_message
from energy_platform.pipeline.checks import UNPARSED
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from tests.support import micro_batch_process
from tests.support.sources import (
    BAD_ROW,
    EXAMPLE,
    GARBAGE,
    NOON,
    ExampleRows,
    an_eventful_log,
    example_message,
    parse_example,
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


def test_a_batch_reaches_both_stores(batches: MicroBatches) -> None:
    land(batches, [quote(50.0), quote(None, quarter=1, minutes=3)])
    assert batches.is_behind(EXAMPLE)
    report = batches.run(EXAMPLE)
    assert (report.start, report.stop, report.messages) == (0, 2, 2)
    assert (report.rows_parsed, report.rows_new, report.unparsed) == (2, 2, 0)
    assert report.last_received_at == NOON + timedelta(minutes=3)
    assert not batches.is_behind(EXAMPLE)
    assert prices(stored(batches)) == [50.0, None]
    assert stored(batches)["landing_offset"].to_list() == [0, 1]
    # A point without a value stands for nothing that could be drawn.
    assert prices(hot(batches)) == [50.0]
    assert batches.hot_store.committed_offset(measurement(EXAMPLE)) == 2


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
    assert prices(hot(batches)) == [50.0]


def test_a_batch_of_unchanged_rows_moves_the_offset(batches: MicroBatches) -> None:
    land(batches, [quote(50.0), quote(50.0), quote(50.0)])
    assert batches.run(EXAMPLE).rows_new == 1
    land(batches, [quote(50.0)])
    assert batches.run(EXAMPLE).rows_new == 0
    assert batches.warehouse.committed_offset(market_table(EXAMPLE)) == 4
    assert batches.hot_store.committed_offset(measurement(EXAMPLE)) == 4


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
    """Return batches whose process dies of one of a batch's three writes."""

    def is_last(name: str, args: tuple[object, ...]) -> bool:
        if write == "hot points":
            return name == "write"
        table = quarantine_table(EXAMPLE) if write == "quarantine" else market_table(EXAMPLE)
        return name == "commit" and args[0] == table

    if write == "hot points":
        return replace(batches, hot_store=Dying(batches.hot_store, is_last, done))
    return replace(batches, warehouse=Dying(batches.warehouse, is_last, done))


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", ["quarantine", "rows", "hot points"])
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


messages = st.one_of(
    st.just(GARBAGE),
    st.lists(
        st.tuples(
            st.sampled_from(["CZ", "DE-LU", "XX"]),
            st.integers(0, 1),
            st.sampled_from([1.0, 2.0, None]),
        ),
        max_size=4,
    ),
)


@settings(max_examples=12)
@given(landings=st.lists(st.tuples(st.lists(messages, max_size=4), st.integers(1, 3)), max_size=4))
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


# The hot copy follows the warehouse, and the market's own order of what is newer.


def test_a_hot_store_that_was_away_catches_up(batches: MicroBatches) -> None:
    away = replace(batches, hot_store=Dying(batches.hot_store, lambda *_: True, done=False))
    for number in range(3):
        land(batches, [quote(float(number)), quote(float(number), quarter=number + 1)])
        with pytest.raises(KilledError):
            away.run(EXAMPLE)
    assert hot(batches).is_empty()
    land(batches, [quote(9.0, quarter=9)])
    batches.run(EXAMPLE)
    assert prices(hot(batches)) == [2.0, 0.0, 1.0, 2.0, 9.0]
    assert batches.hot_store.committed_offset(measurement(EXAMPLE)) == 7


def test_points_that_a_dead_worker_left_out_need_no_news_to_come(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    with pytest.raises(KilledError):
        dying(batches, "hot points", done=False).run(EXAMPLE)
    assert batches.is_behind(EXAMPLE)
    batches.run(EXAMPLE)
    assert prices(hot(batches)) == [1.0]
    assert not batches.is_behind(EXAMPLE)


def test_a_hot_store_that_was_emptied_is_filled_by_an_empty_batch(batches: MicroBatches) -> None:
    land(batches, [quote(1.0), quote(2.0), quote(3.0, quarter=1)])
    batches.run(EXAMPLE)
    batches.hot_store.clear(measurement(EXAMPLE))
    batches.run(EXAMPLE)
    assert prices(hot(batches)) == [2.0, 3.0]


class WindRows(ForecastRows):
    wind_speed_m_per_s: float = pa.Field(description="Wind speed m per s")


@each_message
def parse_wind(message: RawMessage) -> pl.DataFrame:
    """Read `run,speed`: hours after noon, and a wind speed for the next noon."""
    run, speed = message.body.split(b",")
    return pl.DataFrame(
        {
            "run_at": NOON + timedelta(hours=int(run)),
            "valid_at": NOON + timedelta(days=1),
            "wind_speed_m_per_s": float(speed),
        },
        schema_overrides={name: WIND.dtypes[name] for name in ("run_at", "valid_at")},
    )


WIND = replace(
    EXAMPLE,
    name="example_wind",
    parse=parse_wind,
    rows=WindRows,
    key=("run_at", "valid_at"),
    event_time="valid_at",
)


@pytest.mark.parametrize("batch_messages", [1, 10])
def test_a_late_forecast_run_is_kept_and_not_shown(tmp_path: Path, batch_messages: int) -> None:
    batches = batches_in(tmp_path, batch_messages=batch_messages)
    bodies = [b"0,5", b"6,7", b"0,4", b"3,9"]
    for body in bodies:
        land(batches, [RawMessage(body=body, received_at=NOON)], source=WIND)
    run_all(batches, WIND)
    assert stored(batches, WIND)["wind_speed_m_per_s"].to_list() == [5.0, 7.0, 4.0, 9.0]
    assert hot(batches, WIND)["wind_speed_m_per_s"].to_list() == [7.0]
    batches.hot_store.clear(measurement(WIND))
    batches.run(WIND)
    assert hot(batches, WIND)["wind_speed_m_per_s"].to_list() == [7.0]


class NumberedRows(ExampleRows):
    revision: int = pa.Field(description="Revision")


@each_message
def parse_numbered(message: RawMessage) -> pl.DataFrame:
    """Read the example's rows, their quarter being the revision of the first quarter-hour."""
    rows = parse_example([message])
    number = (rows["delivery_start"] - NOON).dt.total_minutes() // 15
    return rows.with_columns(
        revision=number,
        delivery_start=pl.lit(NOON, dtype=EXAMPLE.dtypes["delivery_start"]),
        delivery_end=pl.lit(NOON + timedelta(minutes=15), dtype=EXAMPLE.dtypes["delivery_end"]),
    )


NUMBERED = replace(
    EXAMPLE, name="example_numbered", parse=parse_numbered, rows=NumberedRows, revision="revision"
)


@pytest.mark.parametrize("batch_messages", [1, 10])
def test_a_late_revision_is_kept_and_not_shown(tmp_path: Path, batch_messages: int) -> None:
    batches = batches_in(tmp_path, batch_messages=batch_messages)
    for number, price in ((1, 10.0), (3, 30.0), (2, 20.0), (3, 30.0), (1, 10.0)):
        land(batches, [quote(price, quarter=number)], source=NUMBERED)
    run_all(batches, NUMBERED)
    assert prices(stored(batches, NUMBERED)) == [10.0, 30.0, 20.0]
    assert prices(hot(batches, NUMBERED)) == [30.0]


def test_expired_hot_points_are_gone_and_the_rows_are_not(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    batches.run(EXAMPLE)
    assert replace(batches, hot_days=1).hot_copies.expire([EXAMPLE]) == 1
    assert hot(batches).is_empty()
    assert prices(stored(batches)) == [1.0]
