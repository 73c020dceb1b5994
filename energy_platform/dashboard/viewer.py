"""One viewer: the messages that wait for it, and its credit.

A viewer has at most `CREDIT` messages that it has not acknowledged. Without credit it gets nothing,
so that old prices pile up nowhere; with its next acknowledgement it gets what has changed since.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from energy_platform.dashboard.room import Room

CREDIT: Final = 20


class Viewer:
    """What one connection has been told, and what it is about to be told."""

    def __init__(self) -> None:
        self.seen: dict[Room, int | None] = {}
        self._waiting: deque[str] = deque()
        self._left_out: dict[Room, None] = {}
        self._told = 0
        self._acknowledged = 0
        self._news = asyncio.Event()

    @property
    def has_credit(self) -> bool:
        """Whether it may be told something."""
        return self._told - self._acknowledged < CREDIT

    def tell(self, message: str) -> bool:
        """Queue a message; return False if the viewer has no credit for it."""
        if not self.has_credit:
            return False
        self._told += 1
        self._waiting.append(message)
        self._news.set()
        return True

    def tell_of(self, room: "Room") -> None:
        """Queue what has changed in a room since this viewer was last told."""
        if not self.has_credit:
            self._left_out[room] = None
            return
        message = room.since(self.seen[room])
        if message is not None:
            self.tell(message)
        self.seen[room] = room.place

    def acknowledge(self, received: int) -> None:
        """Note how many messages have arrived so far, and queue what was left out."""
        self._acknowledged = max(self._acknowledged, min(received, self._told))
        while self._left_out and self.has_credit:
            room = next(iter(self._left_out))
            del self._left_out[room]
            if room in self.seen:
                self.tell_of(room)

    def forget(self, room: "Room") -> None:
        """Forget a room that this viewer watches no longer."""
        self.seen.pop(room, None)
        self._left_out.pop(room, None)

    async def messages(self) -> AsyncIterator[str]:
        """Yield the queued messages, for ever."""
        while True:
            await self._news.wait()
            while self._waiting:
                yield self._waiting.popleft()
            self._news.clear()
