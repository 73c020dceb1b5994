"""Dagster on a Postgres: few connections, PgBouncer in between, and a server that goes away."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterError, DagsterInstance, job, op
from dagster._core.test_utils import create_run_for_test
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from energy_platform.errors import StateUnavailableError
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.storage import postgres as connections
from resources.postgres_storage import (
    PooledEventLogStorage,
    PooledRunStorage,
    PooledScheduleStorage,
)
from tests.support.environment import state_at
from tests.support.postgres_server import (
    NO_BOUNCER,
    PostgresServer,
    bouncer_program,
    pgbouncer,
)

COUNTING = """
import sys
from dagster import DagsterInstance
with DagsterInstance.from_config(sys.argv[1]) as instance:
    print(instance.get_runs_count())
"""
AWAY = (SQLAlchemyError, DagsterError, DagsterPostgresException, StateUnavailableError)


@op
def nothing() -> None:
    """Do nothing."""


@job
def a_job() -> None:
    """Do nothing once."""
    nothing()


@pytest.fixture
def dagster_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    monkeypatch.setenv("ENERGY_PLATFORM_DAGSTER_STORAGE", str(folder / "storage"))
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", "redis://127.0.0.1:1/0")
    shutil.copy(PROJECT / "dagster.yaml", folder)
    return folder


@pytest.fixture
def instance(state_url: str, dagster_home: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(dagster_home)) as opened:
        yield opened


@pytest.fixture
def opened() -> Iterator[list[object]]:
    """Return every connection that is opened meanwhile."""
    found: list[object] = []

    def noted(connection: object, _: object) -> None:
        found.append(connection)

    event.listen(Engine, "connect", noted)
    yield found
    event.remove(Engine, "connect", noted)


def test_runs_take_a_few_connections(
    instance: DagsterInstance, opened: list[object], dagster_home: Path
) -> None:
    assert isinstance(instance.event_log_storage, PooledEventLogStorage)
    assert isinstance(instance.run_storage, PooledRunStorage)
    assert isinstance(instance.schedule_storage, PooledScheduleStorage)
    for _ in range(3):
        assert a_job.execute_in_process(instance=instance).success
        with DagsterInstance.from_config(str(dagster_home)) as again:
            assert again.get_runs_count() > 0
    assert len(opened) <= 4
    assert list(dagster_home.rglob("*.db")) == [], "nothing is in files"


def test_a_reader_hears_of_events(instance: DagsterInstance) -> None:
    run, heard = create_run_for_test(instance), threading.Event()

    def listen(entry: Any, _: str) -> None:
        if entry.get_dagster_event().message == "said elsewhere":
            heard.set()

    instance.watch_event_logs(run.run_id, None, listen)
    instance.report_engine_event("said elsewhere", run)
    assert heard.wait(20)
    instance.end_watch_event_logs(run.run_id, listen)


@pytest.mark.deploy
def test_processes_that_begin_at_once_make_the_tables_once(
    postgres: PostgresServer, state_url: str, dagster_home: Path
) -> None:
    began = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(dagster_home)],
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [one.communicate(timeout=200) for one in began]
    assert [one.returncode for one in began] == [0, 0], said
    database = state_url.rpartition("/")[2]
    [[tables]] = postgres.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database
    )
    assert tables == 22


def test_dagster_goes_on_through_a_bouncer_when_the_server_comes_back(
    postgres: PostgresServer, dagster_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bouncer_program() is None:
        pytest.skip(NO_BOUNCER)
    with pgbouncer(postgres, connections=2) as bouncer:
        url = bouncer.url(postgres.new_database())
        with state_at(url, monkeypatch), DagsterInstance.from_config(str(dagster_home)) as instance:
            assert a_job.execute_in_process(instance=instance).success
            threads = [
                threading.Thread(target=create_run_for_test, args=(instance,)) for _ in range(8)
            ]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert instance.get_runs_count() == 9
            postgres.kill()
            postgres.start()
            with suppress(*AWAY):  # what is under way may fail
                a_job.execute_in_process(instance=instance)
            before = instance.get_runs_count()
            assert before >= 9
            assert a_job.execute_in_process(instance=instance).success
            assert instance.get_runs_count() == before + 1


def test_a_server_that_hangs_is_given_up(
    instance: DagsterInstance, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "_CONNECT_SECONDS", 0.5)
    with postgres.stopped(), pytest.raises(AWAY, match=r"there was no answer|too many retries"):
        instance.get_runs_count()
    assert instance.get_runs_count() == 0
