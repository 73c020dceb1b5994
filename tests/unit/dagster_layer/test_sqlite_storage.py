"""Dagster's databases are connected to once per process, and their readers hear of new events."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSpec,
    AssetKey,
    DagsterError,
    DagsterInstance,
    MaterializeResult,
    asset,
    job,
    materialize,
    op,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from energy_platform.operations.databases import databases
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.storage.sqlite_file import set_aside_if_damaged
from resources import sqlite_storage as storage
from tests.support.damage import DAMAGES


@op
def nothing() -> None:
    """Do nothing."""


@job
def a_job() -> None:
    """Do nothing once."""
    nothing()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    monkeypatch.setenv("ENERGY_PLATFORM_DAGSTER_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def connections() -> Iterator[list[object]]:
    """Return every connection that is opened meanwhile."""
    opened: list[object] = []

    def noted(connection: object, _: object) -> None:
        opened.append(connection)

    event.listen(Engine, "connect", noted)
    yield opened
    event.remove(Engine, "connect", noted)


def test_runs_share_connections(instance: DagsterInstance, connections: list[object]) -> None:
    for _ in range(2):
        assert a_job.execute_in_process(instance=instance).success
    after_some = len(connections)
    for _ in range(4):
        assert a_job.execute_in_process(instance=instance).success
    assert len(connections) == after_some
    assert instance.get_runs_count() == 6


@asset(check_specs=[AssetCheckSpec("is_fine", asset="counted")])
def counted() -> Iterator[MaterializeResult[None]]:
    """Say something of itself, and pass its check."""
    yield MaterializeResult(
        metadata={"rows": 3}, check_results=[AssetCheckResult(check_name="is_fine", passed=True)]
    )


def test_a_result_of_a_check_is_stored_once(instance: DagsterInstance) -> None:
    ran = materialize([counted], instance=instance)
    stored = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(ran.run_id).records
        if record.event_log_entry.is_dagster_event
    ]
    outputs = [said for said in stored if said is not None and said.is_successful_output]
    assert [said.step_output_data.output_name for said in outputs] == ["result"]
    [check] = instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(AssetKey("counted"), "is_fine"), limit=5
    )
    assert check.status is AssetCheckExecutionRecordStatus.SUCCEEDED
    latest = instance.get_latest_materialization_event(AssetKey("counted"))
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["rows"].value == 3


def test_the_schema_is_read_once(instance: DagsterInstance) -> None:
    materialize([counted], instance=instance)
    statements: list[str] = []

    def noted(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", noted)
    try:
        materialize([counted], instance=instance)
    finally:
        event.remove(Engine, "before_cursor_execute", noted)
    about_events = [
        one for one in statements if "PRAGMA" in one and ("asset" in one or "event" in one)
    ]
    assert statements
    assert about_events == []


def test_the_databases_are_where_dagster_has_them(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    create_run_for_test(instance)
    for name in ("history/runs.db", "schedules/schedules.db", "storage/event_log.db"):
        assert (tmp_path / name).exists(), name


@pytest.mark.parametrize("damage", DAMAGES)
def test_dagster_begins_anew_beside_damaged_databases(
    damage: str, tmp_path: Path, instance: DagsterInstance
) -> None:
    assert a_job.execute_in_process(instance=instance).success
    close_connections()
    found = list(databases(tmp_path))
    assert [one.name for one in found] == ["runs.db", "schedules.db", "event_log.db"]
    for database in found:
        DAMAGES[damage](database)
        if database.exists():
            set_aside_if_damaged(database)
    with DagsterInstance.from_config(str(tmp_path)) as again:
        before = again.get_runs_count()
        assert a_job.execute_in_process(instance=again).success
        assert again.get_runs_count() == before + 1
        assert before == 0 or damage == "flipped"
    close_connections()


@pytest.mark.parametrize("damage", ["torn", "empty", "garbage"])
@pytest.mark.parametrize("name", ["runs.db", "schedules.db", "event_log.db"])
def test_dagster_goes_on_beside_a_database_that_is_damaged_while_it_runs(
    name: str, damage: str, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path = Path(instance.root_directory)
    uses_all(instance)
    with another_process():
        uses_all(instance)
    close_waiting_pages(tmp_path)
    [file] = tmp_path.rglob(name)
    DAMAGES[damage](file)
    with suppress(DatabaseError, DagsterError):
        uses_all(instance)
    with suppress(DatabaseError, DagsterError):
        uses_all(instance)
    uses_all(instance)
    assert f"{file} is damaged" in caplog.text
    assert len(list(file.parent.glob(f"{name}.damaged-*[0-9]"))) == 1
    runs = instance.get_runs_count()
    with another_process():
        uses_all(instance)
        assert instance.get_runs_count() == runs + 1
    close_connections()


@contextmanager
def another_process() -> Iterator[None]:
    """Use connections of another process's."""
    own = os.getpid()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: own + 1)
        yield


def uses_all(instance: DagsterInstance) -> None:
    """Write to each of the three databases."""
    assert a_job.execute_in_process(instance=instance).success
    storages = instance.schedule_storage
    assert storages is not None
    storages.purge_ticks("origin", "selector", before=0.0)


def close_waiting_pages(home: Path) -> None:
    """Write the pages that wait into the databases, where damage is done to them."""
    for database in databases(home):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def close_connections() -> None:
    """Close the connections of this process, as its end does."""
    while storage._opened:
        storage._opened.popitem()[1].engine.dispose()


def test_a_reader_hears_of_events_that_other_connections_commit(
    instance: DagsterInstance,
) -> None:
    run = create_run_for_test(instance)
    heard = threading.Event()

    def listen(entry: Any, _: str) -> None:
        if entry.get_dagster_event().message == "said elsewhere":
            heard.set()

    instance.watch_event_logs(run.run_id, None, listen)
    instance.report_engine_event("said elsewhere", run)
    assert heard.wait(20)


def test_a_fork_uses_no_connection_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[object]
) -> None:
    address = f"sqlite:///{tmp_path / 'one.db'}"
    with storage.connected(address) as connection:
        connection.exec_driver_sql("CREATE TABLE said (n INTEGER)")
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with storage.connected(address) as connection:
        connection.exec_driver_sql("INSERT INTO said VALUES (1)")
    monkeypatch.undo()
    with storage.connected(address) as connection:
        assert connection.exec_driver_sql("SELECT n FROM said").scalars().all() == [1]
    assert len(connections) == 2


def say_and_fail(address: str) -> None:
    with storage.connected(address) as connection:
        connection.exec_driver_sql("INSERT INTO said VALUES (1)")
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


def test_a_statement_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'one.db'}"
    with storage.connected(address) as connection:
        connection.exec_driver_sql("CREATE TABLE said (n INTEGER)")
    with pytest.raises(OperationalError):
        say_and_fail(address)
    with storage.connected(address) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM said").scalar() == 0


def test_the_file_of_waiting_pages_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WAITING_BYTES", 100_000)
    address, waiting = f"sqlite:///{tmp_path / 'one.db'}", tmp_path / "one.db-wal"
    with storage.connected(address) as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("CREATE TABLE said (text TEXT)")
    for _ in range(8):
        with storage.connected(address) as connection:
            connection.exec_driver_sql("INSERT INTO said VALUES (?)", ("x" * 1_000_000,))
    assert waiting.stat().st_size > 1_000_000
    with storage.connected(address) as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)").fetchall()
    with storage.connected(address) as connection:
        connection.exec_driver_sql("INSERT INTO said VALUES ('y')")
    assert waiting.stat().st_size <= 100_000
