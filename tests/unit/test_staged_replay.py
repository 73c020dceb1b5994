"""A replay of plan, stage and merge gives what micro-batches give, for every source.

It may be killed at any step, and batches may run at any moment of it. What a replay is beside its
staging is in `test_replay`, and how engines stage in `test_replay_runners`.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import ReplayOvertakenError, StagingFailedError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import merge, replay
from energy_platform.pipeline.replay import plan as planning
from energy_platform.pipeline.replay.plan import RangeSize, Share, plan
from energy_platform.pipeline.replay.stage import stage
from energy_platform.pipeline.replay.staged import StagedFiles
from energy_platform.pipeline.tables import market_table
from tests.support.staging import ROOM, SMALL, InThisProcess, empty, stager_of
from tests.support.stores import (
    Dying,
    KilledError,
    batches_in,
    hot,
    land,
    quarantined,
    run_all,
    show,
    stored,
)
from tests.support.testcases import case_messages

CASES = Path(__file__).parent.parent / "testcases"
TRADES = "nord_pool_intraday_trade"


def messages_of(name: str) -> list[RawMessage]:
    """Return messages of a source's test cases: good, bad, torn, repeated, in two orders."""
    source = market_source(name)
    cases = sorted(one for one in (CASES / name).iterdir() if one.is_dir())
    small = []
    for is_bad in (False, True):
        alike = [one for one in cases if (one / "quarantined.csv").exists() is is_bad]
        messages = [message for case in alike for message in case_messages(source, case)]
        small += sorted(messages, key=lambda one: len(one.body))[:3]
    torn = replace(small[-1], body=small[-1].body[: len(small[-1].body) // 2])
    return [*small, torn, *reversed(small)]


def said(batches: MicroBatches, source: MarketSource) -> list[pl.DataFrame]:
    return [what(batches, source) for what in (stored, quarantined, hot)]


def assert_all_as(batches: MicroBatches, source: MarketSource, wanted: list[pl.DataFrame]) -> None:
    for found, expected in zip(said(batches, source), wanted, strict=True):
        assert_frame_equal(found, expected)
    assert batches.landing.staging.sizes() == {}
    assert batches.warehouse.position(market_table(source)).stale_from is None


def by_day(source: MarketSource) -> bool:
    """Return whether a source's rows depend on what came before in more than their values."""
    return source.whole_list is not None or source.facts_move or source.revision is not None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if by_day(source) else pytest.mark.nightly)
        for name, source in market_sources().items()
    ],
)
def test_a_staged_replay_gives_what_micro_batches_give(name: str, tmp_path: Path) -> None:
    batches, source = batches_in(tmp_path, batch_messages=4), market_source(name)
    land(batches, messages_of(name), source=source)
    run_all(batches, source)
    wanted = said(batches, source)
    assert wanted[0].height > 0
    empty(batches, source)
    report = replay(batches, source, start=0, stager=stager_of(batches))
    assert report.ranges == -(-len(messages_of(name)) // SMALL.messages)
    assert report.rows == wanted[0].height
    assert_all_as(batches, source, wanted)


@pytest.fixture
def source() -> MarketSource:
    return market_source(TRADES)


@pytest.fixture
def batches(tmp_path: Path, source: MarketSource) -> MicroBatches:
    """Stores whose tables are emptied, so that a replay has everything to do."""
    batches = batches_in(tmp_path / "replayed", batch_messages=4)
    land(batches, messages_of(TRADES), source=source)
    run_all(batches, source)
    empty(batches, source)
    return batches


@pytest.fixture
def wanted(tmp_path: Path, source: MarketSource) -> Callable[[int], list[pl.DataFrame]]:
    """What micro-batches make of messages that have landed a number of times."""

    def of(landings: int) -> list[pl.DataFrame]:
        anew = batches_in(tmp_path / f"anew_{landings}", batch_messages=5)
        for _ in range(landings):
            land(anew, messages_of(TRADES), source=source)
        run_all(anew, source)
        return said(anew, source)

    return of


def test_batches_go_on_between_staging_and_merging(
    batches: MicroBatches, source: MarketSource, wanted: Callable[[int], list[pl.DataFrame]]
) -> None:
    def another_landing() -> None:
        land(batches, messages_of(TRADES), source=source)
        batches.run(source)

    landings = iter([another_landing, another_landing])

    def go_on() -> None:
        next(landings, lambda: None)()

    stager = stager_of(batches, go_on)
    replay(batches, source, start=0, stager=stager)
    run_all(batches, source)
    assert_all_as(batches, source, wanted(3))


@pytest.mark.parametrize(
    "last", [pytest.param(n, marks=pytest.mark.nightly if n % 10 != 7 else ()) for n in range(27)]
)
def test_a_replay_that_was_killed_at_any_write_is_run_again(
    batches: MicroBatches,
    source: MarketSource,
    wanted: Callable[[int], list[pl.DataFrame]],
    last: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merge, "_COMMIT_ROWS", 1)
    writes = count()

    def is_last(name: str, _: tuple[Any, ...]) -> bool:
        is_write = name in ("commit", "replace", "write", "clear", "remove")
        return is_write and next(writes) == last

    def dying(store: Any) -> Any:
        return Dying(store, is_last, done=bool(last % 2))

    staging = batches.landing.staging
    monkeypatch.setattr(batches.landing, "staging", dying(staging))
    killed = replace(
        batches, warehouse=dying(batches.warehouse), hot_store=dying(batches.hot_store)
    )
    with pytest.raises(KilledError):
        replay(killed, source, start=0, stager=stager_of(killed))
    monkeypatch.setattr(batches.landing, "staging", staging)
    land(batches, messages_of(TRADES), source=source)
    batches.run(source)
    replay(batches, source, start=0, stager=stager_of(batches))
    run_all(batches, source)
    assert_all_as(batches, source, wanted(2))


def test_what_a_killed_replay_has_staged_is_not_staged_again(
    batches: MicroBatches, source: MarketSource
) -> None:
    stager = stager_of(batches)
    left = stager.plan(source, range(batches.landing.log(TRADES).end_offset()))
    assert left is not None
    stage(batches.landing, TRADES, left.plan_id, Share(0, 2), most_bytes=ROOM)
    assert stager.plan(source, range(left.stop)) == left
    assert stage(batches.landing, TRADES, left.plan_id, Share(), most_bytes=ROOM) == len(
        left.ranges[1::2]
    )


def test_rows_of_other_code_are_not_merged(
    batches: MicroBatches, source: MarketSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    stager = stager_of(batches)
    left = stager.plan(source, range(batches.landing.log(TRADES).end_offset()))
    assert left is not None
    monkeypatch.setattr(planning, "_code", lambda: "another version")
    with pytest.raises(ReplayOvertakenError, match="other code"):
        stage(batches.landing, TRADES, left.plan_id, Share(), most_bytes=ROOM)
    made = stager.plan(source, range(left.stop))
    assert made is not None
    assert made.plan_id != left.plan_id
    with pytest.raises(ReplayOvertakenError, match="replaced"):
        stage(batches.landing, TRADES, left.plan_id, Share(), most_bytes=ROOM)


def test_a_message_that_was_set_aside_meanwhile_makes_another_plan(
    batches: MicroBatches, source: MarketSource
) -> None:
    stager = stager_of(batches)
    left = stager.plan(source, range(batches.landing.log(TRADES).end_offset()))
    batches.set_aside.add(TRADES, 1, "by hand")
    made = stager.plan(source, range(batches.landing.log(TRADES).end_offset()))
    assert made is not None
    assert made != left


@pytest.mark.parametrize("spoil", [b"", b"PAR1 and no more"])
def test_a_damaged_staged_file_costs_time_alone(
    batches: MicroBatches,
    source: MarketSource,
    wanted: Callable[[int], list[pl.DataFrame]],
    spoil: bytes,
) -> None:
    def damage() -> None:
        sizes = batches.landing.staging.sizes()
        for kind, path in zip(("rows", "messages", "quarantine"), sorted(sizes)[::4], strict=False):
            hit = [one for one in sizes if f".{kind}." in one]
            batches.landing.staging.write(hit[0] if hit else path, spoil)

    replay(batches, source, start=0, stager=stager_of(batches, damage))
    show(batches, source)
    assert_all_as(batches, source, wanted(1))


def test_staging_has_a_bound(
    batches: MicroBatches, source: MarketSource, wanted: Callable[[int], list[pl.DataFrame]]
) -> None:
    sizes: list[int] = []

    def look() -> None:
        sizes.append(sum(batches.landing.staging.sizes().values()))

    replay(batches, source, start=0, stager=stager_of(batches, look, most_bytes=15_000))
    assert 0 < max(sizes) <= 15_000
    assert_all_as(batches, source, wanted(1))


def test_ranges_cover_all_offsets_and_are_of_the_wanted_size(
    batches: MicroBatches, source: MarketSource
) -> None:
    for number in range(10):
        land(batches, messages_of(TRADES)[: number + 1], source=source)
    stop = batches.landing.log(TRADES).end_offset()
    for most in (1, 2, 5, 7):
        made = plan(
            batches.landing, source, range(2, stop), size=RangeSize(messages=most), most_bytes=ROOM
        )
        assert made is not None
        assert (made.start, made.stop) == (2, stop)
        assert max(map(len, made.ranges)) == most
        assert all(left.stop == right.start for left, right in pairwise(made.ranges))
        assert all(made.around(offset) in made.ranges for offset in range(2, stop))
        shared = [one for task in range(3) for one in made.share(Share(task, 3))]
        assert sorted(shared, key=lambda one: one.start) == made.ranges
    by_bytes = plan(
        batches.landing, source, range(stop), size=RangeSize(landed_bytes=8_000), most_bytes=ROOM
    )
    assert by_bytes is not None
    assert len(by_bytes.ranges) > 2
    wave = plan(batches.landing, source, range(stop), size=SMALL, most_bytes=10_000)
    assert wave is not None
    assert wave.stop < stop


def test_an_engine_that_fails_leaves_the_table_as_it_was(
    batches: MicroBatches, source: MarketSource
) -> None:
    def fail() -> None:
        raise StagingFailedError("no quota")

    before = batches.warehouse.position(market_table(source))
    with pytest.raises(StagingFailedError):
        replay(batches, source, start=0, stager=stager_of(batches, fail))
    assert batches.warehouse.position(market_table(source)) == before


def test_two_stage_the_same_range_at_once(batches: MicroBatches, source: MarketSource) -> None:
    stager = stager_of(batches)
    left = stager.plan(source, range(batches.landing.log(TRADES).end_offset()))
    assert left is not None
    files = StagedFiles(batches.landing, TRADES)
    InThisProcess(batches.landing).start(left)
    once = [files.read(left, one, source) for one in left.ranges]
    for path in [*batches.landing.staging.sizes()]:
        if ".messages." in path:
            batches.landing.staging.remove([path])
    InThisProcess(batches.landing).start(left)
    for one, before in zip(left.ranges, once, strict=True):
        after = files.read(left, one, source)
        assert before is not None
        assert after is not None
        assert_frame_equal(after.rows, before.rows)
        assert_frame_equal(after.quarantined, before.quarantined)
        assert [*after.messages] == [*before.messages]
