"""What a running feed gets: market time, addresses, secrets, turns, a place to land.

The collector and a backfill give the same; they differ only in where bytes land, and whether there
is a cursor to continue from.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from energy_platform.errors import FeedError
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.simulated_market import SimulatedMarket, stand_in
from energy_platform.market.clock import MarketClock
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.settings import Markets, Settings

_log = logging.getLogger(__name__)

_SHORTEST_WAIT_SECONDS: Final = 1.0
"""The shortest wait of a feed in market time, however fast a simulated market runs."""

SIMULATED_SECRET: Final = "simulated"  # noqa: S105 (simulated markets ask for no other)


class Landing(Protocol):
    """Where a feed's messages become durable."""

    @property
    def cursor(self) -> str | None:
        """The cursor that was landed last."""

    async def land(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        """Return once messages and cursor are durable."""


def missing_environment(source: MarketSource, settings: Settings) -> list[str]:
    """Return the variables that a source's feed needs and this environment lacks."""
    if settings.markets is Markets.SIMULATED:
        return []
    return [name for name in source.required_environment if not os.environ.get(name)]


@dataclass(slots=True)
class MarketSession:
    """The `FeedSession` of one run of a feed.

    `require_right` raises if the feed may not ask its provider any more.
    """

    source_name: str
    state_directory: Path
    settings: Settings
    limits: ProviderLimits
    landing: Landing
    require_right: Callable[[], None] = field(default=lambda: None)
    _simulated: SimulatedMarket | None = field(init=False)

    def __post_init__(self) -> None:
        self._simulated = SimulatedMarket.of(self.settings)

    @classmethod
    def open(
        cls,
        source: MarketSource,
        settings: Settings,
        limits: ProviderLimits,
        landing: Landing,
        require_right: Callable[[], None] = lambda: None,
    ) -> "MarketSession":
        """Return a session for a source's feed, after creating its folder of caches."""
        state_directory = settings.home / "feeds" / source.name
        state_directory.mkdir(parents=True, exist_ok=True)
        return cls(source.name, state_directory, settings, limits, landing, require_right)

    @property
    def inbox(self) -> Path:
        """The folder in which files are dropped for this feed."""
        return Inbox.of(self.settings.home, self.source_name).folder

    @property
    def cursor(self) -> str | None:
        """The cursor that was landed last."""
        return self.landing.cursor

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        """Return once messages and cursor are durable."""
        await self.landing.land(messages, cursor)

    def now(self) -> datetime:
        """Return market time (UTC)."""
        clock = self._market_clock()
        return clock.now() if clock else datetime.now(UTC)

    @property
    def ca_file(self) -> Path | None:
        """Certificates to trust beside the system's."""
        return (self._simulated and self._simulated.certificate()) or self.settings.ca_file

    def address(self, url: str) -> str:
        """Return where `url` is really reached.

        Raises:
            FeedError: The market is simulated, and it has no stand-in for this URL.
        """
        stood_in = self._stand_in(url)
        if stood_in is not None or self._simulated is None:
            return stood_in or url
        if not (self._simulated.listens() or self.settings.addresses):
            raise FeedError("the simulated market does not listen")
        raise FeedError(f"the simulated market has no stand-in for {url}")

    def secret(self, variable: str) -> str:
        """Return an environment variable's value, or the stand-in of a simulated market.

        Raises:
            FeedError: The variable is not set.
        """
        if self.settings.markets is Markets.SIMULATED:
            stand_ins = {**self._simulated_addresses(), **self.settings.addresses}
            own = stand_ins.get(f"{self.source_name} {variable}")
            return own or stand_ins.get(variable, SIMULATED_SECRET)
        value = os.environ.get(variable)
        if not value:
            raise FeedError(f"needs {variable}")
        return value

    def wall_seconds(self, market_time: timedelta) -> float:
        """Return how long a span of market time lasts by the wall clock."""
        seconds = market_time.total_seconds()
        return max(seconds / self._market_speed(), min(seconds, _SHORTEST_WAIT_SECONDS))

    async def turn(self, provider: Provider) -> None:
        """Wait for a turn at a provider.

        Raises:
            FencedError: The right to ask was lost meanwhile.
        """
        await self.limits.turn(provider, self._market_speed())
        self.require_right()

    def ban(self, provider: Provider, seconds: float | None) -> None:
        """Keep all callers away from a provider for some seconds; by default, for its ban."""
        away = provider.ban.total_seconds() if seconds is None else seconds
        _log.warning("%s: staying away from %s for %.0f s", self.source_name, provider.name, away)
        self.limits.ban(provider, away)

    def _market_speed(self) -> float:
        clock = self._market_clock()
        return clock.speed if clock else 1.0

    def _stand_in(self, real: str) -> str | None:
        """Return what the settings name in place of an address, else what the simulator does."""
        chosen = stand_in(self.settings.addresses, self.source_name, real)
        return chosen or stand_in(self._simulated_addresses(), self.source_name, real)

    def _simulated_addresses(self) -> Mapping[str, str]:
        return self._simulated.addresses() if self._simulated else {}

    def _market_clock(self) -> MarketClock | None:
        return self._simulated.clock() if self._simulated else None
