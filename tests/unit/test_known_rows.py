"""What a worker remembers of a table never changes what it stores, only what it reads."""

import random
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.market.table import Table
from energy_platform.pipeline import known_rows
from energy_platform.pipeline.known_rows import KnownRows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.protocol import Position
from tests.support.effort import examples
from tests.support.sources import EXAMPLE, NOON, QUARTER_HOUR, an_eventful_log, quote
from tests.support.stores import assert_same, batches_in, land, run_all

TABLE = market_table(EXAMPLE)


@pytest.fixture(autouse=True)
def _every_row_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_rows, "_RECENT", timedelta(days=36_500))


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    return batches_in(tmp_path)


@pytest.fixture
def reads(batches: MicroBatches, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return since when the warehouse was asked for rows, each time that it was."""
    asked: list[datetime] = []
    rows_at = batches.warehouse.rows_at

    def noted(table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        asked.append(since)
        return rows_at(table, position, since=since)

    monkeypatch.setattr(batches.warehouse, "rows_at", noted)
    return asked


def test_a_table_is_read_once_while_nobody_else_writes_it(
    batches: MicroBatches, reads: list[datetime]
) -> None:
    for number in range(6):
        land(batches, [quote(float(number // 2), quarter=number % 3)])
        assert batches.run(EXAMPLE).rows_new == 1
    land(batches, [quote(2.0, quarter=2), quote(9.0)])
    assert batches.run(EXAMPLE).rows_new == 1
    assert len(reads) == 1


def test_what_another_worker_commits_is_read_and_nothing_else(
    batches: MicroBatches, reads: list[datetime], tmp_path: Path
) -> None:
    land(batches, [quote(1.0)])
    batches.run(EXAMPLE)
    land(batches, [quote(2.0)])
    batches_in(tmp_path).run(EXAMPLE)
    land(batches, [quote(2.0)])
    assert batches.run(EXAMPLE).rows_new == 0
    assert len(reads) == 2


def test_rows_of_older_event_times_are_read_from_the_warehouse(batches: MicroBatches) -> None:
    land(batches, [quote(1.0, quarter=-40), quote(2.0, quarter=40)])
    batches.run(EXAMPLE)
    land(batches, [quote(2.0, quarter=40)])
    assert batches.run(EXAMPLE).rows_new == 0
    land(batches, [quote(1.0, quarter=-40)])
    assert batches.run(EXAMPLE).rows_new == 0


def test_replaced_rows_are_forgotten(batches: MicroBatches) -> None:
    land(batches, [quote(1.0), quote(2.0)])
    batches.run(EXAMPLE)
    replay(batches, EXAMPLE, start=0)
    land(batches, [quote(2.0), quote(3.0)])
    assert batches.run(EXAMPLE).rows_new == 1


def test_too_many_rows_are_not_remembered(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_rows, "_TABLE_BYTES", 2_000)
    known = batches.known_rows
    for number in range(60):
        land(batches, [quote(float(number), quarter=number)])
        batches.run(EXAMPLE)
    land(batches, [quote(float(number), quarter=number) for number in range(60)])
    assert batches.run(EXAMPLE).rows_new == 0
    assert 0 < known._bytes() <= 2_000


def test_tables_that_were_not_used_for_long_are_forgotten(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(batches, [quote(1.0)])
    batches.run(EXAMPLE)
    position, known = batches.warehouse.position(TABLE), KnownRows(batches.warehouse)
    known.at(TABLE, position, since=NOON)
    [size] = [one.rows.estimated_size() for one in known._known.values()]
    monkeypatch.setattr(known_rows, "_BYTES", size)
    other = replace(TABLE, name="other")
    batches.warehouse.commit(
        other, batches.warehouse.scan(TABLE).collect(), start=0, stop=position.offset
    )
    known.at(other, position, since=NOON)
    assert [*known._known] == ["other"]


@pytest.mark.parametrize("bytes_of_a_table", [400, 2_000, 2**24])
def test_workers_side_by_side_store_what_one_without_a_memory_does(
    bytes_of_a_table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_rows, "_TABLE_BYTES", bytes_of_a_table)
    monkeypatch.setattr(known_rows, "_MARGIN", QUARTER_HOUR)

    @settings(
        max_examples=examples(2),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def holds(seed: int) -> None:
        draw = random.Random(seed)
        messages = draw.sample(an_eventful_log(40), k=40)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            workers = [batches_in(Path(one), batch_messages=3) for _ in range(2)]
            while messages:
                count = draw.randint(1, 6)
                land(workers[0], messages[:count])
                messages = messages[count:]
                for worker in draw.choices(workers, k=2):
                    worker.run(EXAMPLE)
                if draw.random() < 0.1:
                    replay(draw.choice(workers), EXAMPLE, start=0)
            run_all(draw.choice(workers))
            alone = batches_in(Path(other))
            land(alone, workers[0].landing.log(EXAMPLE.name).read(0, 40))
            monkeypatch.setattr(known_rows, "_RECENT", timedelta(0))
            run_all(alone)
            monkeypatch.setattr(known_rows, "_RECENT", timedelta(days=36_500))
            assert_same(workers[0], alone)

    holds()


def test_the_same_rows_come_back_in_their_order(batches: MicroBatches) -> None:
    land(batches, [quote(float(number), quarter=number % 5) for number in range(30)])
    batches.run(EXAMPLE)
    position = batches.warehouse.position(TABLE)
    known = KnownRows(batches.warehouse).at(TABLE, position, since=NOON)
    stored = batches.warehouse.rows_at(TABLE, position, since=NOON)
    assert_frame_equal(known.collect(), stored.collect())
