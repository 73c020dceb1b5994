"""The simulated queues keep the laws of queues, and lose no point."""

from dataclasses import replace

import polars as pl
import pytest

from benchmarks.scale import billed_bytes, sized
from benchmarks.scale_model import Costs, Load, Size, simulated

FREE = Costs(
    segment=0, message=0, landing=0, lane_turn=0, lane_point=0,
    launch=0, run=0, asset=0, batch=0, point=0,
)  # fmt: skip
DEAR = Costs(
    segment=0.002, message=0.0001, landing=0.1, lane_turn=0.01, lane_point=1e-5,
    launch=0.1, run=0.02, asset=0.02, batch=0.02, point=3e-6,
)  # fmt: skip
MANY = Load(sources=200, points_a_day=1e8)


def test_without_costs_a_point_waits_for_linger_and_tick_alone() -> None:
    size = Size(linger_seconds=0.5, tick_seconds=4.0)
    outcome = simulated(MANY, size, FREE, seconds=900)
    assert outcome.hot.quantile(0.5) == pytest.approx(0.25, abs=0.02)
    assert outcome.stored.quantile(0.5) == pytest.approx(0.25 + 2.0, abs=0.3)
    assert outcome.stored.quantile(1.0) <= 0.25 + 4.0 + 0.3
    assert set(outcome.busy.values()) == {0.0}


def test_what_is_received_is_shown_stored_or_waits() -> None:
    outcome = simulated(MANY, Size(), DEAR, seconds=900)
    stored = sum(points.sum() for points in outcome.stored.points)
    shown = sum(points.sum() for points in outcome.hot.points)
    expected = MANY.points_a_second * 900
    assert shown == pytest.approx(expected, rel=0.02)
    assert 0 < outcome.waiting < 0.05
    assert stored + outcome.waiting * expected == pytest.approx(expected, rel=0.02)


def test_a_part_is_as_busy_as_its_work() -> None:
    size = Size(collectors=2, workers=4, groups=8)
    outcome = simulated(MANY, size, DEAR, seconds=900)
    messages = MANY.points_a_second / MANY.points_a_message
    collecting = outcome.objects_a_second * DEAR.segment + messages * DEAR.message
    assert outcome.busy["collectors"] == pytest.approx(collecting / 2, rel=0.05)
    batches = outcome.assets_a_second * (DEAR.batch + DEAR.asset)
    assert outcome.busy["workers"] * 4 == pytest.approx(
        batches + 8 * DEAR.run / size.tick_seconds + MANY.points_a_second * DEAR.point, rel=0.1
    )


def test_a_size_that_is_too_small_falls_behind_and_a_computed_one_does_not() -> None:
    load = Load(sources=1_000, points_a_day=1e10)
    small = simulated(load, Size(), DEAR, seconds=900)
    assert small.hot.quantile(0.95) > 60
    right = simulated(load, sized(load, DEAR), DEAR, seconds=900)
    assert right.hot.quantile(0.95) < 5
    assert right.stored.quantile(0.95) < 15
    assert max(right.busy.values()) < 0.9


def test_a_collector_that_shares_objects_writes_fewer() -> None:
    size = Size(linger_seconds=1.0)
    own = simulated(MANY, size, DEAR, seconds=900)
    shared = simulated(MANY, replace(size, shares_objects=True), DEAR, seconds=900)
    assert shared.objects_a_second == pytest.approx(1.0, rel=0.05)
    assert own.objects_a_second > 20 * shared.objects_a_second


def test_bytes_are_counted_as_bigquery_bills_them() -> None:
    rows = pl.DataFrame({"zone": ["DE", "AT"], "price": [1.0, 2.0], "deleted": [True, False]})
    assert billed_bytes(rows) == 2 + 2 + 8 + 1
