"""A server that providers share runs once, for as long as any of them uses it."""

import asyncio

import pytest

from simulator.shared_server import SharedServer


class Counted:
    """A server that counts how often it was started and stopped."""

    def __init__(self) -> None:
        self.starts = self.stops = self.closed = 0

    def start(self) -> "Counted":
        self.starts += 1
        return self

    def shutdown(self) -> None:
        self.stops += 1

    def server_close(self) -> None:
        self.closed += 1


async def test_the_first_user_starts_it_and_the_last_one_stops_it() -> None:
    shared, server, go_on = SharedServer(), Counted(), [asyncio.Event(), asyncio.Event()]

    async def use(until: asyncio.Event) -> None:
        async with shared.used(server.start):
            await until.wait()

    users = [asyncio.create_task(use(each)) for each in go_on]
    await asyncio.sleep(0.05)
    go_on[0].set()
    await users[0]
    assert (server.starts, server.stops, server.closed) == (1, 0, 0)
    go_on[1].set()
    await users[1]
    assert (server.starts, server.stops, server.closed) == (1, 1, 1)
    async with shared.used(server.start):
        assert (server.starts, server.stops) == (2, 1)


async def test_it_is_stopped_though_its_only_user_was_cancelled_while_it_started() -> None:
    shared, server = SharedServer(), Counted()
    starts = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_start() -> Counted:
        loop.call_soon_threadsafe(starts.set)
        return server.start()

    async def use() -> None:
        async with shared.used(slow_start):
            await asyncio.sleep(60)

    user = asyncio.create_task(use())
    await starts.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user
    assert (server.starts, server.stops, server.closed) == (1, 1, 1)


async def test_a_start_that_failed_fails_its_users_and_is_tried_again() -> None:
    shared, server = SharedServer(), Counted()

    def failing() -> Counted:
        raise OSError("no thread left")

    for _ in range(2):
        with pytest.raises(OSError, match="no thread"):
            async with shared.used(failing):
                pass
    async with shared.used(server.start):
        assert server.starts == 1
