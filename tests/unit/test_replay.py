"""A replay makes a source's rows again, and the table is what today's parser makes of the landed.

What a fix brings back out of quarantine is in `test_redrive`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane import lane_rows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table, measurement
from tests.support.sources import (
    BAD_ROW,
    EXAMPLE,
    GARBAGE,
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


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    return batches_in(tmp_path)


def doubled_prices(source: MarketSource) -> MarketSource:
    """Return the source after a parser change."""

    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        return parse_example(messages).with_columns(pl.col("price_eur_per_mwh") * 2)

    return replace(source, parse=parse)


def replay_all(batches: MicroBatches, source: MarketSource) -> int:
    return replay(batches, source, start=0).rows


def test_a_replay_changes_nothing_when_the_parser_is_the_same(tmp_path: Path) -> None:
    batches = batches_in(tmp_path, batch_messages=3)
    land(batches, an_eventful_log(12))
    run_all(batches)
    before = [said(batches) for said in (stored, quarantined, hot)]
    for _ in range(2):
        assert replay_all(batches, EXAMPLE) == before[0].height
        for said, expected in zip((stored, quarantined, hot), before, strict=True):
            assert_frame_equal(said(batches), expected)


def test_a_replay_makes_all_again_after_a_parser_change(tmp_path: Path) -> None:
    batches, anew = batches_in(tmp_path / "replayed"), batches_in(tmp_path / "anew")
    for each in (batches, anew):
        land(each, an_eventful_log(12))
    run_all(batches)
    changed = doubled_prices(EXAMPLE)
    replay_all(replace(batches, batch_messages=5), changed)
    run_all(anew, changed)
    assert_same(batches, anew)


def test_a_replay_empties_the_quarantine_of_what_now_parses(batches: MicroBatches) -> None:
    land(batches, [example_message(GARBAGE), quote(1.0), example_message([BAD_ROW])])
    batches.run(EXAMPLE)
    assert quarantined(batches)["landing_offset"].to_list() == [0, 2]

    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        return parse_example([message for message in messages if message.body != GARBAGE])

    replay_all(batches, replace(EXAMPLE, parse=parse))
    assert quarantined(batches)["landing_offset"].to_list() == [2]


def test_a_replay_from_an_offset_leaves_those_before(batches: MicroBatches) -> None:
    land(batches, [quote(float(n), quarter=n) for n in range(4)])
    batches.run(EXAMPLE)
    report = replay(batches, doubled_prices(EXAMPLE), start=2)
    assert (report.start, report.stop, report.messages, report.rows) == (2, 4, 2, 2)
    assert prices(stored(batches)) == [0.0, 1.0, 4.0, 6.0]
    assert prices(hot(batches)) == [0.0, 1.0, 4.0, 6.0]


def test_a_replay_of_nothing_makes_no_table(batches: MicroBatches, tmp_path: Path) -> None:
    land(batches, [quote(1.0)])
    assert replay_all(batches, EXAMPLE) == 0
    assert not (tmp_path / "warehouse").exists()


def test_a_replay_that_was_killed_is_run_again(tmp_path: Path) -> None:
    batches = batches_in(tmp_path, batch_messages=1)
    land(batches, [quote(float(n)) for n in range(3)])
    run_all(batches)
    changed = doubled_prices(EXAMPLE)
    killed = replace(
        batches,
        warehouse=Dying(batches.warehouse, lambda name, _: name == "replace", done=True),
    )
    with pytest.raises(KilledError):
        replay_all(killed, changed)
    replay_all(batches, changed)
    assert prices(stored(batches)) == [0.0, 2.0, 4.0]
    assert prices(hot(batches)) == [4.0]


def test_a_replay_leaves_what_no_batch_has_taken_to_the_next(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    batches.run(EXAMPLE)
    land(batches, [quote(2.0)])
    replay_all(batches, EXAMPLE)
    assert batches.is_behind(EXAMPLE)
    batches.run(EXAMPLE)
    assert prices(stored(batches)) == [1.0, 2.0]


def test_a_replay_does_not_wait_for_messages_that_no_batch_has_taken(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_rows, "_AHEAD_ROWS", 1)
    small = replace(batches, batch_messages=1)
    land(batches, [quote(float(n), quarter=n) for n in range(6)])
    for _ in range(2):
        small.run(EXAMPLE)
    replay_all(small, EXAMPLE)
    assert small.warehouse.position(market_table(EXAMPLE)).stale_from is None
    assert prices(hot(batches))[:2] == [0.0, 1.0]


def test_a_replay_fills_the_hot_copy_for_its_days_only(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    batches.run(EXAMPLE)
    replay_all(replace(batches, hot_days=1), EXAMPLE)
    assert hot(batches).is_empty()
    assert batches.hot_store.committed_offset(measurement(EXAMPLE)) == 1
    assert prices(stored(batches)) == [1.0]


@pytest.mark.usefixtures("without_waiting")
def test_a_replay_lets_running_batches_go_first(batches: MicroBatches) -> None:
    land(batches, [quote(50.0), example_message(GARBAGE)])
    batches.run(EXAMPLE)
    assert replay_all(contested(batches, 2), doubled_prices(EXAMPLE)) == 1
    assert prices(stored(batches)) == [100.0]
    assert quarantined(batches).height == 1
