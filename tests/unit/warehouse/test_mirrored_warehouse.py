"""The copy of recent rows beside the home is never another table than the warehouse's."""

import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.mirrored import MirroredWarehouse
from energy_platform.storage.warehouse.protocol import Position
from tests.support.effort import examples
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import FOR_GOOD_DAYS, batches_in, hot, land, quarantined, run_all, stored
from tests.unit.test_as_of import NUMBERED, PRICES, WIND, messages, raw, work, works

if TYPE_CHECKING:
    from energy_platform.storage.warehouse.protocol import Warehouse

TABLE = market_table(EXAMPLE)


class Counted:
    """A warehouse that counts what it is asked."""

    def __init__(self, warehouse: DeltaWarehouse | BigQueryWarehouse) -> None:
        self.warehouse = warehouse
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self.warehouse, name)


def mirrored(folder: Path, far: Any, *, copy: str = "recent") -> MirroredWarehouse:
    return MirroredWarehouse(cast("Warehouse", far), folder / copy, days=FOR_GOOD_DAYS)


def batches_over(folder: Path, warehouse: Any) -> MicroBatches:
    return replace(batches_in(folder), warehouse=cast("Warehouse", warehouse))


@settings(max_examples=examples(3), suppress_health_check=[HealthCheck.too_slow])
@given(source=st.sampled_from([PRICES, NUMBERED, WIND]), said=messages, done=works)
def test_batches_store_the_same_with_a_copy_and_without(
    source: MarketSource, said: list[Any], done: list[tuple[str, int]]
) -> None:
    """Batches, deaths and replays by two workers in turn, each with a copy of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, far = batches_in(folder / "plain"), DeltaWarehouse(folder / "far" / "warehouse")
        workers = [
            batches_over(folder / "far", mirrored(folder / "far", far, copy=copy))
            for copy in ("one", "two")
        ]
        turns = cycle([workers[0], workers[0], workers[1]])
        landed = raw(said)
        half = len(landed) // 2
        for arrived in (landed[:half], landed[half:]):
            land(plain, arrived, source=source)
            land(workers[0], arrived, source=source)
            for what, number in done:
                work(plain, source, what, number)
                work(next(turns), source, what, number)
            run_all(plain, source)
            run_all(next(turns), source)
        for told in (stored, quarantined, hot):
            assert_frame_equal(told(plain, source), told(workers[0], source))
        for worker in workers:
            table = market_table(source)
            position = worker.warehouse.position(table)
            copied = worker.warehouse.rows_at(table, position, since=NOON.replace(year=2000))
            order = ["landing_offset", *source.key]
            assert_frame_equal(
                copied.sort(order, maintain_order=True).collect(), stored(plain, source)
            )


def test_the_warehouse_is_not_asked_for_what_the_copy_has(tmp_path: Path) -> None:
    far = Counted(DeltaWarehouse(tmp_path / "warehouse"))
    batches = batches_over(tmp_path, mirrored(tmp_path, far))
    for n in range(5):
        land(batches, [example_message([("CZ", 0, float(n))], minutes=n)])
        run_all(batches)
    assert stored(batches)["price_eur_per_mwh"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert far.calls["rows_at"] == 0
    # Another worker has none of it, and fetches it once.
    other = batches_over(tmp_path, mirrored(tmp_path, far, copy="other"))
    for n in range(5, 8):
        land(other, [example_message([("CZ", 0, float(n))], minutes=n)])
        run_all(other)
    assert far.calls["rows_at"] == 1
    # What it committed, the first hasn't seen.
    land(batches, [example_message([("CZ", 0, 7.0)], minutes=8)])
    [report] = run_all(batches)
    assert (report.rows_parsed, report.rows_new) == (1, 0)
    assert far.calls["rows_at"] == 2


def test_a_replay_is_seen(tmp_path: Path) -> None:
    far = Counted(DeltaWarehouse(tmp_path / "warehouse"))
    batches = batches_over(tmp_path, mirrored(tmp_path, far))
    land(batches, [example_message([("CZ", 0, 1.0)])])
    run_all(batches)
    table = market_table(EXAMPLE)
    before = far.warehouse.position(table)
    other = stored(batches).with_columns(price_eur_per_mwh=pl.lit(2.0))
    far.warehouse.replace(table, other, range(1), before=before, after=before.replaced())
    land(batches, [example_message([("CZ", 0, 2.0)], minutes=1)])
    [report] = run_all(batches)
    assert report.rows_new == 0


def test_days_before_the_copy_are_asked_of_the_warehouse(tmp_path: Path) -> None:
    far = Counted(DeltaWarehouse(tmp_path / "warehouse"))
    near = MirroredWarehouse(cast("Warehouse", far), tmp_path / "recent", days=2)
    batches = batches_over(tmp_path, near)
    for n in range(2):
        land(batches, [example_message([("CZ", 0, 1.0)], minutes=n)])
        run_all(batches)
    assert stored(batches).height == 1
    assert far.calls["rows_at"] == 2


class MovesOn:
    """A warehouse to which another writer commits just after it was read."""

    def __init__(self, warehouse: DeltaWarehouse) -> None:
        self.warehouse = warehouse

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        rows = self.warehouse.rows_at(table, position, since=since).collect().lazy()
        nothing = pl.DataFrame(schema=table.dtypes)
        stop = position.offset + 1
        self.warehouse.commit(table, nothing, start=position.offset, stop=stop)
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.warehouse, name)


def test_a_table_that_moved_on_while_it_was_read_is_not_copied(tmp_path: Path) -> None:
    far = DeltaWarehouse(tmp_path / "warehouse")
    far.commit(TABLE, pl.DataFrame(schema=TABLE.dtypes), start=0, stop=1)
    near = mirrored(tmp_path, MovesOn(far))
    assert near.rows_at(TABLE, Position(1), since=NOON).collect().is_empty()
    assert far.position(TABLE) == Position(2)
    assert not (tmp_path / "recent").exists()


def test_copies_of_days_long_gone_are_deleted(tmp_path: Path) -> None:
    near = MirroredWarehouse(DeltaWarehouse(tmp_path / "warehouse"), tmp_path / "recent", days=2)
    today = datetime.now(UTC).date() - timedelta(days=2)
    for age in range(4):
        (tmp_path / "recent" / (today - timedelta(days=age)).isoformat() / "x").mkdir(parents=True)
    near.maintain([TABLE])
    kept = sorted(folder.name for folder in (tmp_path / "recent").iterdir())
    assert kept == [(today - timedelta(days=1)).isoformat(), today.isoformat()]


class WithRowsOfTheDead:
    """A warehouse that has a dead writer's rows, and not yet the record that they are there."""

    def __init__(self, warehouse: DeltaWarehouse, rows: pl.DataFrame) -> None:
        self.warehouse = warehouse
        self.rows = rows

    def rows_at(self, table: Table, position: Position, *, since: datetime) -> pl.LazyFrame:
        ahead = self.rows.lazy().filter(pl.col("landing_offset") < position.offset)
        return pl.concat([self.warehouse.rows_at(table, position, since=since), ahead])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.warehouse, name)


