"""Whatever past a client asks a simulated provider for, the journal tells of it, and of no more.

Held over every source whose provider answers questions. Files, and objects of a bucket, are there
only once they are journalled; DWD's files of the last days say themselves that they are not.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from energy_platform.feeds.polling import PollingFeed
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from simulator.providers import (
    desk,
    dwd,
    energy_charts,
    gme,
    met_office,
    noaa,
    nord_pool,
    open_meteo,
)
from simulator.server import running
from simulator.world import OpenProvider, Pace, World, modelled_providers
from tests.support.feeds import MemorySession, a_world
from tests.support.simulated_feed import compared, new_session

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=200)
OPEN_METEO_KEEPS = timedelta(days=92)
CHUNKS = 2
SHOW_FILES_OR_STREAM = [each.PROVIDER for each in (desk, dwd, gme, met_office, noaa, nord_pool)]
ANSWERING = [each for each in modelled_providers() if each not in SHOW_FILES_OR_STREAM]
SMALLER: dict[OpenProvider, OpenProvider] = {
    energy_charts.PROVIDER: partial(energy_charts.PROVIDER, countries=("ch", "de"))
}


def asked_for_history(provider: OpenProvider, world: World) -> list[MarketSource]:
    sources = [market_source(name) for name in sorted(provider(world).models)]
    return [
        source
        for source in sources
        if isinstance(source.feed, PollingFeed) and source.feed.keeps_history
    ]


async def ask(source: MarketSource, session: MemorySession, start: datetime) -> None:
    """Ask for the first parts of a day's history of which there is any, as a backfill does."""
    assert isinstance(source.feed, PollingFeed)
    async with source.feed.history(session, start, start + timedelta(days=1)) as chunks:
        told = 0
        for chunk in chunks:
            messages = await chunk.fetch()
            await session.land(messages)
            told += bool(messages)
            if told == CHUNKS:
                break


@pytest.mark.parametrize("provider", ANSWERING, ids=lambda provider: provider.name)
async def test_a_past_that_is_asked_for_is_journalled(
    provider: OpenProvider, tmp_path: Path
) -> None:
    # The sessions of tests wait for no turn, so a quick machine asks more than providers admit.
    world = a_world(tmp_path, origin=NOON, pace=Pace(requests=1_000.0))
    sources = asked_for_history(provider, world)
    assert sources
    start = LONG_AGO if provider is not open_meteo.PROVIDER else NOON - OPEN_METEO_KEEPS
    async with running(world, [SMALLER.get(provider, provider)]):
        for source in sources:
            session = new_session(world, source)
            for _ in range(2):
                await ask(source, session, start)
            found = compared(source, world, session)
            assert found.stored > 0, source.name
            assert found.invented.is_empty(), found.invented.head(3).to_dicts()
            past = pl.col(source.event_time) < start + timedelta(days=30)
            assert found.lost.filter(past).is_empty(), found.lost.filter(past).head(3).to_dicts()
