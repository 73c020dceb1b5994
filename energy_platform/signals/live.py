"""Reading of a running platform, by the market's clock where that is not the wall's."""

from datetime import UTC, datetime, timedelta
from typing import Final

from energy_platform.operations.status import market_clock
from energy_platform.reading.asking import Clock
from energy_platform.reading.platform import Platform
from energy_platform.settings import Settings
from energy_platform.signals.histories import Reader

_SAME: Final = timedelta(seconds=1)


def reader_of(platform: Platform, settings: Settings, known: Clock = "received") -> Reader:
    """Return a reader of a platform's histories.

    Args:
        platform: The platform.
        settings: Say which market's clock counts.
        known: By whose clock rows are known, "received" or "published".
    """
    clock = market_clock(settings)
    is_wall = clock.speed == 1.0 and abs(clock.now() - datetime.now(UTC)) < _SAME
    return Reader(platform, known, None if is_wall else clock)
