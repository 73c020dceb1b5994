"""A Valkey that is killed, hangs, is full or is asked by a stranger."""

import asyncio
import json
import os
import signal
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from redis import AuthenticationError, OutOfMemoryError, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, ResponseError
from redis.retry import Retry

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.pipeline.hot_lane import announcer as module
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.settings import Settings
from energy_platform.storage.live_bus import valkey
from energy_platform.storage.live_bus.protocol import Gap
from energy_platform.storage.live_bus.valkey import ValkeyBus
from tests.support.live_bus import Following, LiveBusProcess, begin_streams, some_rows

Follow = Callable[..., Awaitable[Following]]


def publish(bus: ValkeyBus, start: int, stop: int, *, source: str = "s") -> None:
    offsets = range(start, stop)
    bus.publish(source, some_rows(offsets), copy="", offsets=offsets)


async def test_killed_and_back_a_follower_is_told_and_goes_on(
    process: LiveBusProcess, bus: ValkeyBus, follow: Follow
) -> None:
    told: list[str | None] = []
    begin_streams(bus, "s", "silent")
    follower = await Following(bus, ["s", "silent"], on_link=told.append).begin()
    publish(bus, 0, 2)
    await follower.rows()
    process.kill()
    with pytest.raises(LiveBusUnavailableError):
        publish(bus, 2, 3)
    process.start()
    gaps = [await follower.gap() for _ in range(2)]
    assert [(one.source, one.since) for one in gaps] == [("s", 2), ("silent", 0)]
    assert (told[0], told[-1]) == (None, None)
    assert any(told)
    publish(bus, 3, 4)
    assert (await follower.gap()).since == 2
    publish(bus, 4, 5)
    assert (await follower.rows()).rows["landing_offset"].to_list() == [4]
    await follower.end()


async def test_a_reader_that_gathers_is_told_at_once_of_a_loss_between_two_questions(
    process: LiveBusProcess, bus: ValkeyBus
) -> None:
    told: list[tuple[float, str | None]] = []
    begin_streams(bus, "s")

    def tell(why: str | None) -> None:
        told.append((time.monotonic(), why))

    messages = bus.follow(["s"], on_link=tell, gather_seconds=1.5)
    first = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.3)
    publish(bus, 0, 2)
    await first
    following = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.3)  # it gathers now
    process.kill()
    process.start()
    asked_at = time.monotonic() + 1.5
    message = await asyncio.wait_for(following, 15)
    assert isinstance(message, Gap)
    lost = [at for at, why in told if why is not None]
    assert lost, "the loss was never told"
    assert lost[0] < asked_at + 2
    assert told[-1][1] is None
    await messages.aclose()


async def test_cancelled_twice_at_any_moment_a_follower_leaves_no_connection(
    process: LiveBusProcess, bus: ValkeyBus
) -> None:
    begin_streams(bus, "s")
    for begun, ending in product(range(40), (3, 7)):
        reader = asyncio.ensure_future(_read_all(bus))
        await _steps(begun)
        _cancel_all()
        await _steps(ending)
        _cancel_all()
        await asyncio.wait([reader])
    await _wait_until_nobody_follows(process)


async def test_cancelled_while_it_closes_a_follower_leaves_no_connection(
    process: LiveBusProcess, bus: ValkeyBus
) -> None:
    for steps in range(8):
        messages = bus.follow([f"s{steps}"])
        first = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0.1)
        publish(bus, 0, 1, source=f"s{steps}")
        await first
        closing = asyncio.ensure_future(messages.aclose())
        await _steps(steps)
        _cancel_all()
        await asyncio.wait([closing])
    await _wait_until_nobody_follows(process)


async def _read_all(bus: ValkeyBus) -> None:
    async with aclosing(bus.follow(["s"])) as messages:
        async for _ in messages:
            pass


