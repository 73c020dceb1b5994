"""A run is alive while its worker beats, and its worker is dead soon after it was killed.

A run goes to the free worker that last ran its job; one that no worker will ever start is found.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from celery.utils import worker_direct
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.monitoring import run_monitoring
from dagster_celery.defaults import task_default_queue
from redis import Redis, RedisError

from energy_platform.operations.supervision.ports import broker_socket
from energy_platform.settings import settings
from resources import heartbeat, lost_runs
from resources.launcher import WarmCeleryRunLauncher
from tests.support.environment import forget_cached
from tests.support.valkey_process import ValkeyProcess

PROJECT = Path(__file__).parents[3]
RUN_ID = "00000000-0000-4000-8000-000000000007"
JOB = "auctions_micro_batch"
WORKER = "worker-1@here"
PATIENCE_SECONDS = 60.0
SLOW_STORE_SECONDS = 600.0
URL = "ENERGY_PLATFORM_BROKER_URL"


@pytest.fixture
def broker(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A real broker, which the settings name."""
    server = ValkeyProcess(home, "broker", broker_socket(home), "--appendonly", "no")
    monkeypatch.setenv(URL, server.plan.environment[URL])
    forget_cached()
    heartbeat.broker.cache_clear()
    client = Redis.from_url(server.url)
    try:
        yield client
    finally:
        client.close()
        heartbeat.broker().close()
        heartbeat.broker.cache_clear()
        server.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def health() -> WorkerStatus:
    launcher = WarmCeleryRunLauncher(default_queue="dagster")
    run = DagsterRun(job_name="auctions_micro_batch", run_id=RUN_ID)
    return launcher.check_run_worker_health(run).status


@pytest.mark.usefixtures("broker")
def test_a_run_beats_while_it_lasts() -> None:
    assert not heartbeat.is_alive(RUN_ID)
    with heartbeat.beating(RUN_ID):
        assert heartbeat.is_alive(RUN_ID)
        assert not heartbeat.is_alive("another")
        assert health() is WorkerStatus.RUNNING


