"""A process of its own that asks for turns at a provider, or bans it."""

import asyncio
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.provider import Provider, Rate

SHARED = Provider(
    name="Shared", rates=(Rate(5, timedelta(seconds=0.25)), Rate(15, timedelta(seconds=1)))
)


def start_asker(home: Path) -> subprocess.Popen[str]:
    """Start a process that takes turns until it is killed, and prints when it had each."""
    return subprocess.Popen(
        [sys.executable, __file__, str(home)], stdout=subprocess.PIPE, text=True
    )


async def _ask(home: Path) -> None:
    limits = ProviderLimits(home)
    while True:
        await limits.turn(SHARED)
        print(time.time(), flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    asyncio.run(_ask(Path(sys.argv[1])))
