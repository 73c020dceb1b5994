"""What keeps new values from every screen, looked at every other second while somebody watches."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from energy_platform.dashboard.process_watch import ProcessWatch
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import HotStoreUnavailableError
from energy_platform.market.registry import market_sources
from energy_platform.operations.supervision.supervisor import Supervisor

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0


@dataclass(slots=True)
class Health:
    """The state of the processes and stores between the market and a screen.

    Attributes:
        stores: The stores.
        supervisor: Knows the processes.
        troubles: What is down, each as a sentence; empty while all is well.
    """

    stores: Stores
    supervisor: Supervisor
    troubles: frozenset[str] = frozenset()
    _watch: ProcessWatch = field(default_factory=ProcessWatch)

    async def run(self, is_watched: Callable[[], bool]) -> None:
        """Look again and again, until cancelled."""
        while True:
            if is_watched():
                try:
                    self.troubles = await asyncio.to_thread(self._look)
                except Exception:  # noqa: BLE001 (looked at again)
                    _log.warning("the state of processes and stores is not known", exc_info=True)
            await asyncio.sleep(_LOOK_SECONDS)

    def _look(self) -> frozenset[str]:
        seen = self._watch.look(self.supervisor.statuses(), time.monotonic())
        return seen | self._store_down()

    def _store_down(self) -> frozenset[str]:
        source = next(iter(market_sources().values()))
        try:
            self.stores.reached(source)
        except HotStoreUnavailableError:
            return frozenset({"the hot store does not answer"})
        return frozenset()
