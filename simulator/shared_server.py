"""A server that several providers of one world use.

The first user starts it, and the last user stops it. The users say how it is started.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol


class StartedServer(Protocol):
    """A server that runs in a thread of its own."""

    def shutdown(self) -> None:
        """Answer no further request; returns when the thread has ended."""

    def server_close(self) -> None:
        """Close the socket."""


class SharedServer:
    """One server of one world, which runs for as long as anyone uses it."""

    def __init__(self) -> None:
        self._users = 0
        self._started: asyncio.Task[StartedServer] | None = None

    @asynccontextmanager
    async def used(self, start: Callable[[], StartedServer]) -> AsyncIterator[None]:
        """Use the server while the context lasts; `start` is called unless it runs already."""
        self._users += 1
        if self._started is None:
            self._started = asyncio.create_task(asyncio.to_thread(start))
        started = self._started
        try:
            await asyncio.shield(started)
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                self._started = None
                server = await started
                await asyncio.to_thread(server.shutdown)
                server.server_close()
