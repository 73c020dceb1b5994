"""A source's feed against its simulated provider, on real sockets, compared with the journal."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import polars as pl

from energy_platform.errors import FeedError
from energy_platform.feeds.http import HttpLimits
from energy_platform.feeds.polling import PollingFeed
from energy_platform.history.revisions import new_revisions
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows, check_messages
from simulator.faults import Fault, FaultKind
from simulator.server import running
from simulator.world import OpenProvider, SimulatedProvider, World
from tests.support.comparison import Comparison, compare
from tests.support.feeds import MemorySession, a_session
from tests.support.running_feeds import until


@asynccontextmanager
async def polled(
    world: World,
    provider: OpenProvider,
    source: MarketSource,
    session: MemorySession,
    *,
    every: float = 0.1,
) -> AsyncIterator[SimulatedProvider]:
    """Run a provider, and a source's feed that asks it every few seconds, for the context's length.

    The feed is started again, from its cursor, whenever it fails.
    """
    assert isinstance(source.feed, PollingFeed)
    limits = HttpLimits(timeout=timedelta(seconds=20))
    market_time = timedelta(seconds=every * world.clock.speed)
    feed = replace(source.feed, every=market_time, limits=limits)

    async def again_and_again() -> None:
        while True:
            with contextlib.suppress(FeedError):
                await feed.run(session)
            await asyncio.sleep(0.05)

    async with running(world, [provider]) as [opened]:
        asking = asyncio.create_task(again_and_again())
        try:
            yield opened
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking


async def suffer(world: World, source: MarketSource, *kinds: FaultKind) -> None:
    """Let a provider commit these faults one after the other, and wait until it has."""
    for kind in kinds:
        world.faults.ask(source.name, Fault(kind))
        await until(lambda: not world.faults.pending(source.name))


def checked(source: MarketSource, session: MemorySession) -> CheckedRows:
    """Return the checked rows of all that landed."""
    return check_messages(
        source,
        [replace(message, landing_offset=offset) for offset, message in enumerate(session.landed)],
    )


def compared(source: MarketSource, world: World, session: MemorySession) -> Comparison:
    """Compare what a warehouse would hold with the journal.

    A journal may reach further back than the feed has ever asked; such rows don't count as lost.
    """
    rows = checked(source, session).rows
    found = compare(source, world.journal, new_revisions(rows, rows.clear(), source))
    if rows.is_empty():
        return found
    asked = pl.col(source.event_time) >= rows[source.event_time].sort()[0]
    return replace(found, lost=found.lost.filter(asked), stale=found.stale.filter(asked))


async def settles(source: MarketSource, world: World, session: MemorySession) -> Comparison:
    """Freeze the market and wait until all that it shows has landed; return the comparison.

    Raises:
        TimeoutError: Something is still missing after a while.
    """
    world.clock.freeze()
    async with asyncio.timeout(180):
        while True:
            # In a thread, because the event loop carries further messages.
            comparison = await asyncio.to_thread(compared, source, world, session)
            if comparison.stored and comparison.stale.is_empty():
                return comparison
            await asyncio.sleep(0.2)


def new_session(world: World, source: MarketSource) -> MemorySession:
    """Return a session for a source's feed that reaches the world in place of the market."""
    return a_session(world, source.name)
