"""A process of its own that asks for turns at a provider, or bans it."""

import asyncio
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.provider import Provider, Rate
from energy_platform.settings import StatePlace

SHARED = Provider(
    name="Shared", rates=(Rate(5, timedelta(seconds=0.25)), Rate(15, timedelta(seconds=1)))
)


def start_asker(place: StatePlace, *, fast_seconds: float = 0.0) -> subprocess.Popen[str]:
    """Start a process that takes turns until it is killed, and prints when it had each.

    Args:
        place: Where the state is.
        fast_seconds: By how much the clock of its machine is fast.
    """
    url = "" if place.url is None else place.url.get_secret_value()
    return subprocess.Popen(
        [sys.executable, __file__, str(place.home), url, str(fast_seconds)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


async def _ask(place: StatePlace, fast_seconds: float) -> None:
    limits, now = ProviderLimits(place), time.time
    time.time = lambda: now() + fast_seconds
    while True:
        await limits.turn(SHARED)
        print(now(), flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    home, url, fast = sys.argv[1:]
    asyncio.run(_ask(StatePlace(Path(home), SecretStr(url) if url else None), float(fast)))
