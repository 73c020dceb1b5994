"""What the Delta warehouse does beside what all of them promise: commits, files, compaction."""

import os
import time
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from energy_platform.errors import CommitConflictError
from energy_platform.market.table import Table
from energy_platform.storage.warehouse import delta
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Position
from tests.support.warehouses import Place, go, instant_of, prices, wait_for
from tests.support.warehouses import rows as rows_of

PRICES = prices()


def rows(start: int, stop: int, *, price: float | None = None) -> pl.DataFrame:
    return rows_of(PRICES, start, stop, price=price)


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


def test_the_summary_reads_no_rows(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    warehouse.commit(PRICES, rows(0, 30), start=0, stop=30)
    warehouse.commit(PRICES, rows(30, 35), start=30, stop=40)
    for file in (tmp_path / PRICES.name).glob("*.parquet"):
        file.unlink()
    summary = warehouse.summary(PRICES)
    assert (summary.rows, summary.committed_offset) == (35, 40)
    last = instant_of(34).replace(microsecond=123_000)
    assert (summary.last_event_at, summary.last_received_at) == (last, last)


def test_files_that_a_filter_rules_out_are_not_opened(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    for start in (0, 10, 20):
        warehouse.commit(PRICES, rows(start, start + 10), start=start, stop=start + 10)
    stored = warehouse.scan(PRICES)
    for file in (tmp_path / PRICES.name).glob("*.parquet"):
        if pl.read_parquet(file)["landing_offset"].min() != 10:
            file.unlink()
    first, last = (instant_of(n) for n in (10, 19))
    for condition, found in [
        (pl.col("landing_offset").is_between(10, 19), 10),
        (pl.col("delivery_start").is_between(first, last), 10),
        (pl.col("received_at") >= first, None),
        # Statistics are cut to milliseconds, which must not cut off the last row.
        (pl.col("delivery_start") == last, 1),
    ]:
        scan = stored.filter(condition)
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


def test_maintenance_beside_a_writer_loses_nothing(
    warehouse: DeltaWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "FILES_WORTH_COMPACTING", 2)
    writer = Place(kind="delta", where=str(tmp_path)).start_writer(PRICES, stop=500)
    go(writer)
    rounds = 0
    while writer.poll() is None:
        warehouse.maintain([PRICES])
        seen = offsets(warehouse)
        assert seen == list(range(len(seen)))
        rounds += 1
    wait_for(writer)
    assert rounds > 3
    assert offsets(warehouse) == list(range(500))


def sizes(folder: Path) -> dict[str, int]:
    delta_table = DeltaTable(folder)
    actions = pl.DataFrame(delta_table.get_add_actions(flatten=True))
    return dict(actions.select("path", "size_bytes").iter_rows())


def test_what_a_compaction_writes_does_not_grow_with_the_table(
    warehouse: DeltaWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files grow in two steps, so that a large one isn't written again for each new batch."""
    monkeypatch.setattr(delta, "FILES_WORTH_COMPACTING", 4)
    monkeypatch.setattr(delta, "MEDIUM_BYTES", 60_000)
    monkeypatch.setattr(delta, "COMPACTED_BYTES", 400_000)
    folder = tmp_path / PRICES.name
    committed: dict[str, int] = {}
    written: list[int] = []
    before: dict[str, int] = {}
    for n in range(160):
        frame = rows(1_000 * n, 1_000 * (n + 1)).with_columns(
            price_eur_per_mwh=pl.int_range(1_000).shuffle(seed=n) / 7
        )
        warehouse.commit(PRICES, frame, start=1_000 * n, stop=1_000 * (n + 1))
        committed |= {path: size for path, size in sizes(folder).items() if path not in before}
        before = sizes(folder)
        if n % 4 == 3:
            warehouse.maintain([PRICES])
            after = sizes(folder)
            written.append(sum(size for path, size in after.items() if path not in before))
            before = after
    assert offsets(warehouse) == list(range(160_000))
    total = sum(committed.values())
    assert total > 1_500_000, "several large files' worth"
    assert sum(written) < 2.2 * total
    assert max(written) < 2 * 400_000 + 60_000
    assert sum(written[len(written) // 2 :]) < 1.4 * sum(written[: len(written) // 2])
    assert len(before) < 25


def test_a_table_at_rest_is_left_as_it_is(warehouse: DeltaWarehouse, tmp_path: Path) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    warehouse.maintain([PRICES])
    folder = tmp_path / PRICES.name
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert any(file.name.endswith(".checkpoint.parquet") for file in before)
    warehouse.maintain([PRICES])
    after = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert after == before


def test_a_table_that_stands_still_is_not_read_for_its_position(
    warehouse: DeltaWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    monkeypatch.setattr(DeltaTable, "update_incremental", None)
    monkeypatch.setattr(DeltaTable, "transaction_version", None)
    assert warehouse.position(PRICES).offset == 5
    warehouse.commit(PRICES, rows(5, 9), start=5, stop=9)
    assert warehouse.committed_offset(PRICES) == 9


def test_commits_whose_log_entries_are_gone_are_found(
    warehouse: DeltaWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(delta._CONFIGURATION, "delta.logRetentionDuration", "interval 0 seconds")
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    other = DeltaWarehouse(tmp_path)
    for start in range(5, 40):
        other.commit(PRICES, rows(start, start + 1), start=start, stop=start + 1)
    other.maintain([PRICES])
    log = tmp_path / PRICES.name / "_delta_log"
    assert not (log / f"{2:020}.json").exists(), "the entry after the one that was read"
    assert warehouse.committed_offset(PRICES) == 40


def test_the_log_has_statistics_of_what_files_are_pruned_by(
    warehouse: DeltaWarehouse, tmp_path: Path
) -> None:
    warehouse.commit(PRICES, rows(0, 5), start=0, stop=5)
    files = pl.DataFrame(DeltaTable(tmp_path / PRICES.name).get_add_actions(flatten=True))
    instants = [name for name, dtype in PRICES.dtypes.items() if dtype.is_temporal()]
    found = {name.removeprefix("max.") for name in files.columns if name.startswith("max.")}
    assert found == {*instants, "landing_offset"}
    assert warehouse.summary(PRICES).last_event_at is not None
