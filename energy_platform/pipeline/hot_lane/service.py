"""The process that follows the landing logs of all sources for ever.

Processes that land messages notify it, those of other machines by Pub/Sub. It also looks at each
log after a start and from time to time, because a notification may be lost. Streams have threads of
their own, so that a long file of another source delays no trade. The process may be killed at any
moment, so it does nothing at its end.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from polars.exceptions import PanicException

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.feed import WireProtocol
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.announcements import report
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.stores import (
    landing_pipe,
    open_landed_listener,
    open_micro_batches,
)
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingListener

_log = logging.getLogger(__name__)

_STREAM_THREADS: Final = 2
_OTHER_THREADS: Final = 1
_LOOK_SECONDS: Final = 30.0
"""How long a landing may go unnoticed after its notification was lost."""
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


async def follow(settings: Settings, sources: Iterable[MarketSource]) -> None:
    """Keep the hot copies of `sources` up to date with their logs, until cancelled.

    Raises:
        UsageError: The live bus's client is not installed.
    """
    batches = open_micro_batches(settings)
    if batches.announcer is not None:
        batches.announcer.open()
    streams, others = ThreadPoolExecutor(_STREAM_THREADS), ThreadPoolExecutor(_OTHER_THREADS)
    followers = {
        source.name: _Follower(
            HotLane(batches, source),
            streams if source.feed.protocol is WireProtocol.WEBSOCKET else others,
        )
        for source in sources
    }

    def heard(source_name: str) -> None:
        if source_name in followers:
            followers[source_name].landed.set()

    listener = LandingListener(landing_pipe(settings))
    listener.listen(heard)
    elsewhere = open_landed_listener(settings)
    try:
        async with asyncio.TaskGroup() as group:
            for name, follower in followers.items():
                group.create_task(follower.run(), name=name)
            if elsewhere is not None:
                group.create_task(elsewhere.listen(heard), name="landed elsewhere")
            if batches.announcer is not None:
                group.create_task(report(settings.home, batches.announcer.announcements))
    finally:
        listener.close()


class _Follower:
    """Runs one source's lane for ever, on the threads of an executor."""

    def __init__(self, lane: HotLane, threads: Executor) -> None:
        self.landed = asyncio.Event()
        self._lane = lane
        self._threads = threads
        self._failures = 0

    async def run(self) -> None:
        """Step while there is something to do, then wait for news; longer after a failure."""
        while True:
            self.landed.clear()
            try:
                is_more = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._lane.step
                )
            except (Exception, PanicException) as error:  # noqa: BLE001 (the other sources go on)
                await self._back_off(error)
                continue
            self._failures = 0
            if not is_more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self.landed.wait()

    async def _back_off(self, error: BaseException) -> None:
        self._failures += 1
        pause = pause_seconds(
            self._failures,
            first_seconds=_FIRST_PAUSE_SECONDS,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
        )
        name, is_known = self._lane.source.name, isinstance(error, EnergyPlatformError)
        _log.warning(
            "%s: %s; again in %.1f s", name, error, pause, exc_info=None if is_known else error
        )
        await asyncio.sleep(pause)
