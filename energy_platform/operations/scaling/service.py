"""Looks how much there is to do, decides, and sets the pools; again and again.

Whatever can't be read or set is left as it is until the next look: an outage of Cloud Run, of the
broker or of the warehouse changes no count.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.operations.scaling.decision import (
    AT_FIRST,
    Load,
    Memory,
    Policy,
    collectors_wanted,
    decide,
    workers_wanted,
)
from energy_platform.operations.scaling.load import BrokerRuns, load_of
from energy_platform.operations.scaling.pools import CloudRunPools, Pools
from energy_platform.operations.status import source_statuses
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import Settings

LOOK_SECONDS: Final = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one look has decided of a pool, or why it has decided nothing."""

    pool: str
    before: int | None
    after: int | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A pool that is scaled: its bounds, and how many instances a load takes where some run."""

    policy: Policy
    wanted: Callable[[Load, int], int]


class Scaler:
    """Scales pools.

    Args:
        pools: Reads and sets them.
        look: Returns what there is to do.
        scaled: The pools, by name.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        pools: Pools,
        look: Callable[[], Load],
        scaled: Mapping[str, Scaled],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pools = pools
        self._look = look
        self._scaled = scaled
        self._clock = clock
        self._memories: dict[str, Memory] = {}

    def round(self) -> list[Decision]:
        """Look once, and set what needs it."""
        try:
            load = self._look()
        except EnergyPlatformError as error:
            # What was calm may not be any more.
            self._memories.clear()
            _log.warning("nothing is scaled: %s", error)
            return [
                Decision(pool=name, before=None, after=None, trouble=str(error))
                for name in self._scaled
            ]
        return [self._decided(name, scaled, load) for name, scaled in self._scaled.items()]

    def _decided(self, name: str, scaled: Scaled, load: Load) -> Decision:
        before: int | None = None
        # Whatever fails, the next look begins a calm time anew.
        remembered = self._memories.pop(name, AT_FIRST)
        try:
            pool = self._pools.read(name)
            before = pool.count
            after, memory = decide(
                scaled.policy,
                remembered,
                now=self._clock(),
                running=before,
                wanted=scaled.wanted(load, before),
            )
            if after != before:
                self._pools.set_count(pool, after)
                _log.warning("%s: %d instances, now %d: %s", name, before, after, load)
        except EnergyPlatformError as error:
            _log.warning("%s stays as it is: %s", name, error)
            return Decision(pool=name, before=before, after=None, trouble=str(error))
        self._memories[name] = memory
        return Decision(pool=name, before=before, after=after)


def scaler_of(settings: Settings) -> Scaler:
    """Return the scaler that the settings describe.

    Raises:
        UsageError: They don't name the pools, or a broker.
    """
    if settings.scale_pools is None:
        raise UsageError("ENERGY_PLATFORM_SCALE_POOLS names no worker pools")
    if settings.broker_url is None:
        raise UsageError("ENERGY_PLATFORM_BROKER_URL names no broker, whose queue says what waits")
    batches, runs = micro_batches(), BrokerRuns(settings.broker_url)
    calm_seconds = settings.scale_calm_seconds
    return Scaler(
        CloudRunPools(settings.scale_pools),
        lambda: load_of(source_statuses(settings, batches), runs),
        {
            "worker": Scaled(
                Policy(
                    least=settings.scale_workers_least,
                    most=settings.scale_workers_most,
                    calm_seconds=calm_seconds,
                ),
                partial(workers_wanted, messages_per_worker=settings.batch_messages),
            ),
            "collector": Scaled(
                Policy(
                    least=settings.scale_collectors_least,
                    most=settings.scale_collectors_most,
                    calm_seconds=calm_seconds,
                ),
                collectors_wanted,
            ),
        },
    )


def serve(scaler: Scaler, stopped: threading.Event) -> None:
    """Scale until told to stop."""
    while not stopped.is_set():
        scaler.round()
        stopped.wait(LOOK_SECONDS)
