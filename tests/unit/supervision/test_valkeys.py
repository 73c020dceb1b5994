"""The broker answers only whom the platform gave a password, and Celery never prints it."""

import re
import stat
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry

from energy_platform.operations.supervision.broker import refusal
from energy_platform.operations.supervision.ports import broker_socket
from energy_platform.operations.supervision.valkeys import Valkeys
from energy_platform.settings import Settings
from tests.support.damage import DAMAGES
from tests.support.valkey_process import ValkeyProcess

URL = "ENERGY_PLATFORM_BROKER_URL"


@pytest.fixture
def broker(home: Path) -> Iterator[ValkeyProcess]:
    running = ValkeyProcess(home, "broker", broker_socket(home))
    yield running
    running.kill()


@pytest.fixture
def client(broker: ValkeyProcess) -> Iterator[Redis]:
    """The broker as workers use it."""
    url = broker.plan.environment[URL].replace("redis+socket", "unix")
    with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as found:
        yield found


@pytest.mark.parametrize(
    "who", [{}, {"password": "guessed"}, {"username": "runs", "password": "guessed"}]
)
def test_without_the_password_nobody_reads_or_hands_in_a_run(
    broker: ValkeyProcess, who: dict[str, Any]
) -> None:
    with (
        Redis(unix_socket_path=str(broker.socket), retry=Retry(NoBackoff(), 0), **who) as stranger,
        pytest.raises((AuthenticationError, ResponseError)),
    ):
        stranger.lpush("dagster", "a run")
    assert psutil.Process(broker.process.pid).net_connections("inet") == []
    assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "command",
    [("FLUSHALL",), ("CONFIG", "SET", "dir", "/tmp"), ("KEYS", "*"), ("SHUTDOWN",),
     ("ACL", "LIST"), ("MONITOR",), ("MODULE", "LIST"), ("SAVE",)],
    ids=" ".join,
)  # fmt: skip
def test_workers_may_not_administer_it(client: Redis, command: tuple[str, ...]) -> None:
    with pytest.raises(NoPermissionError):
        client.execute_command(*command)  # type: ignore[no-untyped-call]


def test_a_broker_that_was_killed_knows_what_it_was_handed(
    broker: ValkeyProcess, client: Redis
) -> None:
    with client.pipeline(transaction=True) as together:
        together.lpush("dagster", "a run")
        together.zadd("unacked_index", {"a": 1.0})
        together.execute()
    client.set("energy_platform:worker:one", "free")
    # Its file may be behind by seconds while the disk is busy; it says when it is not.
    [synced, _] = client.execute_command("WAITAOF", 1, 0, 60_000)  # type: ignore[no-untyped-call]
    assert synced == 1
    broker.kill()
    broker.start()
    client.connection_pool.disconnect()
    assert client.lrange("dagster", 0, -1) == [b"a run"]
    assert client.zcard("unacked_index") == 1
    assert client.get("energy_platform:worker:one") == b"free"


PARTS = ("*.manifest", "*.base.rdb", "*.incr.aof")
BEGUN_ANEW = [
    ("*.manifest", "empty"), ("*.manifest", "flipped"), ("*.manifest", "garbage"),
    ("*.base.rdb", "torn"), ("*.base.rdb", "missing"), ("*.base.rdb", "flipped"),
    ("*.base.rdb", "garbage"), ("*.incr.aof", "missing"), ("*.incr.aof", "garbage"),
]  # fmt: skip
"""The damages with which Valkey itself does not start."""


@pytest.mark.parametrize(
    ("part", "damage"), [one for one in product(PARTS, DAMAGES) if one != ("*.incr.aof", "flipped")]
)
def test_a_broker_starts_whatever_is_in_its_file(
    part: str, damage: str, broker: ValkeyProcess, client: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    client.lpush("dagster", *(f"run {number}" for number in range(20)))
    client.execute_command("WAITAOF", 1, 0, 60_000)  # type: ignore[no-untyped-call]
    broker.kill()
    folder = broker.settings.home / "broker"
    [file] = (folder / "appendonlydir").glob(part)
    DAMAGES[damage](file)
    broker.start()
    client.connection_pool.disconnect()
    client.lpush("dagster", "one more")
    aside = list(folder.glob("appendonlydir.damaged-*"))
    said = capfd.readouterr().err
    if (part, damage) in BEGUN_ANEW:
        assert client.llen("dagster") == 1
        assert len(aside) == 1
        assert aside[0].name in said
        assert "the sensors ask again" in said
    else:
        assert (aside, said) == ([], "")
    assert not (folder / "trial.sock").exists()


def test_a_broker_starts_beside_a_command_that_nobody_knows(
    broker: ValkeyProcess, client: Redis
) -> None:
    client.lpush("dagster", "a run")
    client.execute_command("WAITAOF", 1, 0, 60_000)  # type: ignore[no-untyped-call]
    broker.kill()
    [file] = (broker.settings.home / "broker" / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(re.sub(rb"lpush", b"lposh", file.read_bytes(), flags=re.IGNORECASE))
    broker.start()
    client.connection_pool.disconnect()
    assert client.llen("dagster") == 0


def test_a_file_that_may_not_be_read_now_is_not_set_aside(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    words = "Can't open the append log file: No space left on device"
    assert refusal(tmp_path, ["/bin/sh", "-c", f'echo "{words}"; exit 1']) == ""
    assert refusal(tmp_path, ["/bin/sh", "-c", "echo bad AOF; exit 1"]) == "bad AOF"
    assert refusal(tmp_path, ["/bin/sh", "-c", "echo bad AOF; exit 2"]) == ""
    assert refusal(tmp_path, ["/bin/sh", "-c", "echo Bad configuration; exit 1"]) == ""


def test_celery_hands_over_a_task_and_broadcasts(broker: ValkeyProcess, client: Redis) -> None:
    app = Celery("test", broker=broker.plan.environment[URL], set_as_current=False)
    try:
        sent = app.send_task("some.task", queue="dagster", kwargs={"a": 1}, ignore_result=True)
        assert client.llen("dagster") == 1
        app.control.revoke(sent.id, terminate=True)
        assert app.control.ping(timeout=0.2) == []
    finally:
        app.close()


def test_what_celery_prints_of_its_broker_hides_the_password(tmp_path: Path) -> None:
    url = Valkeys(settings=Settings(home=tmp_path)).broker_url
    password = url.partition("//runs:")[2].partition("@")[0]
    assert len(password) >= 40
    app = Celery("test", broker=url, backend=url, set_as_current=False)
    connection = app.connection()
    printed = [
        connection.as_uri(), repr(connection), app.backend.as_uri(),
        repr(Valkeys(settings=Settings(home=tmp_path))), repr(Settings(broker_url=url)),
        app.conf.humanize(with_defaults=False),
    ]  # fmt: skip
    assert [one for one in printed if password in one] == []
