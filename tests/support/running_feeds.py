"""Running a feed for as long as a test wants, and waiting for its results."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import pytest
import stamina

from energy_platform.errors import FeedError
from energy_platform.feeds.progress import Progress
from energy_platform.market.feed import Feed, FeedSession
from tests.support.feeds import MemorySession


async def run_until(
    feed: Feed, session: MemorySession, done: Callable[[], bool], *, seconds: float = 180.0
) -> None:
    """Run a feed until `done`, or raise its error; `TimeoutError` if neither happens."""
    running = asyncio.create_task(feed.run(session))
    try:
        async with asyncio.timeout(seconds):
            while not done() and not running.done():
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@contextlib.asynccontextmanager
async def carrying(feed: Feed, session: FeedSession) -> AsyncIterator[None]:
    """Run a feed in the background, and run it again after a failure as the collector would."""

    async def collect() -> None:
        while True:
            with contextlib.suppress(FeedError):
                await feed.run(session)
            await asyncio.sleep(0.2)

    collecting = asyncio.create_task(collect())
    try:
        yield
    finally:
        crashed = collecting.done()
        collecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await collecting
        assert not crashed


async def until(condition: Callable[[], object], *, seconds: float = 180.0) -> None:
    """Wait until a condition holds, or raise `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def last_round(session: MemorySession) -> datetime | None:
    """Return when a polling feed's last completed round began, if there was one."""
    return Progress.from_cursor(session.cursor).began_at


async def listening(port: int) -> None:
    """Wait until a server of this machine takes connections on a port."""
    async with asyncio.timeout(180):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def failure(feed: Feed, session: MemorySession) -> FeedError:
    """Run a feed until it fails, and return the error."""
    with pytest.raises(FeedError) as caught:
        await run_until(feed, session, lambda: False)
    return caught.value


async def comes_true(holds: Callable[[], None], *, seconds: float = 180.0) -> None:
    """Wait until an assertion holds, and holds still a second later."""
    async for attempt in stamina.retry_context(
        AssertionError, attempts=None, timeout=seconds, wait_initial=0.1, wait_max=0.5
    ):
        with attempt:
            holds()
            await asyncio.sleep(1.0)
            holds()
