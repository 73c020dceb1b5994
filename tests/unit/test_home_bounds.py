"""What keeps a simulated home from filling the disk, and what the docs say of it."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from redis import Redis

from energy_platform.dashboard.access import audit_archive
from energy_platform.dashboard.access.audit import MOST_ENTRIES
from energy_platform.ingest.backfill.record import MOST_CHUNKS, BackfillRecord
from energy_platform.ingest.backfill.window import BackfillWindow
from energy_platform.market.raw_message import RawMessage
from energy_platform.marts.dbt_run import mart_run, spill_folder
from energy_platform.operations.home_bounds import (
    LANDING_BYTES,
    TABLE_AGE,
    TABLE_BYTES,
    bound_landing,
    bound_tables,
)
from energy_platform.operations.supervision.ports import broker_socket
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import StatePlace, settings
from energy_platform.storage import sqlite_file
from energy_platform.storage.hot_store.sqlite import MOST_BYTES
from energy_platform.storage.sqlite_file import SqliteFile
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from sensors.upkeep import HISTORY_BYTES
from simulator.journal import JournalBounds
from tests.support.bounds_table import table_rows
from tests.support.sources import EXAMPLE, NOON, quote
from tests.support.stores import land, run_all, stored
from tests.support.valkey_process import ValkeyProcess

pytestmark = pytest.mark.usefixtures("example_known")

DAY = timedelta(days=1)


def price_of(day: int) -> RawMessage:
    """Return a message of a day after the first, received then, with the day as its price."""
    return quote(float(day), quarter=96 * day, minutes=1440 * day)


def with_days(batches: MicroBatches, days: int) -> datetime:
    """Land and store a message a day, with a value of that day each; return the last day."""
    for day in range(days):
        land(batches, [price_of(day)])
        run_all(batches)
    return NOON + (days - 1) * DAY


def days_left(batches: MicroBatches) -> list[float]:
    return stored(batches)["price_eur_per_mwh"].to_list()


def test_rows_go_when_they_are_old(platform_batches: MicroBatches) -> None:
    last = with_days(platform_batches, 6)
    assert bound_tables(platform_batches, now=last + DAY / 2, age=3 * DAY) == 3
    assert days_left(platform_batches) == [3.0, 4.0, 5.0]
    assert bound_tables(platform_batches, now=last + DAY / 2, age=3 * DAY) == 0
    run_all(platform_batches)
    assert days_left(platform_batches) == [3.0, 4.0, 5.0], "no batch brings them back"


def test_the_oldest_rows_go_while_there_are_too_many(platform_batches: MicroBatches) -> None:
    last = with_days(platform_batches, 6)
    warehouse = platform_batches.warehouse
    assert isinstance(warehouse, DeltaWarehouse)
    tables = [market_table(EXAMPLE), quarantine_table(EXAMPLE)]
    half = warehouse.stored_bytes(tables) // 2
    assert bound_tables(platform_batches, now=last + DAY / 2, age=30 * DAY, most_bytes=half) >= 3
    assert warehouse.stored_bytes(tables) <= half
    left = days_left(platform_batches)
    assert left == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0][-len(left) :]
    assert left, "the newest stay"


def test_a_batch_that_commits_meanwhile_is_not_lost(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = with_days(platform_batches, 4)
    delete = DeltaTable.delete

    def overtaken(self: DeltaTable, *args: object, **kwargs: object) -> object:
        monkeypatch.setattr(DeltaTable, "delete", delete)
        land(platform_batches, [price_of(4)])
        run_all(platform_batches)
        return delete(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaTable, "delete", overtaken)
    bound_tables(platform_batches, now=last + DAY / 2, age=2 * DAY)
    bound_tables(platform_batches, now=last + DAY / 2, age=2 * DAY)
    assert days_left(platform_batches) == [2.0, 3.0, 4.0]


def test_raw_messages_go_when_they_are_old_or_too_many(platform_batches: MicroBatches) -> None:
    last = with_days(platform_batches, 6)
    log = platform_batches.landing.log(EXAMPLE.name)
    size = log.size_bytes()
    assert bound_landing(platform_batches, now=last + DAY / 2, age=4 * DAY) == 1
    assert log.size_bytes() < size
    assert (
        bound_landing(
            platform_batches, now=last + DAY / 2, age=30 * DAY, most_bytes=log.size_bytes() // 2
        )
        >= 2
    )
    assert log.size_bytes() <= size / 2
    assert len(log.read(5, 6)) == 1, "the newest stays"


def test_what_no_batch_has_taken_stays(platform_batches: MicroBatches) -> None:
    for day in range(3):
        land(platform_batches, [price_of(day)])
    assert bound_landing(platform_batches, now=NOON + 90 * DAY, age=DAY, most_bytes=1) == 0
    assert len(platform_batches.landing.log(EXAMPLE.name).read(0, 3)) == 3


def test_a_record_of_backfills_forgets_the_oldest_chunks(tmp_path: Path) -> None:
    record = BackfillRecord(StatePlace(tmp_path), most_chunks=5)
    windows = [
        BackfillWindow(source=EXAMPLE, start=NOON + n * DAY, end=NOON + (n + 1) * DAY)
        for n in range(2)
    ]
    for window in windows:
        for chunk in range(4):
            record.note(window, f"chunk {chunk}", [range(chunk, chunk + 1)])
            record.note_aside(window, f"chunk {chunk}", [])
        record.finish(window)
    assert list(record.landed(windows[0])) == ["chunk 3"]
    assert len(record.landed(windows[1])) == 4
    assert len(record.set_aside(windows[0])) + len(record.set_aside(windows[1])) == 5
    assert record.is_finished(windows[0]), "it is not asked for again"


def test_what_a_killed_run_of_dbt_left_is_cleared(home: Path) -> None:
    spilt = spill_folder(settings()) / "duckdb_temp_storage.tmp"
    spilt.parent.mkdir(parents=True)
    spilt.write_bytes(b"left")
    with mart_run(settings(), DeltaWarehouse(home / "warehouse"), only=[]):
        assert not spilt.exists()


def test_what_waits_to_be_written_into_a_database_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_WAITING_BYTES", 100_000)
    path = tmp_path / "some.sqlite"
    file = SqliteFile(path, "CREATE TABLE IF NOT EXISTS t (a)")
    with file.transaction() as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1_000,)] * 6_000)
    waiting = path.with_name("some.sqlite-wal")
    assert waiting.stat().st_size > 6_000_000
    for _ in range(2):
        with file.transaction() as connection:
            connection.execute("INSERT INTO t VALUES ('y')")
    assert waiting.stat().st_size <= 110_000
    file.close()


def test_the_brokers_file_stays_small_however_much_goes_through(tmp_path: Path) -> None:
    broker = ValkeyProcess(tmp_path, "broker", broker_socket(tmp_path))
    body = b"x" * 2**20
    largest = 0
    try:
        with Redis.from_url(broker.url) as client:
            for _ in range(160):
                client.set("k", body)
            deadline = time.monotonic() + 90
            while (size := folder_bytes(tmp_path / "broker")) > 130_000_000:
                assert time.monotonic() < deadline, size
                time.sleep(0.1)
                client.ping()
            largest = size
    finally:
        broker.kill()
    assert 0 < largest < 130_000_000


def folder_bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def test_the_table_of_the_docs_says_the_bounds_that_are_enforced() -> None:
    told = table_rows()
    bounds = JournalBounds()
    for folder, bound in {
        "`landing/`, simulated markets": f"{LANDING_BYTES / 2**30:g} GiB",
        "`warehouse/`, simulated markets": f"{TABLE_BYTES / 2**30:g} GiB",
        "`hot.sqlite`": f"{MOST_BYTES / 2**30:g} GiB",
        "`dagster/`": f"{HISTORY_BYTES / 2**30:g} GiB",
        "`simulator/journal/`": f"{bounds.total_bytes / 2**30:g} GiB",
        "`backfills/`": f"{MOST_CHUNKS:,} chunks",
        "`access/`": f"{MOST_ENTRIES:,} entries",
    }.items():
        assert bound in told[folder], (folder, bound)
    assert f"{audit_archive.MOST_BYTES / 2**20:g} MiB of older ones" in told["`access/`"]
    assert f"{TABLE_AGE.days} days" in told["`warehouse/`, simulated markets"]
    unbounded = [folder for folder, says in told.items() if "**not bounded**" in says]
    assert unbounded == ["`landing/`, real markets", "`warehouse/`, real markets"]
    assert all(re.search(r"\d", says) for folder, says in told.items() if folder not in unbounded)
