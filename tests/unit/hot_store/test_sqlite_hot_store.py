"""What a hot store promises, and what the one in a file adds."""

import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.hot_store.protocol import Measurement
from energy_platform.hot_store.sqlite import SqliteHotStore
from energy_platform.market_rows import INSTANT

EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
PRICES = Measurement(
    name="ote_intraday_price",
    tags=("bidding_zone", "product"),
    fields={
        "price_eur_per_mwh": pl.Float64(),
        "trades": pl.Int32(),
        "is_final": pl.Boolean(),
        "status": pl.String(),
        "published_at": INSTANT,
    },
    time="delivery_start",
)
SCHEMA = {
    "bidding_zone": pl.String(),
    "product": pl.String(),
    "delivery_start": INSTANT,
    **PRICES.fields,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteHotStore]:
    with SqliteHotStore(tmp_path / "new" / "hot.sqlite") as store:
        yield store


def point(minutes: float = 0, *, zone: str | None = "CZ", **fields: object) -> dict[str, Any]:
    return {
        "bidding_zone": zone,
        "product": "QH",
        "delivery_start": EPOCH + timedelta(minutes=minutes),
        **dict.fromkeys(PRICES.fields),
        **fields,
    }


def points(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def prices(frame: pl.DataFrame) -> list[float | None]:
    return frame["price_eur_per_mwh"].to_list()


def test_nothing_has_been_written(store: SqliteHotStore) -> None:
    assert store.committed_offset(PRICES) == 0
    assert store.read(PRICES).equals(points())
    assert store.latest(PRICES).equals(points())
    assert store.expire(PRICES, before=EPOCH) == 0
    assert store.empty_points(PRICES) == 0
    store.clear(PRICES)


def test_every_type_of_field_comes_back(store: SqliteHotStore, tmp_path: Path) -> None:
    written = points(
        point(
            0.000_001,
            price_eur_per_mwh=-500.125,
            trades=2**31 - 1,
            is_final=True,
            status='Robert"); DROP TABLE "ote_intraday_price"; --\n\x00ä',
            published_at=EPOCH + timedelta(microseconds=1),
        ),
        point(1, is_final=False),
        point(2, trades=-1),
    )
    store.write(PRICES, written, stop=7)
    assert store.read(PRICES).equals(written)
    assert store.committed_offset(PRICES) == 7
    with SqliteHotStore(tmp_path / "new" / "hot.sqlite") as other:
        assert other.read(PRICES).equals(written)
        assert other.committed_offset(PRICES) == 7


def test_numbers_that_are_not_finite_are_null(store: SqliteHotStore) -> None:
    numbers = [math.nan, math.inf, -math.inf]
    store.write(
        PRICES,
        points(*(point(n, price_eur_per_mwh=x, trades=n) for n, x in enumerate(numbers))),
        stop=1,
    )
    assert prices(store.read(PRICES)) == [None, None, None]


def test_the_newest_row_wins_as_a_whole(store: SqliteHotStore) -> None:
    store.write(PRICES, points(point(price_eur_per_mwh=1.0, trades=3)), stop=1)
    store.write(PRICES, points(point(price_eur_per_mwh=2.0)), stop=2)
    assert store.read(PRICES).equals(points(point(price_eur_per_mwh=2.0)))
    assert store.latest(PRICES).equals(points(point(price_eur_per_mwh=2.0)))


def test_of_two_points_in_one_write_the_last_counts(store: SqliteHotStore) -> None:
    store.write(PRICES, points(*(point(price_eur_per_mwh=x) for x in (1.0, 2.0))), stop=1)
    assert prices(store.read(PRICES)) == [2.0]


def test_the_same_write_twice_changes_nothing(store: SqliteHotStore) -> None:
    written = points(*(point(n, price_eur_per_mwh=float(n)) for n in range(5)))
    for _ in range(2):
        store.write(PRICES, written, stop=5)
        assert store.read(PRICES).equals(written)
        assert store.latest(PRICES).equals(written[-1:])


def test_a_slow_writer_of_an_older_batch_overwrites_nothing_newer(store: SqliteHotStore) -> None:
    store.write(PRICES, points(point(price_eur_per_mwh=2.0)), stop=20)
    store.write(PRICES, points(*(point(n, price_eur_per_mwh=1.0) for n in (0, 1))), stop=10)
    assert prices(store.read(PRICES)) == [2.0, 1.0]
    assert store.committed_offset(PRICES) == 20


def test_a_withdrawn_value_is_gone_and_the_point_before_it_is_the_latest(
    store: SqliteHotStore,
) -> None:
    store.write(PRICES, points(*(point(n, price_eur_per_mwh=float(n)) for n in range(3))), stop=1)
    store.write(PRICES, points(point(2)), stop=2)
    assert prices(store.read(PRICES)) == [0.0, 1.0]
    assert prices(store.latest(PRICES)) == [1.0]
    assert store.empty_points(PRICES) == 1


def test_null_tags_are_a_series_of_their_own(store: SqliteHotStore) -> None:
    store.write(
        PRICES,
        points(point(zone=None, trades=1), point(zone="CZ", trades=2), point(zone="'", trades=3)),
        stop=1,
    )
    assert store.latest(PRICES)["bidding_zone"].to_list() == ["", "'", "CZ"]


def test_reading_a_period(store: SqliteHotStore) -> None:
    written = points(*(point(n, zone=zone, trades=n) for zone in ("CZ", "DE-LU") for n in range(4)))
    store.write(PRICES, written.reverse(), stop=1)
    start, end = EPOCH + timedelta(minutes=1), EPOCH + timedelta(minutes=3)
    assert store.read(PRICES).equals(written)
    assert store.read(PRICES, start=start, end=end)["trades"].to_list() == [1, 2, 1, 2]
    assert store.read(PRICES, end=start)["trades"].to_list() == [0, 0]
    assert store.read(PRICES, start=end)["trades"].to_list() == [3, 3]
    with pytest.raises(TypeError):
        store.read(PRICES, start=start.replace(tzinfo=None))


def test_expiry(store: SqliteHotStore) -> None:
    store.write(
        PRICES,
        points(
            *(point(n, trades=n) for n in range(4)),
            point(0, zone="DE-LU", trades=9),
        ),
        stop=1,
    )
    assert store.expire(PRICES, before=EPOCH + timedelta(minutes=2)) == 3
    assert store.read(PRICES)["trades"].to_list() == [2, 3]
    assert store.latest(PRICES)["trades"].to_list() == [3]
    assert store.committed_offset(PRICES) == 1


def test_clearing_forgets_the_offset_and_nothing_else(store: SqliteHotStore) -> None:
    other = Measurement(name="other", tags=(), fields={"trades": pl.Int64()}, time="delivery_start")
    for measurement in (PRICES, other):
        store.write(measurement, points(point(trades=1)), stop=5)
    store.clear(PRICES)
    assert store.committed_offset(PRICES) == 0
    assert store.latest(PRICES).is_empty()
    assert store.committed_offset(other) == 5
    assert store.latest(other)["trades"].to_list() == [1]


def test_a_measurement_without_tags_is_one_series(store: SqliteHotStore) -> None:
    frequency = Measurement(
        name="frequency", tags=(), fields={"price_eur_per_mwh": pl.Float32()}, time="delivery_start"
    )
    store.write(
        frequency, points(*(point(n, price_eur_per_mwh=50.0 + n) for n in range(3))), stop=1
    )
    assert prices(store.latest(frequency)) == [52.0]
    assert store.read(frequency).schema["price_eur_per_mwh"] == pl.Float32
    store.write(frequency, points(), stop=2)
    assert store.committed_offset(frequency) == 2


def test_changed_fields_are_made_again_from_the_start(store: SqliteHotStore) -> None:
    store.write(PRICES, points(point(trades=1)), stop=5)
    changed = Measurement(
        name=PRICES.name, tags=PRICES.tags, fields={"trades": pl.Float64()}, time=PRICES.time
    )
    assert store.committed_offset(changed) == 0
    assert store.latest(changed).is_empty()
    assert store.committed_offset(PRICES) == 5
    store.write(changed, points(point(1, trades=2)), stop=6)
    assert store.read(changed)["trades"].to_list() == [2.0]
    assert store.committed_offset(PRICES) == 0


def test_names_are_names_whatever_is_in_them(store: SqliteHotStore) -> None:
    odd = Measurement(
        name='a"; DROP TABLE x; --',
        tags=("select", "b c"),
        fields={'"': pl.Int64(), "ä'": pl.Int64()},
        time="order",
    )
    row = {"select": "x", "b c": "y", "order": EPOCH, '"': 1, "ä'": 2}
    written = pl.DataFrame([row]).with_columns(pl.col("order").cast(INSTANT))
    store.write(odd, written, stop=1)
    assert store.latest(odd).equals(written)
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match="name"):
            store.latest(Measurement(name=name, tags=(), fields={}, time="t"))
    with pytest.raises(ValueError, match="share a name"):
        store.latest(Measurement(name="a", tags=("t",), fields={"T": pl.Int64()}, time="at"))
    with pytest.raises(ValueError, match="can't be"):
        store.latest(Measurement(name="a", tags=(), fields={"x": pl.List(pl.Int64)}, time="at"))


