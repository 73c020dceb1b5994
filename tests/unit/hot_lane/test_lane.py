"""The hot copy shows what the warehouse holds or is about to hold, whatever happens on the way."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.errors import HotLaneWaitsError, HotStoreUnavailableError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import MarketSource, each_message
from energy_platform.pipeline import hot_copy
from energy_platform.pipeline.hot_copy import hot_points
from energy_platform.pipeline.hot_lane import lane_rows
from energy_platform.pipeline.hot_lane.lane import HotLane, bring_up
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.storage.hot_store.points import tidy
from energy_platform.storage.hot_store.protocol import Measurement
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from tests.support.effort import examples
from tests.support.sources import (
    BAD_ROW,
    EXAMPLE,
    GARBAGE,
    NOON,
    ExampleRows,
    an_eventful_log,
    bodies_of_examples,
    example_message,
    parse_example,
    prices,
    quote,
)
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

TESTCASES = Path(__file__).parents[2] / "testcases"
MOST_BYTES = 50_000
MOST_MESSAGES = 8


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    return batches_in(tmp_path)


@pytest.fixture
def lane(batches: MicroBatches) -> HotLane:
    return HotLane(batches, EXAMPLE)


def assert_shows_the_warehouse(batches: MicroBatches, source: MarketSource = EXAMPLE) -> None:
    """Hold the hot copy against the points that the warehouse's rows make."""
    has_value = pl.any_horizontal(pl.col(source.fields).is_not_null())
    wanted = hot_points(source, stored(batches, source)).filter(has_value)
    shown, tidied = hot(batches, source), tidy(measurement(source), wanted)
    assert_frame_equal(shown, tidied.select(shown.columns), check_row_order=False)
    reached = batches.hot_store.committed_offset(measurement(source))
    assert reached == batches.landing.log(source.name).end_offset()


def test_points_are_shown_before_any_batch_has_run(batches: MicroBatches, lane: HotLane) -> None:
    land(batches, [quote(50.0), quote(None, quarter=1)])
    assert not lane.step()
    # A point without a value stands for nothing that could be drawn.
    assert prices(hot(batches)) == [50.0]
    assert batches.hot_copies.reached(EXAMPLE) == 2
    assert stored(batches).is_empty()
    assert batches.is_behind(EXAMPLE)
    run_all(batches)
    assert_shows_the_warehouse(batches)


def test_nothing_landed_is_nothing_to_do(batches: MicroBatches, lane: HotLane) -> None:
    assert not lane.step()
    land(batches, [quote(1.0)])
    lane.bring_up()
    assert not lane.step()
    assert prices(hot(batches)) == [1.0]


def test_no_more_messages_are_taken_at_once_than_may_be(tmp_path: Path) -> None:
    batches = batches_in(tmp_path, batch_messages=2)
    lane = HotLane(batches, EXAMPLE)
    land(batches, [quote(float(n)) for n in range(5)])
    assert [lane.step() for _ in range(3)] == [True, True, False]
    assert prices(hot(batches)) == [4.0]


def test_what_fails_is_left_out_and_left_to_the_batch(batches: MicroBatches, lane: HotLane) -> None:
    land(batches, [example_message([("CZ", 0, 1.0), BAD_ROW]), example_message(GARBAGE)])
    lane.bring_up()
    assert prices(hot(batches)) == [1.0]
    assert quarantined(batches).is_empty()
    batches.run(EXAMPLE)
    assert quarantined(batches).height == 2


def test_a_lane_begun_anew_looks_up_what_the_warehouse_holds(batches: MicroBatches) -> None:
    land(batches, [quote(1.0), quote(2.0)])
    run_all(batches)
    land(batches, [quote(None, quarter=3), quote(2.0)])
    show(batches)
    land(batches, [quote(3.0)])
    show(batches)
    assert prices(hot(batches)) == [3.0]
    run_all(batches)
    assert_shows_the_warehouse(batches)


