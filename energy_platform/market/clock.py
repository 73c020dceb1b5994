"""Market time: the wall clock on real markets, a clock of any speed on simulated ones.

The simulator keeps its clock in a file, and feeds read the same file, because they ask for windows
of market time. What happens in the market is decided elsewhere.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

_NAP_SECONDS: Final = 0.05


@dataclass(slots=True)
class MarketClock:
    """A clock that starts at `origin` and runs `speed` times as fast as the wall clock.

    Attributes:
        origin: Market time at the start.
        started_at: Wall time at the start.
        speed: Market seconds per wall second.
        frozen_at: Market time at which the clock was stopped, if it was.
    """

    origin: datetime
    started_at: datetime
    speed: float = 1.0
    frozen_at: datetime | None = None

    @staticmethod
    def load(file: Path) -> "MarketClock":
        """Return the clock that is kept in `file`."""
        return _KEPT.validate_json(file.read_bytes())

    def save(self, file: Path) -> None:
        """Keep this clock in `file`, for other processes and for the next start."""
        fresh = file.with_suffix(".new")
        fresh.write_bytes(_KEPT.dump_json(self))
        fresh.replace(file)

    @classmethod
    def resume(cls, file: Path, *, origin: datetime | None, speed: float) -> "MarketClock":
        """Continue the clock kept in `file`, so that a restart does not turn time back.

        A kept clock of another speed, or of another `origin` if one is given, is replaced.
        """
        now = datetime.now(UTC)
        if file.exists():
            clock = cls.load(file)
            if clock.speed == speed and origin in (None, clock.origin):
                return clock
        clock = cls(origin=origin or now, started_at=now, speed=speed)
        clock.save(file)
        return clock

    def now(self) -> datetime:
        """Return market time (UTC)."""
        if self.frozen_at is not None:
            return self.frozen_at
        return self.at(datetime.now(UTC))

    def at(self, wall: datetime) -> datetime:
        """Return the market time at an instant of wall time, past or future."""
        return self.origin + (wall - self.started_at) * self.speed

    def freeze(self) -> None:
        """Stop market time for good: nothing new happens, but every question is still answered."""
        self.frozen_at = self.now()

    async def sleep(self, market_time: timedelta) -> None:
        """Wait for a span of market time; wait for ever once the clock is frozen."""
        await self.sleep_until(self.now() + market_time)

    async def sleep_until(self, instant: datetime) -> None:
        """Wait until market time reaches `instant`; wait for ever once the clock is frozen."""
        while (missing := (instant - self.now()).total_seconds()) > 0 or self.frozen_at is not None:
            await asyncio.sleep(_NAP_SECONDS if self.frozen_at else min(missing / self.speed, 1.0))


_KEPT: Final = TypeAdapter(MarketClock)