def test_a_write_that_fails_leaves_nothing_behind(store: SqliteHotStore) -> None:
    store.write(PRICES, points(point(trades=1)), stop=1)
    no_time = points(point(trades=2), point(3)).with_columns(
        delivery_start=pl.when(pl.col("trades") == 2).then("delivery_start")
    )
    with pytest.raises(sqlite3.IntegrityError):
        store.write(PRICES, no_time, stop=2)
    assert store.read(PRICES)["trades"].to_list() == [1]
    assert store.committed_offset(PRICES) == 1


def test_when_a_point_was_written_can_be_read(store: SqliteHotStore, tmp_path: Path) -> None:
    before = time.time_ns() // 1000
    store.write(PRICES, points(point(trades=1)), stop=1)
    store.close()
    connection = sqlite3.connect(tmp_path / "new" / "hot.sqlite")
    [row] = connection.execute("SELECT written_at FROM ote_intraday_price").fetchall()
    connection.close()
    assert before <= row[0] <= time.time_ns() // 1000


small_points = st.builds(
    point,
    st.integers(0, 3),
    zone=st.sampled_from(["CZ", "DE-LU", None]),
    price_eur_per_mwh=st.sampled_from([None, 1.0, 2.0]),
    trades=st.sampled_from([None, 1]),
)


