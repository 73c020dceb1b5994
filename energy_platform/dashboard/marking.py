"""Marks the rows of open topics that have a newer value in quarantine, every other second."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from energy_platform.dashboard.hub import Hub
from energy_platform.dashboard.marks import Quarantine
from energy_platform.dashboard.topics.standing import standings
from energy_platform.errors import EnergyPlatformError

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Marking:
    """Marks the rows of all open topics.

    Attributes:
        hub: Has the topics.
        quarantine: Has the refused values.
        now: Returns market time.
    """

    hub: Hub
    quarantine: Quarantine
    now: Callable[[], datetime]

    async def run(self) -> None:
        """Mark again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for room in self.hub.rooms:
                if room.is_empty:
                    continue
                try:
                    found = [
                        (one, await asyncio.to_thread(self.quarantine.of, one.source))
                        for one in standings(room.name)
                    ]
                    room.mark(found, await asyncio.to_thread(self.now))
                except EnergyPlatformError as error:
                    _log.info("%s: marks stay as they are: %s", room.name, error)
                except Exception:  # noqa: BLE001 (the next look tries again)
                    _log.warning("%s: rows can't be marked", room.name, exc_info=True)
