"""Announces on the live bus what the hot lane has shown, and never holds the lane up.

While the bus is down, nothing is announced. The lane announces later how far it is, and followers
find out by that what they have missed.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

import polars as pl

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.market.back_off import pause_seconds
from energy_platform.pipeline.hot_lane.announcements import Announcements
from energy_platform.storage.live_bus.protocol import LiveBus

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0
_TOLD_AGAIN_SECONDS: Final = 60.0
"""How often a quiet source's offset is told again, for followers that have just begun."""


class Announcer:
    """What a process announces of all sources. Any number of threads may use it.

    Args:
        open_bus: Opens the live bus; only who announces needs its client.
    """

    def __init__(self, open_bus: Callable[[], LiveBus]) -> None:
        self._open_bus = open_bus
        self._bus: LiveBus | None = None
        self._failures = 0
        self._silent_until = 0.0
        self._told_at: dict[str, float] = {}
        self._offsets: dict[str, int] = {}
        self._published = 0
        self._unpublished = 0
        self._trouble = ""

    def open(self) -> LiveBus:
        """Open the live bus, once.

        Raises:
            UsageError: Its client is not installed.
        """
        if self._bus is None:
            self._bus = self._open_bus()
        return self._bus

    def has_told(self, source: str) -> bool:
        """Return whether this process's last announcement of a source was published lately."""
        told_at = self._told_at.get(source)
        return told_at is not None and time.monotonic() - told_at < _TOLD_AGAIN_SECONDS

    def announcements(self) -> Announcements:
        """Return what was announced since this process began."""
        return Announcements(self._published, self._unpublished, self._trouble, dict(self._offsets))

    def announce(self, source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        """Publish rows that the hot store has; see `LiveBus`. Skip them while the bus is down."""
        self._told_at.pop(source, None)
        if time.monotonic() < self._silent_until:
            self._unpublished += 1
            return
        try:
            self.open().publish(source, rows, copy=copy, offsets=offsets)
        except LiveBusUnavailableError as error:
            self._failures += 1
            self._unpublished += 1
            self._trouble = str(error)
            pause = pause_seconds(
                self._failures,
                first_seconds=_FIRST_PAUSE_SECONDS,
                longest_seconds=_LONGEST_PAUSE_SECONDS,
            )
            self._silent_until = time.monotonic() + pause
            _log.warning("%s: not announced: %s; again in %.1f s", source, error, pause)
        else:
            self._failures = 0
            self._published += 1
            self._trouble = ""
            self._offsets[source] = offsets.stop
            self._told_at[source] = time.monotonic()
