"""Keeps the feeds of one provider, together, below its request rate and out of its bans."""

import asyncio
import time

from aiolimiter import AsyncLimiter

from energy_platform.provider import Provider


class ProviderLimits:
    """One limiter and one ban per provider, shared by all its feeds in this process."""

    def __init__(self) -> None:
        self._limiters: dict[str, list[AsyncLimiter]] = {}
        self._banned_until: dict[str, float] = {}

    async def turn(self, provider: Provider, speed: float = 1.0) -> None:
        """Wait until a ban is over and the rates allow one more request.

        In a market that runs at another `speed`, the rates do too.
        """
        limiters = self._limiters.setdefault(
            provider.name,
            [AsyncLimiter(r.requests, r.per.total_seconds() / speed) for r in provider.rates],
        )
        # A ban may begin while we wait for the rate to allow one more.
        while True:
            await self._ban_is_over(provider.name)
            for limiter in limiters:
                await limiter.acquire()
            if self._banned_seconds(provider.name) <= 0:
                return

    def ban(self, provider: Provider, seconds: float) -> None:
        """Keep every feed of a provider away for so long; a shorter ban shortens nothing."""
        until = time.monotonic() + seconds
        self._banned_until[provider.name] = max(until, self._banned_until.get(provider.name, 0.0))

    async def _ban_is_over(self, provider: str) -> None:
        while (left := self._banned_seconds(provider)) > 0:
            await asyncio.sleep(left)

    def _banned_seconds(self, provider: str) -> float:
        return self._banned_until.get(provider, 0.0) - time.monotonic()