async def _steps(steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


def _cancel_all() -> None:
    """Cancel whatever runs, as `asyncio.run` does when it ends."""
    for one in asyncio.all_tasks() - {asyncio.current_task()}:
        one.cancel()


async def _wait_until_nobody_follows(process: LiveBusProcess) -> None:
    async with asyncio.timeout(5):
        with Redis.from_url(process.url) as client:
            while {one["user"] for one in client.client_list()} - {"operator", "publisher"}:
                await asyncio.sleep(0.02)


async def test_back_with_the_next_rows_nothing_more_was_missed(
    process: LiveBusProcess, bus: ValkeyBus, follow: Follow
) -> None:
    follower = await follow("s")
    publish(bus, 0, 2)
    await follower.rows()
    process.kill()
    process.start()
    assert (await follower.gap()).since == 2
    publish(bus, 2, 3)
    assert (await follower.rows()).rows["landing_offset"].to_list() == [2]


async def test_a_reader_that_was_busy_while_the_bus_was_killed_is_told(
    process: LiveBusProcess, bus: ValkeyBus, follow: Follow
) -> None:
    follower = await follow("s")
    publish(bus, 0, 2)
    await follower.rows()
    process.kill()
    process.start()
    # The client notices meanwhile that its connection is gone.
    await asyncio.sleep(0.1)
    assert (await follower.gap()).since == 2


async def test_a_cursor_that_is_older_than_the_valkey_is_a_gap(
    process: LiveBusProcess, bus: ValkeyBus, follow: Follow
) -> None:
    follower = await follow("s")
    publish(bus, 0, 2)
    cursor = (await follower.rows()).cursor
    await follower.end()
    process.kill()
    process.start()
    resumed = await follow("s", cursor=cursor)
    gap = await resumed.gap()
    assert gap.since == 2
    again = await follow("s", cursor=gap.cursor)
    assert await again.is_idle()
    publish(bus, 7, 8)
    for one in (resumed, again):
        await one.gap()
    publish(bus, 8, 9)
    for one in (resumed, again):
        assert (await one.rows()).rows["landing_offset"].to_list() == [8]


def test_one_that_hangs_is_waited_for_once(
    process: LiveBusProcess, bus: ValkeyBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcer = Announcer(lambda: bus)
    announcer.announce("s", some_rows(range(1)), copy="", offsets=range(1))
    process.process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 60)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_SECONDS", 60)
    began = time.monotonic()
    for _ in range(100):
        announcer.announce("s", some_rows(range(1)), copy="", offsets=range(1))
    assert time.monotonic() - began < 10 * valkey._PATIENCE_SECONDS
    assert announcer._failures == 1


def test_where_no_platform_ran_there_is_no_bus(tmp_path: Path) -> None:
    bus = open_live_bus(Settings(home=tmp_path))
    with pytest.raises(LiveBusUnavailableError, match="no platform"):
        bus.publish("s", some_rows(range(1)), copy="", offsets=range(1))


def of_stranger(process: LiveBusProcess, **who: Any) -> Redis:
    return Redis(unix_socket_path=str(process.socket), retry=Retry(NoBackoff(), 0), **who)


def test_nobody_reads_it_without_the_password(process: LiveBusProcess, bus: ValkeyBus) -> None:
    publish(bus, 0, 1)
    strangers: list[dict[str, str]] = [
        {}, {"password": "guessed"}, {"username": "follower", "password": "guessed"},
        {"username": "default", "password": ""},
    ]  # fmt: skip
    for who in strangers:
        with (
            of_stranger(process, **who) as stranger,
            pytest.raises((AuthenticationError, ResponseError)),
        ):
            stranger.xlen("energy_platform:live:s")
    connections = psutil.Process(process.process.pid).net_connections("inet")
    assert connections == [], "it has a socket of this user alone, and no port"
    assert stat.S_IMODE(process.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(process.socket.parent.stat().st_mode) == 0o700


def test_its_passwords_are_in_files_of_this_user_alone(process: LiveBusProcess) -> None:
    files = list((process.settings.home / "run").glob("live_bus*"))
    assert len(files) == 3
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command = " ".join(psutil.Process(process.process.pid).cmdline())
    addresses = (process.settings.live_bus_file, process.settings.live_bus_publisher_file)
    passwords = {Redis.from_url(one.read_text()).get_connection_kwargs()["password"]
                 for one in addresses}  # fmt: skip
    assert len(passwords) == 2
    for password in passwords:
        assert len(password) >= 40
        assert password not in command


@pytest.mark.parametrize(
    ("who", "command"),
    [
        ("follower", ("XADD", "energy_platform:live:s", "*", "a", "b")),
        ("follower", ("DEL", "energy_platform:live:s")),
        ("follower", ("XTRIM", "energy_platform:live:s", "MAXLEN", "0")),
        ("publisher", ("XREAD", "STREAMS", "energy_platform:live:s", "0")),
        ("publisher", ("XADD", "of somebody else", "*", "a", "b")),
        *((who, command) for who in ("follower", "publisher") for command in (
            ("FLUSHALL",), ("CONFIG", "GET", "*"), ("CONFIG", "SET", "dir", "/tmp"), ("KEYS", "*"),
            ("SHUTDOWN",), ("ACL", "LIST"), ("EVAL", "return 1", "0"), ("SAVE",), ("MONITOR",),
            ("CLIENT", "KILL", "TYPE", "normal"), ("MODULE", "LIST"),
            ("REPLICAOF", "127.0.0.1", "1"), ("SET", "energy_platform:live:s", "1"),
        )),
    ],
    ids=lambda said: said if isinstance(said, str) else " ".join(said[:2]),
)  # fmt: skip
def test_each_of_its_users_may_do_what_it_needs_and_no_more(
    process: LiveBusProcess, bus: ValkeyBus, who: str, command: tuple[str, ...]
) -> None:
    publish(bus, 0, 1)
    files = {
        "follower": process.settings.live_bus_file,
        "publisher": process.settings.live_bus_publisher_file,
    }
    with Redis.from_url(files[who].read_text()) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)
    with Redis.from_url(process.url) as operator:
        assert operator.xlen("energy_platform:live:s") == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LiveBusProcess]:
    running = LiveBusProcess(tmp_path, "--maxmemory", "8mb")
    yield running
    running.kill()