@settings(max_examples=60)
@given(writes=st.lists(st.lists(small_points, max_size=6), max_size=6))
def test_any_writes_end_as_a_dictionary_would(
    writes: list[list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model: dict[tuple[str, datetime], dict[str, Any]] = {}
    with SqliteHotStore(tmp_path_factory.mktemp("hot") / "hot.sqlite") as store:
        for stop, rows in enumerate(writes, start=1):
            store.write(PRICES, points(*rows), stop=stop)
            for row in rows:
                zone = row["bidding_zone"] or ""
                model[zone, row["delivery_start"]] = {**row, "bidding_zone": zone}
        wanted = [
            model[key]
            for key in sorted(model)
            if model[key]["price_eur_per_mwh"] is not None or model[key]["trades"] is not None
        ]
        newest = {row["bidding_zone"]: row for row in wanted}
        assert store.read(PRICES).equals(points(*wanted))
        assert store.latest(PRICES).equals(points(*newest.values()))
        assert store.empty_points(PRICES) == len(model) - len(wanted)


def test_threads_share_a_store(store: SqliteHotStore) -> None:
    def write(number: int) -> None:
        for n in range(20):
            store.write(PRICES, points(point(n, zone=str(number), trades=n)), stop=n)
            store.latest(PRICES)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert store.read(PRICES).height == 80


SHARED = Measurement(
    name="shared", tags=("writer",), fields={"value": pl.Int64(), "twice": pl.Int64()}, time="at"
)
OWN = [
    Measurement(name=f"own_{n}", tags=("writer",), fields=SHARED.fields, time="at")
    for n in range(3)
]
SERIES, WRITES = 40, 15


def batch(writer: int, number: int) -> pl.DataFrame:
    return pl.select(
        writer=pl.format("{}-{}", pl.lit(writer), pl.int_range(SERIES)),
        at=pl.lit(EPOCH + timedelta(seconds=number), dtype=INSTANT),
        value=pl.lit(number),
        twice=pl.lit(2 * number),
    )


def write_in_a_process(path: Path, writer: int) -> None:
    with SqliteHotStore(path) as store:
        for number in range(WRITES):
            for measurement in (SHARED, OWN[writer]):
                store.write(measurement, batch(writer, number), stop=number + 1)


def read_in_a_process(path: Path, _: int) -> None:
    """Read until every writer is done; see whole writes only, and never fewer than before."""
    seen = 0
    deadline = time.monotonic() + 60
    with SqliteHotStore(path) as store:
        while seen < 3 * SERIES * WRITES:
            assert time.monotonic() < deadline, f"only {seen} points arrived"
            got = store.read(SHARED)
            assert got.height >= seen
            assert got.height % SERIES == 0
            assert (got["twice"] == 2 * got["value"]).all()
            assert store.latest(SHARED).height % SERIES == 0
            seen = got.height
            time.sleep(0.02)


def test_three_writers_and_two_readers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "hot.sqlite"
    code = f"import runpy, sys; from pathlib import Path; names = runpy.run_path({__file__!r}); "
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code + f"names[{task!r}](Path({str(path)!r}), {number})"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for task, count in (("write_in_a_process", 3), ("read_in_a_process", 2))
        for number in range(count)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    with SqliteHotStore(path) as store:
        assert store.read(SHARED).height == 3 * SERIES * WRITES
        assert store.latest(SHARED)["value"].to_list() == [WRITES - 1] * 3 * SERIES
        assert [store.committed_offset(each) for each in OWN] == [WRITES] * 3
