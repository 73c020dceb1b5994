"""The simulated desk's files, taken by the real feed and parser, say what its journal says."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.market.registry import market_source
from energy_platform.pipeline.checks import check_messages
from energy_platform.positions import open_position
from simulator.faults import Fault, FaultKind
from simulator.providers.desk import Desk
from simulator.server import running
from tests.support.comparison import journalled_rows
from tests.support.feeds import a_session, a_world

NOON = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
"""The hour that comes twice is near."""
FEED = DropFolderFeed(every=timedelta(milliseconds=20), settle=timedelta())


async def taken(folder: Path, *, seconds: float, origin: datetime = NOON) -> pl.DataFrame:
    """Return what the feed and the parser make of a desk that runs for a while, failures too."""
    source = market_source("position")
    world = a_world(folder, origin=origin, speed=1_200)
    for kind in (FaultKind.BAD_ROW, FaultKind.MALFORMED):
        world.faults.ask("position", Fault(kind))
    session = a_session(world, "position")
    feeding = asyncio.create_task(FEED.run(session))
    async with running(world, [Desk]):
        await asyncio.sleep(seconds)
        world.clock.freeze()
        await asyncio.sleep(0.5)  # the beat that is under way drops its files
        async with asyncio.timeout(20):
            while any(session.inbox.iterdir()):
                await asyncio.sleep(0.05)
    feeding.cancel()
    with suppress(asyncio.CancelledError):
        await feeding
    landed = [replace(one, landing_offset=place) for place, one in enumerate(session.landed)]
    checked = check_messages(source, landed)
    assert sorted(checked.quarantined["check"]) == ["parse", "part"]
    said = [*source.key, *source.value_columns]
    journal = journalled_rows(source, world.journal).select(said).unique()
    missing = journal.join(checked.rows.select(said), on=said, how="anti")
    invented = checked.rows.select(said).join(journal, on=said, how="anti")
    assert missing.is_empty(), missing
    assert invented.is_empty(), invented
    return checked.rows


async def test_what_is_dropped_is_what_was_journalled(tmp_path: Path) -> None:
    rows = await taken(tmp_path, seconds=2.0)
    assert set(rows["portfolio"]) == {"wind-north", "solar-south", "trading"}
    assert set(rows["kind"]) == {"schedule", "contract", "generation_forecast", "load_forecast"}
    assert rows.filter(kind="load_forecast").filter(pl.col("power_mw") >= 0).is_empty()
    opened = open_position(rows)
    quarters = opened.group_by("portfolio", "area").len()["len"].to_list()
    assert min(quarters) >= 92
    large = opened.filter(pl.col("open_mw").abs() > 0)["open_mw"].abs().to_list()
    assert large
    assert max(large) < 200


async def test_forecasts_are_revised_and_a_restart_goes_on(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    desk = Desk(world)
    key = ["name", "delivery_start"]
    runs = [
        pl.DataFrame(list(desk.rows(NOON + late, is_first=True))).filter(
            kind="generation_forecast", name="Windpark Nordsee"
        )
        for late in (timedelta(), timedelta(minutes=15))
    ]
    both = runs[0].join(runs[1], on=key)
    assert (both["power_mw"] != both["power_mw_right"]).any()
    assert list(Desk(world).rows(NOON)) == list(desk.rows(NOON)), "a beat alone says what is said"
