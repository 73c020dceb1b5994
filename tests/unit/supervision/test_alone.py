"""`energy-platform run`: one process of the plan by itself, with the plan's environment."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.operations.supervision.alone import become, processes_alone
from energy_platform.operations.supervision.home import claimed_home
from energy_platform.operations.supervision.plan import PROJECT, processes
from energy_platform.operations.supervision.ports import Ports
from energy_platform.settings import Settings
from energy_platform.storage.live_bus.streams import stream
from tests.support.feeds import free_ports
from tests.support.running_platform import script

PATIENCE_SECONDS = 60.0


class BecameError(Exception):
    """What this process would have become."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        super().__init__(command)
        self.command = command
        self.environment = environment


@pytest.fixture
def no_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    def became(_: str, command: tuple[str, ...], environment: dict[str, str]) -> None:
        raise BecameError(command, environment)

    monkeypatch.setattr("os.execve", became)
    monkeypatch.setattr("os.chdir", lambda _: None)


def test_they_are_the_processes_that_up_supervises(home: Path) -> None:
    chosen = Settings(home=home)
    ports = Ports(dashboard=chosen.dashboard_port, metrics=chosen.metrics_port)
    known = processes_alone(chosen)
    assert {one.name: one for one in processes(chosen, ports)} == {
        name: one for name, one in known.items() if name not in {"worker", "prepare"}
    }
    assert "worker@%h" in known["worker"].command
    assert known["prepare"].command[1:] == ("instance", "migrate")


@pytest.mark.usefixtures("no_exec")
def test_a_process_has_the_environment_of_the_plan_and_dagsters_instance(home: Path) -> None:
    chosen = Settings(home=home, broker_url="redis://runs:secret@broker:6379/0")
    with pytest.raises(BecameError) as became:
        become("daemon", chosen)
    said = became.value.environment
    assert became.value.command == processes_alone(chosen)["daemon"].command
    assert said["ENERGY_PLATFORM_BROKER_URL"] == chosen.broker_url
    instance = Path(said["DAGSTER_HOME"]) / "dagster.yaml"
    assert instance.read_bytes() == (PROJECT / "dagster.yaml").read_bytes()


def test_what_can_not_run_says_why(home: Path) -> None:
    with pytest.raises(UsageError, match="no process 'nonsense'; there are simulator, broker,"):
        become("nonsense", Settings(home=home))
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_BROKER_URL must say where worker finds"):
        become("worker", Settings(home=home))
    with pytest.raises(UsageError, match="in ENERGY_PLATFORM_LIVE_BUS_PUBLISHER"):
        become("live-bus", Settings(home=home, live_bus="redis://follower:secret@live-bus:6379"))


@pytest.mark.usefixtures("no_exec")
def test_processes_share_a_home_but_not_with_up(home: Path) -> None:
    with claimed_home(home), pytest.raises(EnergyPlatformError, match="already runs"):
        become("collector", Settings(home=home))
    with claimed_home(home, shared=True), pytest.raises(BecameError):
        become("collector", Settings(home=home))
    with (
        claimed_home(home, shared=True),
        pytest.raises(EnergyPlatformError, match="already runs"),
        claimed_home(home),
    ):
        pass


@contextmanager
def running(name: str, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([script(), "run", name], env={**os.environ, **settings})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def test_a_live_bus_with_an_address_and_secrets_from_files(home: Path, tmp_path: Path) -> None:
    [port] = free_ports(1)
    secrets = tmp_path / "secrets" / "live-bus"
    secrets.mkdir(parents=True)
    where = f"127.0.0.1:{port}/0"
    addresses = {
        "ENERGY_PLATFORM_LIVE_BUS": f"redis://follower:p%2Fone@{where}",
        "ENERGY_PLATFORM_LIVE_BUS_PUBLISHER": f"redis://publisher:two@{where}",
    }
    for name, address in addresses.items():
        (secrets / name).write_text(f"{address}\n")
    settings = {
        "ENERGY_PLATFORM_HOME": str(home),
        "ENERGY_PLATFORM_SECRET_FILES": str(secrets.parent),
    }
    with running("live-bus", settings):
        follower, publisher = (Redis.from_url(one) for one in addresses.values())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(follower):
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.1)
        publisher.xadd(stream("source"), {"a": "1"})
        with pytest.raises(NoPermissionError):
            follower.xadd(stream("source"), {"a": "1"})
        with pytest.raises(AuthenticationError):
            Redis.from_url(f"redis://follower:two@{where}").ping()
        with pytest.raises(RedisError):
            Redis.from_url(f"redis://{where}").ping()
        for client in (follower, publisher):
            client.close()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
