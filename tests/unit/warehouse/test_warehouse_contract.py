"""What every warehouse promises, whichever system keeps its tables.

What is special to one of them is in the module of its name.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError, IncompatibleTableError, UsageError
from energy_platform.history.knowledge_time import KnownAt
from energy_platform.history.question import Question
from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.protocol import Position, Warehouse
from tests.support.warehouses import STEP, Place, go, instant_of, prices, rows, wait_for

if TYPE_CHECKING:
    from tests.support.bigquery_server import BigQueryServer

LANDING_ORDER = ("landing_offset",)


@pytest.fixture(params=["delta", "bigquery"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "delta":
        yield Place(kind="delta", where=str(tmp_path))
        return
    server: BigQueryServer = request.getfixturevalue("emulator")
    with server.dataset() as dataset:
        yield Place(
            kind="bigquery",
            where=server.address,
            grpc_address=server.grpc_address,
            dataset=dataset,
        )


@pytest.fixture
def another(place: Place) -> Iterator[Callable[[], Warehouse]]:
    """Open the warehouse once more, as another process does."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(place.open())


@pytest.fixture
def warehouse(another: Callable[[], Warehouse]) -> Warehouse:
    return another()


@pytest.fixture
def table() -> Table:
    return prices(f"prices_{uuid4().hex}")


def stored(warehouse: Warehouse, table: Table) -> pl.DataFrame:
    return warehouse.scan(table).sort(LANDING_ORDER, maintain_order=True).collect()


def offsets(warehouse: Warehouse, table: Table) -> list[int]:
    return stored(warehouse, table)["landing_offset"].to_list()


def replace(
    warehouse: Warehouse,
    table: Table,
    frame: pl.DataFrame,
    replaced: range,
    after: Position | None = None,
) -> None:
    """Replace rows upon where the table stands now."""
    before = warehouse.position(table)
    reached = max(before.offset, replaced.stop)
    after = after or before.replaced(offset=reached)
    warehouse.replace(table, frame, replaced, before=before, after=after)


def test_a_table_that_was_never_written(warehouse: Warehouse, table: Table) -> None:
    assert warehouse.position(table) == Position()
    assert warehouse.committed_offset(table) == 0
    assert warehouse.scan(table).collect().equals(rows(table, 0, 0))
    summary = warehouse.summary(table)
    assert (summary.rows, summary.last_event_at, summary.committed_offset) == (0, None, 0)
    warehouse.maintain([table])


