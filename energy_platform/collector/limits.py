"""Keeps the feeds of one provider, together, below its request rate and out of its bans."""

import asyncio
import time

from aiolimiter import AsyncLimiter


class ProviderLimits:
    """One limiter and one ban per provider, shared by all its feeds in this process."""

    def __init__(self) -> None:
        self._limiters: dict[str, AsyncLimiter] = {}
        self._banned_until: dict[str, float] = {}

    async def turn(self, provider: str, requests_per_second: float) -> None:
        """Wait until a ban is over and the rate allows one more request."""
        limiter = self._limiters.setdefault(
            provider, AsyncLimiter(max(1.0, requests_per_second), max(1.0, 1 / requests_per_second))
        )
        # A ban may begin while we wait for the rate to allow one more.
        while True:
            await self._ban_is_over(provider)
            await limiter.acquire()
            if self._banned_seconds(provider) <= 0:
                return

    def ban(self, provider: str, seconds: float) -> None:
        """Keep every feed of a provider away for so long; a shorter ban shortens nothing."""
        until = time.monotonic() + seconds
        self._banned_until[provider] = max(until, self._banned_until.get(provider, 0.0))

    async def _ban_is_over(self, provider: str) -> None:
        while (left := self._banned_seconds(provider)) > 0:
            await asyncio.sleep(left)

    def _banned_seconds(self, provider: str) -> float:
        return self._banned_until.get(provider, 0.0) - time.monotonic()
