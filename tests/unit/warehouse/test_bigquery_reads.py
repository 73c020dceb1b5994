"""Lazy frames over a real emulator: what is told to it, what comes back, and of which moment."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types
from polars.testing import assert_frame_equal

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.history import revisions as history
from energy_platform.history.knowledge_time import LeadTime
from energy_platform.history.question import Question
from energy_platform.market.instants import INSTANT
from energy_platform.market.table import Table
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.bigquery import queries, reads
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.queries import DEFAULT_BUDGET
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.support.bigquery_tables import fill
from tests.support.sources import EXAMPLE, example_message

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
TABLE = Table(
    name="prices",
    dtypes={
        "received_at": INSTANT,
        "landing_offset": pl.Int64(),
        "delivery_start": INSTANT,
        "zone": pl.String(),
        "price_eur_per_mwh": pl.Float64(),
        "is_final": pl.Boolean(),
    },
    event_time="delivery_start",
    key=("zone", "delivery_start"),
)


def rows(count: int, *, first: int = 0) -> pl.DataFrame:
    """Return one row a quarter-hour, three to a message; every column has a null but the first."""
    n = pl.int_range(first, first + count)
    quarter = timedelta(minutes=15)
    return pl.select(
        received_at=pl.lit(NOON, dtype=INSTANT) + n // 3 * timedelta(seconds=1),
        landing_offset=n // 3,
        delivery_start=pl.lit(NOON, dtype=INSTANT) + n * quarter,
        zone=pl.when(n % 4 > 0).then(pl.format("Z{}", n % 4)),
        price_eur_per_mwh=pl.when(n % 7 > 0).then(n.cast(pl.Float64) / 3),
        is_final=pl.when(n % 5 > 0).then(n % 2 == 0),
    )


class Told:
    """A reader that notes what each session is asked for."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.options: list[types.ReadSession.TableReadOptions] = []

    def create_read_session(self, **kwargs: Any) -> Any:
        self.options.append(kwargs["read_session"].read_options)
        return self._reader.create_read_session(**kwargs)

    def read_rows(self, *args: Any, **kwargs: Any) -> Any:
        return self._reader.read_rows(*args, **kwargs)


@pytest.fixture
def told(clients: Clients) -> Told:
    return Told(clients.reader)


@pytest.fixture
def listening(clients: Clients, told: Told) -> Clients:
    """The clients, their reader overheard."""
    return replace(clients, reader=cast("Any", told))


def test_every_type_comes_back_as_it_was_and_in_landing_order(clients: Clients) -> None:
    odd = pl.DataFrame(
        {
            "received_at": [NOON] * 4,
            "landing_offset": [0, 0, 1, 2**62],
            "delivery_start": [
                datetime(1800, 1, 1, tzinfo=UTC),
                NOON + timedelta(microseconds=1),
                datetime(2026, 10, 25, 0, 59, 59, 999_999, tzinfo=UTC),
                datetime(2199, 12, 31, tzinfo=UTC),
            ],
            "zone": ["č \U0001f50c\n\x00", "", None, "'"],
            "price_eur_per_mwh": [math.nan, -math.inf, 5e-324, None],
            "is_final": [True, None, False, True],
        },
        schema=TABLE.dtypes,
    )
    fill(clients, TABLE, odd)
    assert_frame_equal(reads.scan(clients, TABLE).collect(), odd, check_exact=True)
    answered = reads.answer(clients, Question(table=TABLE), DEFAULT_BUDGET).collect()
    assert_frame_equal(answered.sort("landing_offset", "delivery_start"), odd, check_exact=True)


def test_filters_and_columns_are_told(listening: Clients, told: Told) -> None:
    stored = rows(40)
    fill(listening, TABLE, stored)
    wanted = (
        (pl.col("delivery_start") >= NOON + timedelta(hours=2))
        & (pl.col("zone") == "Z1")
        & (pl.col("price_eur_per_mwh").round(0) > 3)  # which SQL isn't told
    )
    got = reads.scan(listening, TABLE).filter(wanted).select("is_final").collect()
    assert_frame_equal(got, stored.filter(wanted).select("is_final"))
    [options] = told.options
    assert set(options.selected_fields) == {
        *("landing_offset", "landing_place", "delivery_start", "zone"),
        *("price_eur_per_mwh", "is_final"),
    }
    assert options.row_restriction == (
        "(`delivery_start` >= TIMESTAMP '2026-03-29 14:00:00.000000+00:00') AND (`zone` = \"Z1\")"
    )


def test_a_number_of_rows_counts_before_a_filter(clients: Clients) -> None:
    stored = rows(40)
    fill(clients, TABLE, stored)
    first = reads.scan(clients, TABLE).head(10).filter(pl.col("zone") == "Z1").collect()
    assert_frame_equal(first, stored.head(10).filter(pl.col("zone") == "Z1"))
    answered = reads.answer(clients, Question(table=TABLE), DEFAULT_BUDGET)
    assert answered.head(7).collect().height == 7
    assert answered.head(7).filter(pl.col("delivery_start") < NOON).collect().is_empty()
    assert answered.select(pl.len()).collect().item() == 40


def test_a_table_that_wants_a_filter_is_scanned_without_one(listening: Clients, told: Told) -> None:
    large = replace(TABLE, is_large=True)
    fill(listening, large, rows(10))
    assert_frame_equal(reads.scan(listening, large).collect(), rows(10))
    assert "1800-01-01" in told.options[0].row_restriction
    assert reads.answer(listening, Question(table=large), DEFAULT_BUDGET).collect().height == 10


