"""What a warehouse promises, also when processes race for a table or are killed."""

import os
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from energy_platform.errors import CommitConflictError, IncompatibleTableError, UsageError
from energy_platform.market_rows import INSTANT
from energy_platform.warehouse import delta
from energy_platform.warehouse.delta import DeltaWarehouse
from energy_platform.warehouse.protocol import Position, Table

EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
PRICES = Table(
    name="ote_day_ahead_price",
    dtypes={
        "received_at": INSTANT,
        "landing_offset": pl.Int64(),
        "delivery_start": INSTANT,
        "bidding_zone": pl.String(),
        "price_eur_per_mwh": pl.Float64(),
        "is_final": pl.Boolean(),
    },
    event_time="delivery_start",
)


def rows(
    start: int, stop: int, *, table: Table = PRICES, price: float | None = None
) -> pl.DataFrame:
    """Return one row per landing offset, a minute of delivery and of receipt apart."""
    frame = pl.DataFrame(
        {
            "landing_offset": range(start, stop),
            "bidding_zone": "CZ",
            "price_eur_per_mwh": [
                price if price is not None else n / 8 for n in range(start, stop)
            ],
            "is_final": [n % 3 == 0 or None for n in range(start, stop)],
            **{
                column: [
                    EPOCH + timedelta(minutes=n, microseconds=123_456) for n in range(start, stop)
                ]
                for column in ("received_at", "delivery_start")
            },
        },
        schema_overrides=PRICES.dtypes,
    )
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in table.dtypes.items()
    )


def offsets(warehouse: DeltaWarehouse, table: Table = PRICES) -> list[int]:
    return sorted(warehouse.scan(table).collect()["landing_offset"].to_list())


def version(root: Path) -> int:
    return DeltaTable(root / PRICES.name).version()


def replace(
    warehouse: DeltaWarehouse, frame: pl.DataFrame, offsets: range, after: Position | None = None
) -> None:
    """Replace rows upon where the table stands now."""
    before = warehouse.position(PRICES)
    reached = max(before.offset, offsets.stop)
    after = after or before.replaced(offset=reached)
    warehouse.replace(PRICES, frame, offsets, before=before, after=after)


@pytest.fixture
def warehouse(tmp_path: Path) -> DeltaWarehouse:
    return DeltaWarehouse(tmp_path)