def test_a_long_run_goes_on_beating(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", 0.01)
    with heartbeat.beating(RUN_ID):
        broker.flushall()
        wait_until(lambda: heartbeat.is_alive(RUN_ID))


def test_a_beat_fades_by_itself(broker: Redis) -> None:
    with heartbeat.beating(RUN_ID):
        [key] = broker.keys("energy_platform:run:*")
        assert 0 < int(broker.ttl(key)) <= 5


@pytest.mark.usefixtures("broker")
def test_a_killed_workers_run_is_found_dead() -> None:
    code = (
        "import time; from resources import heartbeat\n"
        f"with heartbeat.beating({RUN_ID!r}):\n"
        "    print('beating', flush=True); time.sleep(3600)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "beating\n"
    wait_until(lambda: health() is WorkerStatus.RUNNING)
    worker.kill()
    worker.communicate()
    wait_until(lambda: health() is WorkerStatus.FAILED)


def test_a_broker_that_is_away_fails_no_run(broker: Redis) -> None:
    with heartbeat.beating(RUN_ID):
        broker.shutdown(nosave=True)
        with pytest.raises(RedisError):
            heartbeat.is_alive(RUN_ID)
        assert health() is WorkerStatus.RUNNING


@pytest.fixture
def launcher(broker: Redis) -> Iterator[WarmCeleryRunLauncher]:
    """A launcher whose runs nobody takes, unless a test does."""
    made = WarmCeleryRunLauncher(
        default_queue=task_default_queue, broker=settings().broker_url, backend="disabled://"
    )
    with DagsterInstance.ephemeral() as instance:
        made.register_instance(instance)
        yield made
        made.celery.close()


@contextmanager
def worker_that_ran(job: str) -> Iterator[heartbeat.WorkerBeat]:
    """A free worker."""
    beat = heartbeat.WorkerBeat(WORKER)
    beat.begin()
    beat.take(job)
    beat.free()
    yield beat
    beat.end()


def launched(launcher: WarmCeleryRunLauncher, job: str = JOB) -> DagsterRun:
    """Launch a run of a job, and return it."""
    code = CodePointer.from_module("definitions", "defs", working_directory=None)
    repository = RepositoryPythonOrigin("python", code)
    run: DagsterRun = create_run_for_test(
        launcher._instance,
        job_name=job,
        status=DagsterRunStatus.STARTING,
        job_code_origin=JobPythonOrigin(job, repository),
    )
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    return run


def length(broker: Redis, queue: str) -> int:
    """Return how many tasks wait in a queue."""
    return sum(len(broker.lrange(key, 0, -1)) for key in broker.keys(f"{queue}*"))


def test_a_run_goes_to_the_free_worker_that_last_ran_its_job(
    broker: Redis, launcher: WarmCeleryRunLauncher
) -> None:
    own = worker_direct(WORKER).name
    launched(launcher)
    assert (length(broker, task_default_queue), length(broker, own)) == (1, 0)
    with worker_that_ran(JOB) as worker:
        launched(launcher, "weather_micro_batch")
        assert (length(broker, task_default_queue), length(broker, own)) == (2, 0)
        launched(launcher)
        assert (length(broker, task_default_queue), length(broker, own)) == (2, 1)
        # Until that run has ended, the worker is not free.
        launched(launcher)
        assert (length(broker, task_default_queue), length(broker, own)) == (3, 1)
        worker.take(JOB)
        worker.free()
        launched(launcher)
        assert (length(broker, task_default_queue), length(broker, own)) == (3, 2)
    # Nobody waits for a worker that is gone.
    launched(launcher)
    assert (length(broker, task_default_queue), length(broker, own)) == (4, 2)


def test_a_run_that_was_taken_by_a_worker_killed_before_it_began_is_lost(
    broker: Redis, launcher: WarmCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "_LOST_AFTER_SECONDS", 0.0)
    run = launched(launcher)
    assert not launcher.has_lost(run)
    assert not launcher.has_lost(run)
    [key] = broker.keys(f"{task_default_queue}*")
    assert broker.lpop(key)
    # It may be just about to begin, so the first look decides nothing.
    assert not launcher.has_lost(run)
    assert launcher.has_lost(run)
    with heartbeat.beating(run.run_id):
        assert not launcher.has_lost(run)
    monkeypatch.setattr(lost_runs, "_LOST_AFTER_SECONDS", 60.0)
    assert not launcher.has_lost(run)
    assert not launcher.has_lost(run)


def test_a_run_that_waits_for_minutes_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = yaml.safe_load((PROJECT / "dagster.yaml").read_text())["run_monitoring"]
    with DagsterInstance.local_temp(overrides={"run_monitoring": ours}) as instance:
        run = create_run_for_test(instance, job_name=JOB, status=DagsterRunStatus.NOT_STARTED)
        [record] = instance.get_run_records()
        later = time.time() + SLOW_STORE_SECONDS
        monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: later)
        run_monitoring.monitor_starting_run(instance, record, logging.getLogger())
        kept = instance.get_run_by_id(run.run_id)
    assert kept is not None
    assert kept.status is DagsterRunStatus.NOT_STARTED


def test_a_run_that_waits_for_a_dead_worker_is_lost(
    broker: Redis, launcher: WarmCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "_LOST_AFTER_SECONDS", 0.0)
    with worker_that_ran(JOB):
        run = launched(launcher)
        assert length(broker, worker_direct(WORKER).name) == 1
        assert not launcher.has_lost(run)
        assert not launcher.has_lost(run)
    assert not launcher.has_lost(run)
    assert launcher.has_lost(run)


def test_while_the_broker_is_away_no_run_is_lost(
    broker: Redis, launcher: WarmCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "_LOST_AFTER_SECONDS", 0.0)
    run = launched(launcher)
    broker.shutdown(nosave=True)
    assert not launcher.has_lost(run)
    assert not launcher.has_lost(run)
