"""A collector of sources that a test's server feeds: python leased_collector.py URL SOURCE…

The server answers with the number after the one it is told. A source's feed asks a few times a
second, says which process it is, and lands each answer with the number as its cursor.
"""

import asyncio
import logging
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

import httpx

from energy_platform.ingest.collector import collect
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.raw_message import RawMessage
from energy_platform.settings import settings
from tests.support.sources import EXAMPLE

PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class CountingFeed:
    """Asks for the number after its cursor, again and again."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    url: str

    async def run(self, session: FeedSession) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                await session.turn(EXAMPLE.provider)
                asked = {"after": session.cursor or "0", "by": str(os.getpid())}
                answer = await client.get(f"{self.url}/{session.source_name}", params=asked)
                message = RawMessage(body=answer.content, received_at=datetime.now(UTC))
                await session.land([message], cursor=answer.text)
                await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    url, *names = sys.argv[1:]
    feed = CountingFeed(url)
    asyncio.run(collect(settings(), [replace(EXAMPLE, name=name, feed=feed) for name in names]))
