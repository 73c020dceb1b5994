"""What status, metrics and alerts say of the live bus."""

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from energy_platform.operations.alerts.conditions import Trouble, of_live_bus
from energy_platform.operations.live_bus import live_bus_status
from energy_platform.pipeline.hot_lane.announcements import Announcements, announcements, report
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.settings import Settings
from energy_platform.storage.live_bus.follower_client import FOLLOWER
from energy_platform.storage.live_bus.protocol import LiveBus
from tests.support.commands import Command, command_in_process
from tests.support.live_bus import Following, LiveBusProcess, some_rows

Follow = Callable[..., Awaitable[Following]]


def announce(announcer: Announcer, start: int, stop: int) -> None:
    offsets = range(start, stop)
    announcer.announce("s", some_rows(offsets), copy="", offsets=offsets)


async def written(home: Path, announcer: Announcer) -> None:
    """Let the hot lane's report be written once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await report(home, announcer.announcements)


async def test_it_counts_entries_bytes_and_followers(
    process: LiveBusProcess, bus: LiveBus, follow: Follow
) -> None:
    await follow("s", "t")
    announcer = Announcer(lambda: bus)
    for offset in range(5):
        announce(announcer, offset, offset + 1)
    await written(process.settings.home, announcer)
    status = live_bus_status(process.settings)
    assert status is not None
    assert (status.is_up, status.trouble) == (True, "")
    assert (status.published, status.failures) == (5, 0)
    figures = status.figures
    assert (figures.entries, figures.followers, figures.dropped_followers) == (7, 1, 0)
    assert figures.bound_bytes == 128 * 2**20
    assert 0 < (figures.used_bytes or 0) < 10 * 2**20
    assert announcements(process.settings.home).offsets == {"s": 5}


async def test_a_follower_that_reads_too_slowly_is_counted_as_dropped(
    process: LiveBusProcess, bus: LiveBus
) -> None:
    slow = Redis.from_url(process.url, client_name=FOLLOWER)
    slow.ping()
    status = live_bus_status(process.settings)
    assert status is not None
    assert status.figures.followers == 1
    with Redis.from_url(process.url) as operator:
        operator.set("large", b"x" * 2**20)
        operator.config_set("client-output-buffer-limit", "normal 1mb 0 0")
    connection = slow.connection_pool.get_connection()
    with suppress(OSError, RedisConnectionError):  # it is dropped while it still asks
        for _ in range(50):
            connection.send_command("GET", "large")  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + 10
    while status.figures.dropped_followers == 0:
        assert time.monotonic() < deadline
        status = live_bus_status(process.settings)
        assert status is not None
    assert (status.figures.dropped_followers, status.figures.followers) == (1, 0)
    connection.disconnect()  # type: ignore[no-untyped-call]
    slow.close()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_that_is_down_is_told_with_what_was_not_published(
    process: LiveBusProcess, bus: LiveBus, sent: signal.Signals
) -> None:
    announcer = Announcer(lambda: bus)
    announce(announcer, 0, 1)
    process.process.send_signal(sent)
    announce(announcer, 1, 2)
    announce(announcer, 2, 3)
    await written(process.settings.home, announcer)
    began = time.monotonic()
    status = live_bus_status(process.settings)
    assert time.monotonic() - began < 5
    assert status is not None
    assert not status.is_up
    assert "down" in status.trouble
    assert (status.published, status.failures) == (1, 2)
    assert status.figures.entries is None
    [one] = of_live_bus(status)
    assert one.key == f"{Trouble.LIVE_BUS}:live_bus"
    assert "No row is lost" in one.text
    assert one.patience == timedelta(minutes=2)


async def test_a_bus_that_answers_and_takes_nothing_is_in_trouble(
    process: LiveBusProcess, bus: LiveBus
) -> None:
    with Redis.from_url(process.url) as operator:
        operator.config_set("maxmemory", 1)
        announcer = Announcer(lambda: bus)
        announce(announcer, 0, 1)
        await written(process.settings.home, announcer)
        status = live_bus_status(process.settings)
        assert status is not None
        assert status.is_up
        assert len(of_live_bus(status)) == 1
        operator.config_set("maxmemory", "128mb")
    announcer._silent_until = 0.0
    announce(announcer, 0, 1)
    await written(process.settings.home, announcer)
    assert of_live_bus(live_bus_status(process.settings)) == []


def test_where_no_platform_ran_nothing_is_wrong(tmp_path: Path) -> None:
    assert live_bus_status(Settings(home=tmp_path)) is None
    assert of_live_bus(None) == []


def test_a_file_that_cannot_be_read_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "announced.json").write_text("{")
    assert announcements(tmp_path) == Announcements()


def test_status_shows_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Command = command_in_process(monkeypatch, capsys)
    assert json.loads(command("status", "--json").out)["live_bus"] is None
    running = LiveBusProcess(home)
    try:
        told = json.loads(command("status", "--json").out)["live_bus"]
    finally:
        running.kill()
    assert told["is_up"]
    assert told["figures"]["bound_bytes"] == 128 * 2**20