def test_no_table_yet(clients: Clients) -> None:
    missing = replace(TABLE, name="missing")
    assert_frame_equal(reads.scan(clients, missing).collect(), pl.DataFrame(schema=TABLE.dtypes))
    answered = reads.answer(clients, Question(table=missing), DEFAULT_BUDGET).collect()
    assert_frame_equal(answered, pl.DataFrame(schema=TABLE.dtypes))


def test_a_column_that_the_table_lacks_is_null(clients: Clients) -> None:
    fill(clients, TABLE, rows(8))
    grown = replace(TABLE, dtypes={**TABLE.dtypes, "volume_mwh": pl.Float64()})
    wanted = rows(8).with_columns(volume_mwh=pl.lit(None, dtype=pl.Float64))
    late = pl.col("delivery_start") > NOON
    for frame in (
        reads.scan(clients, grown),
        reads.answer(clients, Question(table=grown), DEFAULT_BUDGET),
    ):
        assert_frame_equal(frame.sort("delivery_start").collect(), wanted)
        nulls = frame.filter(pl.col("volume_mwh").is_null(), late).select("zone", "volume_mwh")
        assert nulls.collect().height == 7
        assert frame.filter(pl.col("volume_mwh") > 1.0).collect().is_empty()
        assert frame.select("volume_mwh").collect().height == 8


def test_a_frame_is_the_table_of_the_moment_of_its_collection(clients: Clients) -> None:
    fill(clients, TABLE, rows(3))
    frame = reads.scan(clients, TABLE)
    assert frame.collect().height == 3
    fill(clients, TABLE, rows(3, first=3))
    assert_frame_equal(frame.collect(), rows(6))


def test_what_follows_an_answer_is_told_where_that_is_right(clients: Clients) -> None:
    """The last revision counts, also where a filter lets only an earlier one through."""
    first = rows(12)
    corrected = first.with_columns(
        pl.col("landing_offset") + 100,
        pl.col("received_at") + timedelta(hours=1),
        price_eur_per_mwh=pl.lit(-1.0),
    )
    stored = first.vstack(corrected.head(6))
    fill(clients, TABLE, stored)
    question = Question(table=TABLE, known=LeadTime(timedelta(minutes=-90)), start=NOON)
    wanted = history.answer(stored.lazy(), question)
    got = reads.answer(clients, question, DEFAULT_BUDGET)
    price, zone = pl.col("price_eur_per_mwh"), pl.col("zone")
    steps: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
        lambda frame: frame.filter(price >= 0.0),
        lambda frame: frame.filter(zone == "Z1", price.is_not_null()),
        lambda frame: frame.filter((zone == "Z2") | (price < 0.0)).select("delivery_start"),
        lambda frame: frame.group_by("zone").agg(price.sum()),
    ]
    for step in steps:
        assert_frame_equal(step(got).collect(), step(wanted).collect(), check_row_order=False)


def test_of_a_message_that_says_a_key_often_the_last_row_is_known(
    clients: Clients,
) -> None:
    """Whatever is asked of a scan: the place of a row counts, which BigQuery doesn't keep."""
    said = example_message([("CZ", 0, float(n)) for n in range(300)])
    checked = check_messages(EXAMPLE, [replace(said, landing_offset=0)]).rows
    fill(clients, market_table(EXAMPLE), checked)
    stored = BigQueryWarehouse(clients).scan(market_table(EXAMPLE))
    known = history.known_beside(checked.tail(1), stored, EXAMPLE)
    assert known["price_eur_per_mwh"].to_list() == [299.0]
    latest = history.latest_revision(reads.scan(clients, market_table(EXAMPLE)), EXAMPLE)
    assert latest.collect()["price_eur_per_mwh"].to_list() == [299.0]


@pytest.mark.parametrize(
    "count", [50_000, pytest.param(1_000_000, marks=pytest.mark.nightly)], ids=str
)
def test_many_rows(clients: Clients, count: int) -> None:
    fill(clients, TABLE, rows(count))
    assert_frame_equal(reads.scan(clients, TABLE).collect(), rows(count))


def batch(offset: int, count: int) -> types.ReadRowsResponse:
    body = pa.record_batch({"n": range(offset, offset + count)}, schema=NUMBERS).serialize()
    return types.ReadRowsResponse(
        row_count=count,
        arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=body.to_pybytes()),
    )


NUMBERS = pa.schema([("n", pa.int64())])


class Slow:
    """A reader of ten rows whose calls end at a deadline after `steps` rows each."""

    def __init__(self, *steps: int) -> None:
        self.steps = list(steps)
        self.asked: list[int] = []

    def create_read_session(self, **_: Any) -> types.ReadSession:
        return types.ReadSession(
            arrow_schema=types.ArrowSchema(serialized_schema=NUMBERS.serialize().to_pybytes()),
            streams=[types.ReadStream(name="only")],
        )

    def read_rows(self, _: str, offset: int, **__: Any) -> Iterator[types.ReadRowsResponse]:
        self.asked.append(offset)
        step = self.steps.pop(0)
        if step:
            yield batch(offset, step)
        if offset + step < 10:
            raise exceptions.DeadlineExceeded("too slow")


def read_slowly(reader: Slow) -> list[int]:
    clients = cast("Clients", SimpleNamespace(reader=reader, rest=SimpleNamespace(project="p")))
    table = cast("Any", SimpleNamespace(project="p", dataset_id="d", table_id="t"))
    return [n for frame in queries.table_rows(clients, table) for n in frame["n"].to_list()]


def test_a_stream_that_reached_its_deadline_is_taken_up_where_it_ended() -> None:
    slow = Slow(4, 3, 3)
    assert read_slowly(slow) == list(range(10))
    assert slow.asked == [0, 4, 7]


def test_a_stream_that_brings_nothing_until_its_deadline_has_failed() -> None:
    with pytest.raises(WarehouseUnavailableError, match="brings nothing"):
        read_slowly(Slow(4, 0))
