"""What the live bus brings of the sources that someone watches: one follower per source.

A listener is told of new rows, and when it must ask the stores because rows may be missing: after
each connection to the bus, after a gap, and from time to time while the bus is down.
"""

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from typing import Final, Protocol

import polars as pl
from polars.exceptions import PanicException

from energy_platform.storage.live_bus.protocol import LiveBus, Rows

_log = logging.getLogger(__name__)

_GATHER_SECONDS: Final = 0.1
"""How long news is gathered: a busy source is read ten times a second, not once per message."""
_ASK_SECONDS: Final = 5.0
"""How often the stores are asked while the bus is down."""


class Listener(Protocol):
    """Who wants a source's new rows."""

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Take new rows."""

    def reload(self) -> None:
        """Ask the stores, since rows may be missing."""


class LiveRows:
    """The followers of a live bus, each shared by all listeners of its source."""

    def __init__(self, bus: LiveBus) -> None:
        self._bus = bus
        self._followed: dict[str, _Followed] = {}

    def watch(self, source: str, listener: Listener) -> None:
        """Tell a listener of a source's new rows from now on."""
        followed = self._followed.get(source)
        if followed is None:
            followed = self._followed[source] = _Followed(self._bus, source)
        if not followed.listeners[listener]:
            listener.reload()
        followed.listeners[listener] += 1

    def leave(self, source: str, listener: Listener) -> None:
        """Tell a listener no longer, once it has left as often as it has come.

        A source without listeners is no longer followed.
        """
        followed = self._followed[source]
        followed.listeners[listener] -= 1
        if not followed.listeners[listener]:
            del followed.listeners[listener]
        if not followed.listeners:
            followed.end()
            del self._followed[source]

    def trouble(self, source: str) -> str | None:
        """Return why a source's rows don't come by the live bus; None if they do."""
        followed = self._followed.get(source)
        return followed.trouble if followed is not None else None


class _Followed:
    """One source on the bus."""

    def __init__(self, bus: LiveBus, source: str) -> None:
        self.listeners: Counter[Listener] = Counter()
        self.trouble: str | None = None
        self._bus = bus
        self._source = source
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._ask())]

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                async with aclosing(
                    self._bus.follow(
                        [self._source], on_link=self._hear, gather_seconds=_GATHER_SECONDS
                    )
                ) as messages:
                    async for message in messages:
                        if isinstance(message, Rows):
                            self._tell(message.rows)
                        else:
                            self._reload()
            except (Exception, PanicException) as error:  # noqa: BLE001 (followed again)
                _log.warning("%s can't be followed", self._source, exc_info=error)
                self.trouble = f"{self._source} can't be followed on the live bus"
                await asyncio.sleep(_ASK_SECONDS)

    async def _ask(self) -> None:
        """Let the stores be asked while the bus is down."""
        while True:
            await asyncio.sleep(_ASK_SECONDS)
            if self.trouble is not None:
                self._reload()

    def _hear(self, why: str | None) -> None:
        self.trouble = None if why is None else "the live bus is down"
        if why is None:
            self._reload()

    def _tell(self, rows: pl.DataFrame) -> None:
        for listener in self.listeners:
            listener.take(self._source, rows)

    def _reload(self) -> None:
        for listener in self.listeners:
            listener.reload()
