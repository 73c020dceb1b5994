"""Makes messages durable, many at a time: one segment for all that arrived while waiting.

A feed that awaits `land` holds at most the messages of that call, and the queue here is bounded. So
a slow landing zone slows down the markets' sockets and fills no memory.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from energy_platform.market.raw_message import RawMessage

_QUEUED_LANDINGS: Final = 1_000
_SEGMENT_BYTES: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class _Pending:
    """One call of `land` in the queue: messages, their cursor, and whether they are durable."""

    messages: Sequence[RawMessage]
    cursor: str | None
    durable: asyncio.Future[None] = field(default_factory=asyncio.Future)

    @property
    def size_bytes(self) -> int:
        return sum(len(message.body) for message in self.messages)


class Appending(Protocol):
    """A log to which a feed's messages are appended."""

    @property
    def cursor(self) -> str | None:
        """The cursor that was appended last."""

    def append(self, messages: Sequence[RawMessage], cursor: str | None) -> object:
        """Append messages and the cursor after them; durable on return."""


class Lander:
    """Gathers what one source's feed lands, and appends it in order of arrival."""

    def __init__(self, writer: Appending, *, linger_seconds: float) -> None:
        self._writer = writer
        self._linger_seconds = linger_seconds
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue(_QUEUED_LANDINGS)
        self._failure: Exception | None = None
        self.cursor = writer.cursor
        self.landed_messages = 0

    async def land(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        """Return once `messages` and `cursor` are durable; raise what the landing zone raised.

        A cursor without messages is kept in memory until the next message: if it is lost, the feed
        only asks again for what was empty.
        """
        if not messages and cursor in (None, self.cursor):
            return
        landing = _Pending(messages, cursor)
        if self._failure is None:
            await self._queue.put(landing)
        if self._failure is not None:
            landing.durable.cancel()
            raise self._failure
        await landing.durable

    async def run(self) -> None:
        """Append what is queued, until cancelled; an error ends it and reaches every waiter."""
        while True:
            gathered = await self._gather()
            try:
                await self._append(gathered)
            except Exception as error:
                await self._fail(gathered, error)
                raise

    async def _gather(self) -> list[_Pending]:
        """Wait for a landing, then for others that come within the linger time."""
        gathered = [await self._queue.get()]
        size_bytes = gathered[0].size_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger_seconds):
                while size_bytes < _SEGMENT_BYTES:
                    gathered.append(await self._queue.get())
                    size_bytes += gathered[-1].size_bytes
        return gathered

    async def _append(self, gathered: list[_Pending]) -> None:
        messages = [message for landing in gathered for message in landing.messages]
        cursors = [landing.cursor for landing in gathered if landing.cursor is not None]
        cursor = cursors[-1] if cursors else self.cursor
        if messages:
            await _to_its_end(asyncio.to_thread(self._writer.append, messages, cursor))
        self.cursor = cursor
        self.landed_messages += len(messages)
        for landing in gathered:
            if not landing.durable.done():
                landing.durable.set_result(None)

    async def _fail(self, gathered: list[_Pending], error: Exception) -> None:
        """Raise an error in all that wait: for durability, or for a place in the queue."""
        self._failure = error
        while gathered:
            for landing in gathered:
                if not landing.durable.done():
                    landing.durable.set_exception(error)
            # Each place that becomes free admits one more waiter, which then finds the error.
            await asyncio.sleep(0)
            gathered = self._drain()

    def _drain(self) -> list[_Pending]:
        left = []
        while not self._queue.empty():
            left.append(self._queue.get_nowait())
        return left


async def _to_its_end(appending: Coroutine[Any, Any, object]) -> None:
    """Wait for an append even when cancelled: a thread left behind would fence its successor."""
    task = asyncio.create_task(appending)
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.wait([task])