def noise(offset: int) -> pl.DataFrame:
    """Return one row of 100 kB that no compression makes smaller."""
    return pl.DataFrame({"landing_offset": [offset], "said": [os.urandom(100_000)]})


async def test_memory_is_bounded_and_the_busiest_pays(small: LiveBusProcess) -> None:
    bus = small.bus()
    begin_streams(bus, "quiet", "busy")
    quiet, slow = Following(bus, ["quiet"]), Following(bus, ["busy"])
    await quiet.begin()
    await slow.begin()
    bus.publish("busy", noise(0), copy="", offsets=range(1))
    cursor = (await slow.rows()).cursor
    for offset in range(1, 300):
        bus.publish("busy", noise(offset), copy="", offsets=range(offset, offset + 1))
        if offset % 10 == 0:
            publish(bus, offset - 10, offset, source="quiet")
    with Redis.from_url(small.url) as client:
        assert int(client.info("memory")["used_memory"]) < 10 * 2**20
        assert 20 < int(client.xlen("energy_platform:live:busy")) < 90
        assert int(client.xlen("energy_platform:live:quiet")) == 30
    for start in range(0, 290, 10):
        assert (await quiet.rows()).rows["landing_offset"][0] == start
    late = Following(bus, ["busy"], cursor)
    assert (await late.gap()).since == 1
    await late.begin()
    bus.publish("busy", noise(300), copy="", offsets=range(300, 301))
    assert (await late.rows()).rows["landing_offset"].to_list() == [300]
    for one in (quiet, slow, late):
        await one.end()


def test_where_nothing_can_go_the_bus_says_so(small: LiveBusProcess) -> None:
    with Redis.from_url(small.url) as client, suppress(OutOfMemoryError):
        for number in count():
            client.set(f"of somebody else {number}", os.urandom(100_000))
    large = pl.DataFrame({"landing_offset": [0], "said": [os.urandom(1_000_000)]})
    with pytest.raises(LiveBusUnavailableError):
        small.bus().publish("s", large, copy="", offsets=range(1))


async def test_old_entries_go_and_the_newest_stays(
    process: LiveBusProcess, bus: ValkeyBus, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = await follow("s")
    publish(bus, 0, 1)
    cursor = (await follower.rows()).cursor
    for offset in range(1, 400):
        publish(bus, offset, offset + 1)
    with Redis.from_url(process.url) as client:
        assert int(client.xlen("energy_platform:live:s")) == 401
        monkeypatch.setattr(valkey, "_KEPT", timedelta(0))
        await asyncio.sleep(0.01)
        publish(bus, 400, 401)
        assert 1 <= int(client.xlen("energy_platform:live:s")) < 150
    resumed = await follow("s", cursor=cursor)
    assert (await resumed.gap()).since == 1


async def test_a_cursor_from_a_clock_that_was_ahead_holds_nothing_back(
    bus: ValkeyBus, follow: Follow
) -> None:
    publish(bus, 0, 4)
    ahead = json.dumps({"s": ["99999999999999-0", "", 2]})
    follower = await follow("s", cursor=ahead)
    assert (await follower.gap()).since == 2
    publish(bus, 4, 5)
    assert (await follower.rows()).rows["landing_offset"].to_list() == [4]
