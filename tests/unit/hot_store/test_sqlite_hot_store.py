"""What the hot store in a file adds: one file, shared by processes, that any tool can read."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.instants import INSTANT
from energy_platform.storage import sqlite_space
from energy_platform.storage.hot_store.protocol import Measurement
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from tests.support.hot_points import EPOCH, PRICES, point, points, put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteHotStore]:
    with SqliteHotStore(tmp_path / "new" / "hot.sqlite") as store:
        yield store


def test_names_that_differ_by_case_alone_are_the_same(store: SqliteHotStore) -> None:
    with pytest.raises(ValueError, match="share a name"):
        store.latest(Measurement(name="a", tags=("t",), fields={"T": pl.Int64()}, time="at"))


def test_when_a_point_was_written_can_be_read(store: SqliteHotStore, tmp_path: Path) -> None:
    before = time.time_ns() // 1000
    put(store, PRICES, points(point(trades=1)), stop=1)
    store.close()
    connection = sqlite3.connect(tmp_path / "new" / "hot.sqlite")
    [row] = connection.execute("SELECT written_at FROM ote_intraday_price").fetchall()
    connection.close()
    assert before <= row[0] <= time.time_ns() // 1000


def test_of_many_scattered_points_the_last_of_each_is_kept(store: SqliteHotStore) -> None:
    moments = [EPOCH + timedelta(minutes=15 * n) for n in range(1_500)]
    scattered = [
        {**point(trades=turn), "delivery_start": moment}
        for turn in (1, 2)
        for moment in moments[::7] + moments[::-1]
    ]
    put(store, PRICES, points(*scattered), stop=1)
    found = store.read(PRICES)
    assert found["delivery_start"].to_list() == moments
    assert set(found["trades"]) == {2}


def test_any_tool_reads_the_point_that_holds_now(store: SqliteHotStore, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    curve = [{**point(trades=n), "delivery_start": now + timedelta(minutes=n)} for n in (-1, 0, 10)]
    put(store, PRICES, points(*curve), stop=1)
    store.close()
    connection = sqlite3.connect(tmp_path / "new" / "hot.sqlite")
    found = connection.execute('SELECT trades FROM "ote_intraday_price.latest"').fetchall()
    connection.close()
    assert found == [(0,)]


def test_a_file_of_the_version_before_is_made_again(store: SqliteHotStore, tmp_path: Path) -> None:
    put(store, PRICES, points(point(trades=1)), stop=1)
    store.close()
    connection = sqlite3.connect(tmp_path / "new" / "hot.sqlite")
    connection.execute('DROP VIEW "ote_intraday_price.latest"')
    connection.execute('CREATE TABLE "ote_intraday_price.latest" (trades INTEGER)')
    connection.commit()
    connection.close()
    assert store.committed_offset(PRICES) == 0
    put(store, PRICES, points(point(trades=2)), stop=2)
    assert store.latest(PRICES)["trades"].to_list() == [2]


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
                put(store, measurement, batch(writer, number), stop=number + 1)


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
    code = f"import runpy; from pathlib import Path; names = runpy.run_path({__file__!r}); "
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


def test_a_file_that_is_too_large_loses_its_oldest_points_and_gives_the_disk_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_space, "KEPT_FREE_BYTES", 0)
    path = tmp_path / "hot.sqlite"
    other = OWN[0]
    with SqliteHotStore(path, most_bytes=2_000_000) as store:
        for day in range(20):
            at = EPOCH + timedelta(days=day)
            for measurement in (SHARED, other):
                frame = pl.select(
                    writer=pl.format("{}", pl.int_range(2_000)),
                    at=pl.lit(at, dtype=INSTANT),
                    value=pl.lit(day),
                    twice=pl.lit(2 * day),
                )
                put(store, measurement, frame, stop=day + 1)
        assert sqlite_space.used_bytes(path) > 4_000_000
        removed = store.compact([SHARED, other])
        assert removed > 0
        left = store.read(SHARED)["value"].unique().sort().to_list()
        assert left == list(range(min(left), 20)), "the newest stay"
        assert store.read(other)["value"].unique().sort().to_list() == left
        assert len(left) > 3
        assert store.committed_offset(SHARED) == 20
        store.close()
        assert path.stat().st_size <= 2_000_000
        assert store.compact([SHARED, other]) == 0, "it is small enough"