def test_a_copy_that_was_emptied_is_filled(batches: MicroBatches, lane: HotLane) -> None:
    land(batches, [quote(1.0), quote(2.0), quote(3.0, quarter=1)])
    run_all(batches)
    lane.bring_up()
    batches.hot_store.clear(measurement(EXAMPLE))
    lane.bring_up()
    assert prices(hot(batches)) == [2.0, 3.0]


def test_a_lane_that_has_not_seen_a_replay_forgets_what_it_knew(
    batches: MicroBatches, lane: HotLane
) -> None:
    land(batches, [quote(1.0)])
    run_all(batches)
    lane.bring_up()
    land(batches, [quote(2.0)])
    batches.run(EXAMPLE)
    lane.bring_up()

    def parse(messages: Any) -> pl.DataFrame:
        return parse_example(messages).with_columns(pl.col("price_eur_per_mwh") * 2)

    # The copy reaches to where the lane left it, but it is another one.
    replay(batches, replace(EXAMPLE, parse=parse), start=0)
    land(batches, [quote(2.0)])
    lane.bring_up()
    batches.run(EXAMPLE)
    assert prices(stored(batches)) == [2.0, 4.0, 2.0]
    assert_shows_the_warehouse(batches)


def test_a_copy_far_behind_catches_up_in_pieces(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_copy, "_CATCH_UP_ROWS", 3)
    monkeypatch.setattr(hot_copy, "_CATCH_UP", timedelta())
    land(batches, an_eventful_log(12))
    batches.run(EXAMPLE)
    lane, reached = HotLane(batches, EXAMPLE), [0]
    while lane.step():
        reached.append(batches.hot_copies.reached(EXAMPLE))
    assert reached == sorted(set(reached))
    assert len(reached) > 3
    assert_shows_the_warehouse(batches)


def test_a_lane_far_ahead_of_the_warehouse_waits_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_rows, "_AHEAD_ROWS", 3)
    monkeypatch.setattr(lane_rows, "_LOOK_SECONDS", 0.0)
    batches = batches_in(tmp_path, batch_messages=1)
    lane = HotLane(batches, EXAMPLE)
    land(batches, [quote(float(n), quarter=n) for n in range(9)])
    with pytest.raises(HotLaneWaitsError, match="waits for the warehouse"):
        lane.bring_up()
    waits_at = batches.hot_copies.reached(EXAMPLE)
    assert 3 < waits_at < 9
    for _ in range(2):
        with pytest.raises(HotLaneWaitsError):
            lane.step()
    assert batches.hot_copies.reached(EXAMPLE) == waits_at
    for _ in range(9):
        batches.run(EXAMPLE)
    lane.bring_up()
    assert_shows_the_warehouse(batches)