def test_a_table_that_was_never_written(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    assert warehouse.committed_offset(PRICES) == 0
    assert warehouse.scan(PRICES).collect().equals(rows(0, 0))
    assert warehouse.summary(PRICES).rows == 0
    assert warehouse.summary(PRICES).last_event_at is None
    warehouse.maintain([PRICES])
    assert not list(tmp_path.iterdir())


def test_rows_come_back_with_their_types(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    warehouse.commit(PRICES, rows(0, 50), start=0, stop=50)
    for each in (warehouse, DeltaWarehouse(tmp_path)):
        assert each.scan(PRICES).collect().equals(rows(0, 50))
        assert each.committed_offset(PRICES) == 50


def test_columns_may_come_in_any_order(warehouse: DeltaWarehouse) -> None:
    reversed_ = rows(0, 5).select(reversed(rows(0, 5).columns))
    warehouse.commit(PRICES, reversed_, start=0, stop=5)
    assert warehouse.scan(PRICES).collect().equals(rows(0, 5))


def test_tables_in_folders_and_names_that_lead_out(warehouse: DeltaWarehouse) -> None:
    quarantine = Table(
        name=f"quarantine/{PRICES.name}", dtypes=PRICES.dtypes, event_time="received_at"
    )
    warehouse.commit(quarantine, rows(0, 2), start=0, stop=2)
    warehouse.commit(PRICES, rows(0, 3), start=0, stop=3)
    assert (offsets(warehouse, quarantine), offsets(warehouse)) == ([0, 1], [0, 1, 2])
    for name in ("../elsewhere", "/tmp/elsewhere", "", "."):
        with pytest.raises(UsageError):
            warehouse.scan(Table(name=name, dtypes=PRICES.dtypes, event_time="received_at"))


def test_a_batch_without_rows_moves_the_offset_in_one_commit(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    before = version(tmp_path)
    warehouse.commit(PRICES, rows(0, 0), start=5, stop=9)
    assert version(tmp_path) == before + 1
    assert warehouse.committed_offset(PRICES) == 9
    assert offsets(warehouse) == list(range(5))


def test_a_batch_that_is_there_already_is_left_alone(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    before = version(tmp_path)
    for each in (warehouse, DeltaWarehouse(tmp_path)):
        each.commit(PRICES, rows(0, 5), start=0, stop=5)
        each.commit(PRICES, rows(0, 3), start=0, stop=3)
    assert version(tmp_path) == before
    assert offsets(warehouse) == list(range(5))


@pytest.mark.parametrize(("start", "stop"), [(0, 9), (4, 9), (6, 9)])
def test_a_batch_that_does_not_continue_the_table_conflicts(
    warehouse: DeltaWarehouse, start: int, stop: int
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    with pytest.raises(CommitConflictError, match="offset 5"):
        warehouse.commit(PRICES, rows(start, stop), start=start, stop=stop)
    assert offsets(warehouse) == list(range(5))


def test_rows_of_other_offsets_or_columns_are_refused(warehouse: DeltaWarehouse) -> None:
    for frame, start, stop in [
        (rows(0, 6), 0, 5),
        (rows(0, 5), 1, 5),
        (rows(0, 0), 5, 5),
        (rows(0, 5).drop("is_final"), 0, 5),
        (rows(0, 5).with_columns(pl.col("landing_offset").cast(pl.Int32)), 0, 5),
        (rows(0, 5).with_columns(landing_offset=pl.lit(None, dtype=pl.Int64)), 0, 5),
    ]:
        with pytest.raises(ValueError, match="rows"):
            warehouse.commit(PRICES, frame, start=start, stop=stop)
    assert warehouse.committed_offset(PRICES) == 0


@pytest.mark.parametrize(
    ("theirs", "outcome"), [((5, 9), "done"), ((5, 12), "done"), ((5, 7), "conflict")]
)
def test_a_writer_that_commits_between_check_and_write_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: tuple[int, int], outcome: str
) -> None:
    """The check that the table stands at `start` holds for the version that is written upon."""
    ours, other = DeltaWarehouse(tmp_path), DeltaWarehouse(tmp_path)
    ours.commit(PRICES, rows(0, 5), start=0, stop=5)
    assert other.committed_offset(PRICES) == 5
    write = delta._write

    def be_overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(delta, "_write", write)
        start, stop = theirs
        other.commit(PRICES, rows(start, stop, price=1.0), start=start, stop=stop)
        write(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(delta, "_write", be_overtaken)
    if outcome == "done":
        ours.commit(PRICES, rows(5, 9), start=5, stop=9)
    else:
        with pytest.raises(CommitConflictError):
            ours.commit(PRICES, rows(5, 9), start=5, stop=9)
    assert offsets(ours) == list(range(theirs[1]))
    assert ours.committed_offset(PRICES) == theirs[1]


def test_a_replacement_that_is_overtaken_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = DeltaWarehouse(tmp_path), DeltaWarehouse(tmp_path)
    ours.commit(PRICES, rows(0, 5), start=0, stop=5)
    write = delta._write

    def be_overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(delta, "_write", write)
        other.commit(PRICES, rows(5, 6), start=5, stop=6)
        write(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(delta, "_write", be_overtaken)
    with pytest.raises(CommitConflictError):
        replace(ours, rows(0, 1), range(5))
    assert offsets(ours) == list(range(6))


def test_replacing(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    for start in range(0, 40, 10):
        warehouse.commit(PRICES, rows(start, start + 10), start=start, stop=start + 10)
    before = version(tmp_path)
    replace(warehouse, rows(17, 19, price=-1.0), range(15, 25))
    assert version(tmp_path) == before + 1
    stored = warehouse.scan(PRICES).sort("landing_offset").collect()
    assert stored.equals(pl.concat([rows(0, 15), rows(17, 19, price=-1.0), rows(25, 40)]))
    assert warehouse.committed_offset(PRICES) == 40
    replace(warehouse, rows(0, 0), range(50))
    assert offsets(warehouse) == []
    assert warehouse.committed_offset(PRICES) == 50
    replace(warehouse, rows(3, 5), range(5))
    assert (offsets(warehouse), warehouse.committed_offset(PRICES)) == ([3, 4], 50)


def test_replacing_in_a_table_that_does_not_exist_yet(warehouse: DeltaWarehouse) -> None:
    replace(warehouse, rows(0, 5), range(5))
    assert offsets(warehouse) == list(range(5))
    assert warehouse.committed_offset(PRICES) == 5


def test_a_position_comes_back_whole(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    assert warehouse.position(PRICES) == Position()
    warehouse.commit(PRICES, rows(0, 9), start=0, stop=9)
    assert warehouse.position(PRICES) == Position(offset=9)
    for after in (
        Position(offset=9, replacements=1, stale_from=0),
        Position(offset=9, replacements=2, stale_from=4),
        Position(offset=4, replacements=3),
    ):
        replace(warehouse, rows(0, 0), range(0), after)
        for each in (warehouse, DeltaWarehouse(tmp_path)):
            assert each.position(PRICES) == after
    assert offsets(warehouse) == list(range(9)), "a position may move alone"
    warehouse.commit(PRICES, rows(4, 5), start=4, stop=5, replacements=3)
    assert warehouse.position(PRICES) == Position(offset=5, replacements=3)


def test_rows_compared_with_others_since_replaced_are_refused(warehouse: DeltaWarehouse) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    replace(warehouse, rows(0, 5, price=1.0), range(5))
    with pytest.raises(CommitConflictError, match="replaced"):
        warehouse.commit(PRICES, rows(5, 6), start=5, stop=6, replacements=0)
    warehouse.commit(PRICES, rows(5, 6), start=5, stop=6, replacements=1)
    # What is there already is left alone, whatever it was compared with.
    warehouse.commit(PRICES, rows(5, 6), start=5, stop=6, replacements=0)
    assert offsets(warehouse) == list(range(6))


@pytest.mark.parametrize(
    "before",
    [Position(offset=4), Position(offset=5, replacements=1), Position(offset=5, stale_from=2)],
)
def test_a_replacement_upon_another_position_replaces_nothing(
    warehouse: DeltaWarehouse, before: Position
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    with pytest.raises(CommitConflictError):
        warehouse.replace(
            PRICES, rows(0, 0), range(5), before=before, after=before.replaced(offset=0)
        )
    assert offsets(warehouse) == list(range(5))
    assert warehouse.position(PRICES) == Position(offset=5)


def test_a_new_column_is_added(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    wider = Table(
        name=PRICES.name,
        dtypes={**PRICES.dtypes, "volume_mwh": pl.Float64()},
        event_time=PRICES.event_time,
    )
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    assert warehouse.scan(wider).collect()["volume_mwh"].to_list() == [None] * 5
    added = rows(5, 7, table=wider).with_columns(volume_mwh=pl.lit(2.5))
    DeltaWarehouse(tmp_path).commit(wider, added, start=5, stop=7)
    stored = warehouse.scan(wider).sort("landing_offset").collect()
    assert stored["volume_mwh"].to_list() == [None] * 5 + [2.5] * 2
    assert dict(stored.schema) == wider.dtypes
    # A worker that still runs the older code goes on beside it.
    warehouse.commit(PRICES, rows(7, 9), start=7, stop=9)
    assert offsets(warehouse) == list(range(9))
    assert dict(warehouse.scan(PRICES).collect_schema()) == PRICES.dtypes


def test_a_changed_type_is_refused(warehouse: DeltaWarehouse) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    dtypes = {**PRICES.dtypes, "price_eur_per_mwh": pl.Float32()}
    changed = Table(name=PRICES.name, dtypes=dtypes, event_time=PRICES.event_time)
    frame = rows(5, 6).cast({"price_eur_per_mwh": pl.Float32})
    with pytest.raises(IncompatibleTableError, match=r"price_eur_per_mwh .* Float32.* Float64"):
        warehouse.commit(changed, frame, start=5, stop=6)
    assert offsets(warehouse) == list(range(5))


@pytest.mark.parametrize("dtype", [pl.UInt32(), pl.Duration(), pl.Categorical(), pl.Datetime("ms")])
def test_a_type_that_would_not_come_back_is_refused(
    warehouse: DeltaWarehouse, dtype: pl.DataType
) -> None:
    table = Table(name="odd", dtypes={**PRICES.dtypes, "odd": dtype}, event_time="received_at")
    with pytest.raises(IncompatibleTableError, match="odd"):
        warehouse.commit(table, rows(0, 1, table=table), start=0, stop=1)


def test_the_summary_reads_no_rows(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    warehouse.commit(PRICES, rows(0, 30), start=0, stop=30)
    warehouse.commit(PRICES, rows(30, 35), start=30, stop=40)
    for file in (tmp_path / PRICES.name).glob("*.parquet"):
        file.unlink()
    summary = warehouse.summary(PRICES)
    assert (summary.rows, summary.committed_offset) == (35, 40)
    last = EPOCH + timedelta(minutes=34, milliseconds=123)
    assert (summary.last_event_at, summary.last_received_at) == (last, last)


def test_files_that_a_filter_rules_out_are_not_opened(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    for start in (0, 10, 20):
        warehouse.commit(PRICES, rows(start, start + 10), start=start, stop=start + 10)
    for file in (tmp_path / PRICES.name).glob("*.parquet"):
        if pl.read_parquet(file)["landing_offset"].min() != 10:
            file.unlink()
    first, last = (EPOCH + timedelta(minutes=n, microseconds=123_456) for n in (10, 19))
    for condition, found in [
        (pl.col("landing_offset").is_between(10, 19), 10),
        (pl.col("delivery_start").is_between(first, last), 10),
        (pl.col("received_at") >= first, None),
        # Statistics are cut to milliseconds, which must not cut off the last row.
        (pl.col("delivery_start") == last, 1),
    ]:
        scan = warehouse.scan(PRICES).filter(condition)
        if found is None:
            with pytest.raises(FileNotFoundError):
                scan.collect()
        else:
            assert scan.collect().height == found


def test_maintenance_compacts_and_clears(
    warehouse: DeltaWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(delta._CONFIGURATION, "delta.logRetentionDuration", "interval 0 seconds")
    monkeypatch.setitem(
        delta._CONFIGURATION, "delta.deletedFileRetentionDuration", "interval 0 seconds"
    )
    idle = DeltaWarehouse(tmp_path)
    folder = tmp_path / PRICES.name
    count = delta.FILES_WORTH_COMPACTING - 1
    for n in range(count):
        warehouse.commit(PRICES, rows(n, n + 1), start=n, stop=n + 1)
        assert n > 0 or idle.committed_offset(PRICES) == 1
    orphan = folder / "part-00000-of-a-killed-writer.parquet"
    orphan.write_bytes(b"half")
    os.utime(orphan, (0, 0))
    warehouse.maintain([PRICES])
    assert len(list(folder.glob("*.parquet"))) == count
    assert not orphan.exists()
    warehouse.commit(PRICES, rows(count, count + 1), start=count, stop=count + 1)
    time.sleep(0.01)
    warehouse.maintain([PRICES])
    assert len(list(folder.glob("*.parquet"))) == 1
    assert len(list((folder / "_delta_log").iterdir())) < 10
    # A handle that stood still while its log was cleared away finds its way.
    assert idle.committed_offset(PRICES) == count + 1
    idle.commit(PRICES, rows(count + 1, count + 2), start=count + 1, stop=count + 2)
    assert offsets(warehouse) == list(range(count + 2))
    assert warehouse.committed_offset(PRICES) == count + 2


def test_rows_keep_their_order_within_a_message(
    warehouse: DeltaWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of revisions rests on it, through compaction and replacement alike."""
    monkeypatch.setattr(delta, "FILES_WORTH_COMPACTING", 2)
    for n in range(6):
        message = rows(0, 500).with_columns(
            landing_offset=pl.lit(n, dtype=pl.Int64),
            price_eur_per_mwh=pl.int_range(500).shuffle(seed=n).cast(pl.Float64),
        )
        warehouse.commit(PRICES, message, start=n, stop=n + 1)
    wanted = warehouse.scan(PRICES).sort("landing_offset", maintain_order=True).collect()
    warehouse.maintain([PRICES])
    replace(warehouse, rows(0, 0), range(2, 3))
    got = warehouse.scan(PRICES).sort("landing_offset", maintain_order=True).collect()
    assert got.equals(wanted.filter(pl.col("landing_offset") != 2))


def commit_in_a_process(root: Path, stop: int) -> None:
    """Commit five offsets after five, as one of several writers, until `stop` is reached."""
    warehouse = DeltaWarehouse(root)
    print("ready", flush=True)  # noqa: T201 (the test waits for it)
    while (start := warehouse.committed_offset(PRICES)) < stop:
        try:
            warehouse.commit(PRICES, rows(start, start + 5), start=start, stop=start + 5)
        except CommitConflictError:
            continue


def start_writer(root: Path, *, stop: int) -> subprocess.Popen[str]:
    code = (
        "import runpy; from pathlib import Path; "
        f"names = runpy.run_path({__file__!r}); "
        f"names['commit_in_a_process'](Path({str(root)!r}), {stop})"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def wait_for(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_processes_that_race_land_each_batch_once(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    writers = [start_writer(tmp_path, stop=100) for _ in range(3)]
    for writer in writers:
        wait_for(writer)
    assert offsets(warehouse) == list(range(100))
    # One commit per batch, and the one that made the table.
    assert version(tmp_path) == 100 // 5


def test_a_killed_writer_leaves_a_whole_table(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    moments = random.Random(7)
    reached = 0
    for _ in range(4):
        writer = start_writer(tmp_path, stop=1_000_000)
        wait_until_ready(writer)
        timer = threading.Timer(moments.uniform(0.02, 0.4), writer.kill)
        timer.start()
        writer.communicate(timeout=60)
        timer.join()
        committed = warehouse.committed_offset(PRICES)
        assert committed >= reached
        assert offsets(warehouse) == list(range(committed))
        reached = committed
    assert reached > 0


def test_maintenance_beside_a_writer_loses_nothing(
    warehouse: DeltaWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "FILES_WORTH_COMPACTING", 2)
    writer = start_writer(tmp_path, stop=500)
    wait_until_ready(writer)
    rounds = 0
    while writer.poll() is None:
        warehouse.maintain([PRICES])
        seen = offsets(warehouse)
        assert seen == list(range(len(seen)))
        rounds += 1
    wait_for(writer)
    assert rounds > 3
    assert offsets(warehouse) == list(range(500))
