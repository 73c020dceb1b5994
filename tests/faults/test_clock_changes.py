"""Both changes of clocks pass while feeds ask: each row bears its instant, and none is missing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.source import MarketSource
from energy_platform.sources.ceps_load import CEPS_LOAD
from energy_platform.sources.elexon_frequency import ELEXON_FREQUENCY
from simulator.providers import ceps, elexon
from simulator.world import OpenProvider, Pace
from tests.support.feeds import a_world
from tests.support.simulated_feed import checked, new_session, polled, settles

BEFORE, AFTER = timedelta(minutes=20), timedelta(minutes=50)


@pytest.mark.parametrize(
    "change",
    [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    ids=["spring", "autumn"],
)
@pytest.mark.parametrize(
    ("source", "provider"),
    [
        pytest.param(CEPS_LOAD, ceps.PROVIDER, id="Prague"),
        pytest.param(ELEXON_FREQUENCY, elexon.PROVIDER, id="London", marks=pytest.mark.nightly),
    ],
)
async def test_a_change_of_clocks_passes_live(
    tmp_path: Path, source: MarketSource, provider: OpenProvider, change: datetime
) -> None:
    quick = Pace(beat=timedelta(seconds=0.5))
    world = a_world(tmp_path, origin=change - BEFORE, speed=600, pace=quick)
    session = new_session(world, source)
    async with polled(world, provider, source, session):
        while world.clock.now() < change + AFTER:
            await asyncio.sleep(0.05)
        found = await settles(source, world, session)
    assert found.invented.is_empty()
    assert found.doubled == 0
    result = checked(source, session)
    assert result.quarantined.is_empty()
    told = result.rows.filter(
        pl.col(source.event_time).is_between(change - timedelta(hours=1), change, closed="left")
    )
    after = result.rows.filter(pl.col(source.event_time) >= change)
    assert not told.is_empty()
    assert not after.is_empty()