def test_rows_that_the_warehouse_holds_are_let_go(
    batches: MicroBatches, lane: HotLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_rows, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(lane_rows, "_AHEAD_ROWS", 1)
    for n in range(10):
        land(batches, [quote(float(n), quarter=n)])
        lane.bring_up()
        batches.run(EXAMPLE)
    assert_shows_the_warehouse(batches)


def test_many_points_are_written_in_parts(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_copy, "_WRITTEN_AT_ONCE", 2)
    written, write = [], SqliteHotStore.write

    def counted(store: Any, into: Measurement, points: pl.DataFrame, *, stop: int) -> pl.DataFrame:
        written.append(points.height)
        return write(store, into, points, stop=stop)

    monkeypatch.setattr(SqliteHotStore, "write", counted)
    land(batches, [example_message([("CZ", n, float(n)) for n in range(5)])])
    run_all(batches)
    assert written == [2, 2, 1]
    assert_shows_the_warehouse(batches)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", ["write", "commit_offset"])
def test_a_lane_killed_at_a_write_shows_all(
    batches: MicroBatches, write: str, *, done: bool
) -> None:
    land(batches, [quote(1.0)])
    run_all(batches)
    land(batches, [quote(2.0), quote(3.0, quarter=1)])
    dying: Any = Dying(batches.hot_store, lambda name, _: name == write, done)
    with pytest.raises(KilledError):
        HotLane(replace(batches, hot_store=dying), EXAMPLE).bring_up()
    # A batch that takes the messages meanwhile must not hide what was not shown.
    batches.run(EXAMPLE)
    land(batches, [quote(3.0, quarter=1), quote(5.0, quarter=2)])
    run_all(batches)
    assert prices(hot(batches)) == [2.0, 3.0, 5.0]
    assert_shows_the_warehouse(batches)


def test_an_older_state_never_overwrites_a_newer_one(batches: MicroBatches) -> None:
    slow, quick = HotLane(batches, EXAMPLE), HotLane(batches, EXAMPLE)
    land(batches, [quote(1.0)])
    slow.bring_up()
    land(batches, [quote(2.0)])
    quick.bring_up()
    land(batches, [quote(3.0, quarter=1)])
    slow.bring_up()
    assert prices(hot(batches)) == [2.0, 3.0]


def test_a_hot_store_that_is_away_is_told_and_nothing_is_lost(batches: MicroBatches) -> None:
    class Away:
        def __getattr__(self, _: str) -> Callable[..., Any]:
            def call(*_: object, **__: object) -> Any:
                raise HotStoreUnavailableError("no route")

            return call

    away: Any = Away()
    land(batches, [quote(1.0)])
    assert bring_up(replace(batches, hot_store=away), EXAMPLE) == "no route"
    land(batches, [quote(2.0)])
    batches.run(EXAMPLE)
    assert bring_up(batches, EXAMPLE) == ""
    assert_shows_the_warehouse(batches)


def test_points_older_than_the_days_are_left_out(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    of_one_day = replace(batches, hot_days=1)
    show(of_one_day)
    assert hot(batches).is_empty()
    batches.run(EXAMPLE)
    HotLane(batches, EXAMPLE).begin_anew()
    show(of_one_day)
    assert hot(batches).is_empty()
    assert batches.hot_copies.reached(EXAMPLE) == 1


def test_expired_points_are_gone_and_the_rows_are_not(batches: MicroBatches) -> None:
    land(batches, [quote(1.0)])
    run_all(batches)
    assert replace(batches, hot_days=1).hot_copies.expire([EXAMPLE]) == 1
    assert hot(batches).is_empty()
    assert prices(stored(batches)) == [1.0]


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


def land_in_turn(batches: MicroBatches, source: MarketSource, landed: list[RawMessage]) -> None:
    """Land messages one by one, each shown at once, and stored now and then."""
    lane = HotLane(batches, source)
    for number, message in enumerate(landed):
        land(batches, [message], source=source)
        lane.bring_up()
        if number % 2:
            batches.run(source)
    run_all(batches, source)


@pytest.mark.parametrize("batch_messages", [1, 10])
def test_a_late_forecast_run_is_kept_and_not_shown(tmp_path: Path, batch_messages: int) -> None:
    batches = batches_in(tmp_path, batch_messages=batch_messages)
    bodies = [b"0,5", b"6,7", b"0,4", b"3,9"]
    land_in_turn(batches, WIND, [RawMessage(body=one, received_at=NOON) for one in bodies])
    assert stored(batches, WIND)["wind_speed_m_per_s"].to_list() == [5.0, 7.0, 4.0, 9.0]
    assert hot(batches, WIND)["wind_speed_m_per_s"].to_list() == [7.0]
    batches.hot_store.clear(measurement(WIND))
    show(batches, WIND)
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
    numbered = ((1, 10.0), (3, 30.0), (2, 20.0), (3, 30.0), (1, 10.0))
    land_in_turn(batches, NUMBERED, [quote(price, quarter=number) for number, price in numbered])
    assert prices(stored(batches, NUMBERED)) == [10.0, 30.0, 20.0]
    assert prices(hot(batches, NUMBERED)) == [30.0]


# Any order of landings, batches, steps, deaths and restarts.

ACTS = st.lists(
    st.sampled_from(["land", "land", "step", "step", "batch", "die", "other lane", "rebuild"]),
    max_size=14,
)


def live_through(
    folder: Path, source: MarketSource, landed: list[RawMessage], acts: list[str], cut: int
) -> MicroBatches:
    """Do to a source what `acts` say, then let all that landed be stored and shown."""
    batches, calls = batches_in(folder, batch_messages=cut), count()
    dying: Any = Dying(
        batches.hot_store,
        lambda name, _: name in ("write", "commit_offset") and next(calls) % 5 == 4,
        done=bool(cut % 2),
    )
    lane, left = HotLane(batches, source), list(landed)
    for act in acts:
        match act:
            case "land" if left:
                land(batches, [left.pop(0) for _ in range(min(len(left), 2))], source=source)
            case "step":
                lane.step()
            case "batch":
                batches.run(source)
            case "die":
                with contextlib.suppress(KilledError):
                    HotLane(replace(batches, hot_store=dying), source).bring_up()
                lane = HotLane(batches, source)
            case "other lane":
                HotLane(batches, source).step()
            case "rebuild":
                HotLane(batches, source).begin_anew()
    land(batches, left, source=source)
    while batches.is_behind(source):
        batches.run(source)
    lane.bring_up()
    return batches


@settings(max_examples=examples(8))
@given(
    bodies=st.lists(bodies_of_examples(quarters=4), max_size=10),
    acts=ACTS,
    cut=st.integers(1, 3),
    looks=st.sampled_from([0.0, 1_000.0]),
)
@pytest.mark.parametrize("source", [EXAMPLE, NUMBERED], ids=["plain", "numbered"])
def test_whatever_happens_the_copy_shows_the_warehouse(
    source: MarketSource, bodies: list[Any], acts: list[str], cut: int, looks: float
) -> None:
    landed = [example_message(body) for body in bodies]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane_rows, "_LOOK_SECONDS", looks)
        assert_shows_the_warehouse(live_through(Path(folder), source, landed, acts, cut), source)


EVERY_TIME = {
    "entsoe_outage",
    "nord_pool_intraday_contract",
    "nord_pool_intraday_trade",
    "regelleistung_tender",
}
"""Revisions by number, facts that move, and whole lists; the others take a minute together."""


@cache
def recorded(name: str) -> list[RawMessage]:
    """Return some messages of a source's test cases."""
    source = market_sources()[name]
    of_cases = [
        message
        for case in sorted((TESTCASES / name).iterdir())
        for message in case_messages(source, case)
        if len(message.body) <= MOST_BYTES
    ]
    return [replace(one, received_at=datetime.now(UTC)) for one in of_cases[:MOST_MESSAGES]]


@settings(max_examples=examples(2), phases=[Phase.generate])
@given(
    order=st.permutations(range(MOST_MESSAGES)),
    acts=ACTS,
    cut=st.integers(1, 3),
    looks=st.sampled_from([0.0, 1_000.0]),
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in EVERY_TIME else pytest.mark.nightly)
        for name in sorted(market_sources())
    ],
)
def test_the_copy_of_every_source_shows_the_warehouse(
    name: str, order: list[int], acts: list[str], cut: int, looks: float
) -> None:
    source, messages = market_sources()[name], recorded(name)
    landed = [messages[at] for at in order if at < len(messages)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane_rows, "_LOOK_SECONDS", looks)
        batches = live_through(Path(folder), source, landed, acts, cut)
        assert batches.warehouse.committed_offset(market_table(source)) == len(landed)
        assert_shows_the_warehouse(batches, source)