def test_rows_beyond_the_position_do_not_make_a_batch_old(tmp_path: Path) -> None:
    """Else the batch would never come to its record."""
    message = example_message([("CZ", 0, 1.0)])
    first = batches_in(tmp_path / "first")
    land(first, [message])
    run_all(first)
    dead = WithRowsOfTheDead(DeltaWarehouse(tmp_path / "warehouse"), stored(first))
    batches = batches_over(tmp_path, dead)
    land(batches, [message])
    [report] = run_all(batches)
    assert report.rows_new == 1
    assert hot(batches).height == 1
    assert batches.hot_store.committed_offset(measurement(EXAMPLE)) == 1


@pytest.mark.nightly
def test_batches_over_bigquery(tmp_path: Path, clients: Clients) -> None:
    plain = batches_in(tmp_path / "plain")
    with closing(BigQueryWarehouse(clients)) as bigquery:
        far = Counted(bigquery)
        batches = batches_over(tmp_path / "far", mirrored(tmp_path, far))
        for n, price in enumerate([1.0, 2.0, 2.0, 1.0]):
            for each in (plain, batches):
                land(each, [example_message([("CZ", 0, price), ("AT", 0, 0.0)], minutes=n)])
                run_all(each)
        assert far.calls["rows_at"] == 0
        assert_frame_equal(stored(batches), stored(plain))
        assert_frame_equal(hot(batches), hot(plain))
        # A worker on another machine copies what is there, and goes on.
        other = batches_over(tmp_path / "far", mirrored(tmp_path, far, copy="other"))
        for each in (plain, other):
            land(each, [example_message([("CZ", 0, 1.0), ("AT", 0, 5.0)], minutes=9)])
            run_all(each)
        assert far.calls["rows_at"] == 1
        assert_frame_equal(stored(other), stored(plain))


@pytest.fixture
def far(tmp_path: Path) -> DeltaWarehouse:
    return DeltaWarehouse(tmp_path / "warehouse")


def test_rows_at_a_position_are_those_of_its_messages(far: DeltaWarehouse) -> None:
    rows = pl.DataFrame(
        {"delivery_start": [NOON, NOON + timedelta(hours=1)] * 2, "landing_offset": [0, 0, 1, 1]},
        schema_overrides=TABLE.dtypes,
    )
    whole = rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None, dtype=dtype)).alias(name)
        for name, dtype in TABLE.dtypes.items()
    )
    far.commit(TABLE, whole, start=0, stop=2)
    got = far.rows_at(TABLE, Position(1), since=NOON + timedelta(minutes=1)).collect()
    assert got.select("delivery_start", "landing_offset").rows() == [(NOON + timedelta(hours=1), 0)]
