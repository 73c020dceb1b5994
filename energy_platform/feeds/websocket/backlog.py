"""A bounded buffer of messages that wait to be landed; when it is full, the socket is not read."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from energy_platform.market.raw_message import RawMessage


@dataclass(slots=True)
class Backlog:
    """Messages that were read and are not landed yet, bounded by their bytes."""

    limit_bytes: int
    _messages: deque[RawMessage] = field(default_factory=deque)
    _bytes: int = 0
    _ended: bool = False
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, message: RawMessage) -> None:
        """Add a message; wait while the backlog is full."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < self.limit_bytes)
            self._messages.append(message)
            self._bytes += len(message.body)
            self._changed.notify_all()

    async def take(self) -> list[RawMessage]:
        """Wait for messages and return all of them; none once the backlog has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._ended)
            taken = list(self._messages)
            self._messages.clear()
            self._bytes = 0
            self._changed.notify_all()
            return taken

    async def end(self) -> None:
        """Declare that nothing more will be added."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