def test_a_batch_comes_back_and_is_stored_once(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    # Columns may come in any order.
    warehouse.commit(table, rows(table, 0, 50).select(reversed(table.dtypes)), start=0, stop=50)
    for each in (warehouse, another()):
        assert_frame_equal(stored(each, table), rows(table, 0, 50))
        assert each.committed_offset(table) == 50
        # Tried again by who has had no answer, and by who took over from it.
        each.commit(table, rows(table, 0, 50), start=0, stop=50)
        each.commit(table, rows(table, 0, 30), start=0, stop=30)
    assert offsets(warehouse, table) == list(range(50))


def test_who_has_read_before_sees_what_another_has_written(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    other = another()
    for start in (0, 5):
        assert other.position(table) == Position(offset=start)
        warehouse.commit(table, rows(table, start, start + 5), start=start, stop=start + 5)
    assert other.position(table) == Position(offset=10)
    other.commit(table, rows(table, 10, 11), start=10, stop=11)
    warehouse.commit(table, rows(table, 11, 12), start=11, stop=12)
    assert offsets(other, table) == list(range(12))


def test_a_table_in_a_folder_is_another_table(warehouse: Warehouse, table: Table) -> None:
    quarantine = changed(table, name=f"quarantine/{table.name}", event_time="received_at")
    warehouse.commit(quarantine, rows(table, 0, 2), start=0, stop=2)
    warehouse.commit(table, rows(table, 0, 3), start=0, stop=3)
    assert (offsets(warehouse, quarantine), offsets(warehouse, table)) == ([0, 1], [0, 1, 2])


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/elsewhere", "", "."])
def test_a_name_that_leads_out_is_refused(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(UsageError):
        warehouse.scan(prices(name)).collect()


def test_a_batch_without_rows_moves_the_offset(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 0), start=0, stop=4)
    warehouse.commit(table, rows(table, 4, 5), start=4, stop=5)
    warehouse.commit(table, rows(table, 0, 0), start=5, stop=9)
    assert another().committed_offset(table) == 9
    assert offsets(warehouse, table) == [4]


def test_a_batch_that_does_not_continue_the_table_conflicts(
    warehouse: Warehouse, table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    for start in (0, 4, 6):
        with pytest.raises(CommitConflictError, match="offset 5"):
            warehouse.commit(table, rows(table, start, 9), start=start, stop=9)
    assert offsets(warehouse, table) == list(range(5))


def test_rows_of_other_offsets_or_columns_are_refused(warehouse: Warehouse, table: Table) -> None:
    five = rows(table, 0, 5)
    for frame, start, stop in [
        (rows(table, 0, 6), 0, 5),
        (five, 1, 5),
        (rows(table, 0, 0), 5, 5),
        (five.drop("is_final"), 0, 5),
        (five.with_columns(pl.col("landing_offset").cast(pl.Int32)), 0, 5),
        (five.with_columns(landing_offset=pl.lit(None, dtype=pl.Int64)), 0, 5),
    ]:
        with pytest.raises(ValueError, match="rows"):
            warehouse.commit(table, frame, start=start, stop=stop)
    assert warehouse.committed_offset(table) == 0


def test_replacing(warehouse: Warehouse, another: Callable[[], Warehouse], table: Table) -> None:
    for start in (0, 20):
        warehouse.commit(table, rows(table, start, start + 20), start=start, stop=start + 20)
    replace(warehouse, table, rows(table, 17, 19, price=-1.0), range(15, 25))
    wanted = pl.concat([rows(table, 0, 15), rows(table, 17, 19, price=-1.0), rows(table, 25, 40)])
    assert_frame_equal(stored(another(), table), wanted)
    assert warehouse.position(table) == Position(offset=40, replacements=1)
    replace(warehouse, table, rows(table, 0, 0), range(50))
    assert offsets(warehouse, table) == []
    assert warehouse.summary(table).rows == 0
    assert another().position(table) == Position(offset=50, replacements=2)
    # Batches go on after it.
    warehouse.commit(table, rows(table, 50, 51), start=50, stop=51, replacements=2)
    assert offsets(another(), table) == [50]


def test_replacing_in_a_table_that_does_not_exist_yet(warehouse: Warehouse, table: Table) -> None:
    replace(warehouse, table, rows(table, 0, 5), range(5))
    assert offsets(warehouse, table) == list(range(5))
    assert warehouse.committed_offset(table) == 5


def test_a_position_comes_back_whole(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 9), start=0, stop=9)
    for after in (
        Position(offset=9, replacements=1, stale_from=0),
        Position(offset=9, replacements=2, stale_from=4),
        Position(offset=4, replacements=3),
    ):
        replace(warehouse, table, rows(table, 0, 0), range(0), after)
        for each in (warehouse, another()):
            assert each.position(table) == after
    assert offsets(warehouse, table) == list(range(9)), "a position may move alone"
    warehouse.commit(table, rows(table, 4, 5), start=4, stop=5, replacements=3)
    assert warehouse.position(table) == Position(offset=5, replacements=3)


def test_a_batch_leaves_it_said_that_a_replay_goes_on(warehouse: Warehouse, table: Table) -> None:
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    begun = Position(offset=5, replacements=1, stale_from=2)
    replace(warehouse, table, rows(table, 0, 0), range(0), begun)
    warehouse.commit(table, rows(table, 5, 6), start=5, stop=6, replacements=1)
    assert warehouse.position(table) == changed(begun, offset=6)


def test_rows_compared_with_others_since_replaced_are_refused(
    warehouse: Warehouse, table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    replace(warehouse, table, rows(table, 0, 5, price=1.0), range(5))
    with pytest.raises(CommitConflictError, match="replaced"):
        warehouse.commit(table, rows(table, 5, 6), start=5, stop=6, replacements=0)
    warehouse.commit(table, rows(table, 5, 6), start=5, stop=6, replacements=1)
    # What is there already is left alone, whatever it was compared with.
    warehouse.commit(table, rows(table, 5, 6), start=5, stop=6, replacements=0)
    assert offsets(warehouse, table) == list(range(6))


def test_a_replacement_upon_another_position_replaces_nothing(
    warehouse: Warehouse, table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    for before in (
        Position(offset=4),
        Position(offset=5, replacements=1),
        Position(offset=5, stale_from=2),
    ):
        with pytest.raises(CommitConflictError):
            warehouse.replace(
                table, rows(table, 0, 0), range(5), before=before, after=before.replaced(offset=0)
            )
    assert offsets(warehouse, table) == list(range(5))
    assert warehouse.position(table) == Position(offset=5)


def test_a_new_column_is_added(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    wider = prices(table.name, volume_mwh=pl.Float64())
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    assert warehouse.scan(wider).collect()["volume_mwh"].to_list() == [None] * 5
    added = rows(wider, 5, 7).with_columns(volume_mwh=pl.lit(2.5))
    another().commit(wider, added, start=5, stop=7)
    assert stored(warehouse, wider)["volume_mwh"].to_list() == [None] * 5 + [2.5] * 2
    assert dict(warehouse.scan(wider).collect_schema()) == wider.dtypes
    # A worker that still runs the older code goes on beside it.
    warehouse.commit(table, rows(table, 7, 9), start=7, stop=9)
    assert offsets(warehouse, table) == list(range(9))
    assert dict(warehouse.scan(table).collect_schema()) == table.dtypes


def test_a_changed_type_is_refused(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    warehouse.commit(table, rows(table, 0, 5), start=0, stop=5)
    retyped = changed(table, dtypes={**table.dtypes, "price_eur_per_mwh": pl.String()})
    frame = rows(table, 5, 6).cast({"price_eur_per_mwh": pl.String})
    for each in (warehouse, another()):
        with pytest.raises(IncompatibleTableError, match="price_eur_per_mwh"):
            each.commit(retyped, frame, start=5, stop=6)
    assert offsets(warehouse, table) == list(range(5))


@pytest.mark.parametrize("dtype", [pl.UInt32(), pl.Duration(), pl.Categorical(), pl.Datetime("ms")])
def test_a_type_that_would_not_come_back_is_refused(
    warehouse: Warehouse, table: Table, dtype: pl.DataType
) -> None:
    odd = prices(table.name, odd=dtype)
    with pytest.raises(IncompatibleTableError, match=table.name):
        warehouse.commit(odd, rows(odd, 0, 1), start=0, stop=1)


HOSTILE: Mapping[str, tuple[pl.DataType, Sequence[Any]]] = {
    "some_instant": (
        INSTANT,
        [
            datetime(1800, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
            datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "some_number": (
        pl.Float64(),
        [
            *(math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 0.1 + 0.2),
            *(1.7976931348623157e308, -1e-7, 123456789.123456789),
        ],
    ),
    "some_count": (pl.Int64(), [-(2**63), 2**63 - 1, 0, 2**53 + 1]),
    "some_text": (
        pl.String(),
        [
            *("", " ", "Český Těšín", "DE-LU", "😀", "e\u0301", "\t\r\n", "\\", "'", '"', "`"),
            *("NULL", "NaN", "a,b=c d", "\u202eright to left", "\x01", "x" * 10_000),
        ],
    ),
    "some_truth": (pl.Boolean(), [True, False]),
}
"""Values of every type that a source has which a store on the way might change."""


@pytest.mark.parametrize(
    "delivery", [datetime.now(UTC), datetime(1800, 1, 1, tzinfo=UTC)], ids=["today", "long ago"]
)
def test_every_value_comes_back_as_it_was(
    warehouse: Warehouse, table: Table, delivery: datetime
) -> None:
    """Also where a day long ago takes another way in."""
    types = {name: dtype for name, (dtype, _) in HOSTILE.items()}
    hostile = prices(table.name, **types)
    count = max(len(values) for _, values in HOSTILE.values()) + 1
    frame = rows(hostile, 0, count).with_columns(
        pl.lit(delivery, dtype=INSTANT).alias("delivery_start"),
        *(
            pl.Series(name, [*values, *[None] * (count - len(values))], dtype=dtype)
            for name, (dtype, values) in HOSTILE.items()
        ),
    )
    warehouse.commit(hostile, frame, start=0, stop=count)
    got = stored(warehouse, hostile)
    assert_frame_equal(got, frame, check_exact=True)
    signs = [math.copysign(1, value) for value in got["some_number"].to_list()[3:5]]
    assert signs == [1.0, -1.0]


def test_the_summary(warehouse: Warehouse, another: Callable[[], Warehouse], table: Table) -> None:
    warehouse.commit(table, rows(table, 0, 30), start=0, stop=30)
    warehouse.commit(table, rows(table, 30, 35), start=30, stop=40)
    for each in (warehouse, another()):
        summary = each.summary(table)
        assert (summary.rows, summary.committed_offset) == (35, 40)
        for last in (summary.last_event_at, summary.last_received_at):
            assert last is not None
            assert timedelta(0) <= instant_of(34) - last < timedelta(milliseconds=1)
    replace(warehouse, table, rows(table, 1, 2), range(40))
    assert another().summary(table).rows == 1


def test_rows_keep_their_order_within_a_message(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    """The order of revisions rests on it, through replacement and maintenance alike."""
    messages = [
        rows(table, 0, 300).with_columns(
            landing_offset=pl.lit(n, dtype=pl.Int64),
            price_eur_per_mwh=pl.int_range(300).shuffle(seed=n).cast(pl.Float64),
        )
        for n in range(4)
    ]
    warehouse.commit(table, pl.concat(messages[:2]), start=0, stop=2)
    warehouse.commit(table, pl.concat(messages[2:]), start=2, stop=4)
    warehouse.maintain([table])
    remade = messages[1].reverse()
    replace(warehouse, table, remade, range(1, 2))
    wanted = pl.concat([messages[0], remade, *messages[2:]])
    assert_frame_equal(stored(another(), table), wanted)


def test_filters_and_columns_choose_the_same_rows(warehouse: Warehouse, table: Table) -> None:
    for start in (0, 10, 20):
        warehouse.commit(table, rows(table, start, start + 10), start=start, stop=start + 10)
    everything = rows(table, 0, 30)
    for condition in (
        pl.col("landing_offset") >= 12,
        pl.col("delivery_start").is_between(instant_of(10), instant_of(19)),
        pl.col("is_final").is_null() & (pl.col("price_eur_per_mwh") < 1.5),
        pl.col("bidding_zone").is_in(["CZ"]),
    ):
        got = warehouse.scan(table).filter(condition).select("landing_offset").collect()
        wanted = everything.filter(condition).select("landing_offset")
        assert_frame_equal(got, wanted, check_row_order=False)


def test_what_was_known_at_an_instant(warehouse: Warehouse, table: Table) -> None:
    """A key's row is its last one that had been received by then."""
    first = rows(table, 0, 3).with_columns(delivery_start=pl.lit(instant_of(0), dtype=INSTANT))
    warehouse.commit(table, first.slice(0, 2), start=0, stop=2)
    warehouse.commit(table, first.slice(2), start=2, stop=3)
    for received, price in ((0, 0.0), (1, 0.125), (2, 0.25), (9, 0.25)):
        question = Question(table=table, known=KnownAt(instant_of(received)))
        [row] = warehouse.answer(question).collect().iter_rows(named=True)
        assert row["price_eur_per_mwh"] == price
    early = Question(table=table, known=KnownAt(instant_of(0) - timedelta(microseconds=1)))
    assert warehouse.answer(early).collect().is_empty()


def test_a_large_batch(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    """More than one request takes."""
    commit_and_compare(warehouse, another(), table, 150_000)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_million_rows(
    warehouse: Warehouse, another: Callable[[], Warehouse], table: Table
) -> None:
    commit_and_compare(warehouse, another(), table, 1_000_000)


def commit_and_compare(warehouse: Warehouse, other: Warehouse, table: Table, count: int) -> None:
    # A minute of delivery each would be more days than one load may touch.
    frame = rows(table, 0, count).with_columns(delivery_start=pl.lit(instant_of(0), dtype=INSTANT))
    warehouse.commit(table, frame, start=0, stop=count)
    other.commit(table, frame, start=0, stop=count)
    other.commit(table, rows(table, count, count + 1), start=count, stop=count + 1)
    got = stored(other, table)
    assert_frame_equal(got, pl.concat([frame, rows(table, count, count + 1)]))
    assert warehouse.summary(table).rows == count + 1


@pytest.mark.nightly_on("bigquery")
def test_processes_that_race_land_each_batch_once(
    place: Place, warehouse: Warehouse, table: Table
) -> None:
    stop = 8 * STEP
    writers = [place.start_writer(table, stop=stop) for _ in range(2)]
    for writer in writers:
        go(writer)
    wait_for(*writers)
    assert_frame_equal(stored(warehouse, table), rows(table, 0, stop))
    assert warehouse.position(table) == Position(offset=stop)


@pytest.mark.nightly_on("bigquery")
def test_a_killed_writer_leaves_a_whole_table_that_goes_on(
    place: Place, warehouse: Warehouse, table: Table
) -> None:
    moments = random.Random(7)
    reached = 0
    for _ in range(2):
        writer = place.start_writer(table, stop=1_000_000)
        go(writer)
        timer = threading.Timer(moments.uniform(0.3, 1.2), writer.kill)
        timer.start()
        writer.communicate(timeout=60)
        timer.join()
        reached = commit_once_free(warehouse, table, at_least=reached)
        assert_frame_equal(stored(warehouse, table), rows(table, 0, reached))
    assert reached > 0


def commit_once_free(warehouse: Warehouse, table: Table, *, at_least: int) -> int:
    """Commit the next batch as soon as the dead writer's is done with; return where it stops."""
    deadline = time.monotonic() + 30
    while True:
        start = warehouse.committed_offset(table)
        assert start >= at_least
        try:
            warehouse.commit(
                table, rows(table, start, start + STEP), start=start, stop=start + STEP
            )
        except CommitConflictError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return start + STEP
