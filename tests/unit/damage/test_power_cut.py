"""After a power cut everything that was acknowledged is there: it was on the disk before.

A cut is tried by noting each `fsync`, and by emptying every file that had none since it was
written, as a file system that delays its writes leaves them.
"""

import os
from pathlib import Path

import pytest

from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse import delta
from energy_platform.storage.warehouse.delta import CHECKPOINT_INTERVAL, DeltaWarehouse
from tests.support.sources import EXAMPLE, quote
from tests.support.stores import land, quarantined, run_all, stored
from tests.support.warehouses import prices
from tests.support.warehouses import rows as rows_of
from tests.unit.damage.filled_home import reopened

PRICES = prices()


class Disk:
    """What of a folder's files is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.synced: dict[Path, int] = {}
        self.steps: list[Path] = []

    def note(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.steps.append(path)
        if path.is_file():
            self.synced[path] = path.stat().st_mtime_ns

    def cut(self) -> list[Path]:
        """Empty the files that are not on the disk; return which."""
        lost = [
            file
            for file in self.folder.rglob("*")
            if file.is_file() and self.synced.get(file.resolve()) != file.stat().st_mtime_ns
        ]
        for file in lost:
            file.write_bytes(b"")
        return lost


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, sync = Disk(tmp_path), os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        disk.note(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return disk


def test_a_commits_files_are_on_the_disk_before_its_entry(tmp_path: Path, disk: Disk) -> None:
    warehouse = DeltaWarehouse(tmp_path / "warehouse")
    warehouse.commit(PRICES, rows_of(PRICES, 0, 3), start=0, stop=3)
    table = tmp_path / "warehouse" / PRICES.name
    disk.steps.clear()
    warehouse.commit(PRICES, rows_of(PRICES, 3, 5), start=3, stop=5)
    data = max(table.glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    entry = table / "_delta_log" / f"{2:020}.json"
    assert disk.steps == [data, table, entry, entry.parent]


def test_what_was_committed_survives_a_cut(tmp_path: Path, disk: Disk) -> None:
    warehouse = DeltaWarehouse(tmp_path / "warehouse")
    for start in range(CHECKPOINT_INTERVAL + 3):
        warehouse.commit(PRICES, rows_of(PRICES, start, start + 1), start=start, stop=start + 1)
    before = warehouse.position(PRICES)
    other = rows_of(PRICES, 1, 2, price=9.0)
    warehouse.replace(PRICES, other, range(1, 2), before=before, after=before.replaced())
    kept = warehouse.scan(PRICES).collect().sort("landing_offset")
    disk.cut()
    anew = DeltaWarehouse(tmp_path / "warehouse")
    assert anew.position(PRICES) == before.replaced()
    assert anew.scan(PRICES).collect().sort("landing_offset").equals(kept)


def test_a_cut_within_a_commit_costs_that_batch_which_runs_again(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutError(BaseException):
        pass

    def cut_off(*_: object) -> None:
        raise CutError

    warehouse = DeltaWarehouse(tmp_path / "warehouse")
    warehouse.commit(PRICES, rows_of(PRICES, 0, 3), start=0, stop=3)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "make_durable", cut_off)
        with pytest.raises(CutError):
            warehouse.commit(PRICES, rows_of(PRICES, 3, 5), start=3, stop=5)
    assert len(disk.cut()) >= 2, "the rows and the entry"
    anew = DeltaWarehouse(tmp_path / "warehouse")
    assert anew.committed_offset(PRICES) == 3
    assert anew.commit(PRICES, rows_of(PRICES, 3, 5), start=3, stop=5)
    assert sorted(anew.scan(PRICES).collect()["landing_offset"]) == [0, 1, 2, 3, 4]


def test_an_acknowledged_batch_is_not_run_again(home: Path, disk: Disk) -> None:
    batches = reopened()
    table = home / "warehouse" / market_table(EXAMPLE).name
    disk.synced = {
        file.resolve(): file.stat().st_mtime_ns
        for file in (home / "warehouse").rglob("*")
        if file.is_file()
    }
    land(batches, [quote(44.0, quarter=50)])
    run_all(batches)
    failures = quarantined(batches)
    disk.folder = table
    assert disk.cut() == []
    again = reopened()
    assert not again.is_behind(EXAMPLE)
    assert 44.0 in stored(again)["price_eur_per_mwh"].to_list()
    assert quarantined(again).equals(failures)
