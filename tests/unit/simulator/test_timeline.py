"""A timeline says the same whoever asks and whenever, and journals each statement once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from simulator.first_slots import so_long_before
from simulator.journal import Row
from simulator.timeline import (
    Corrections,
    Schedule,
    Timeline,
    Values,
    after_each,
    day_before,
)
from simulator.world import Pace, World
from tests.support.feeds import a_world

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def a_timeline(world: World, schedule: Schedule, *, corrected: float = 0.0) -> Timeline:
    return Timeline(
        world=world,
        source="a_load",
        series=[{"bidding_zone": zone} for zone in ("AT", "CZ")],
        values=lambda _: {"load_mw": Values(mean=500, daily=100, noise=50, lowest=0)},
        resolution=QUARTER,
        schedule=schedule,
        reach=2 * timedelta(days=1),
        first_slot=so_long_before(timedelta(days=5)),
        rows=lambda statements: statements.select(
            "bidding_zone", "load_mw", delivery_start="slot", delivery_end=pl.col("slot") + QUARTER
        ),
        corrections=Corrections(share=corrected, after=HOUR) if corrected else None,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path, origin=NOON)


def test_a_first_statement_is_journalled_though_a_later_one_changed_nothing(world: World) -> None:
    still = replace(
        a_timeline(world, after_each(HOUR, 2 * HOUR)),
        values=lambda _: {"load_mw": Values(mean=-1_000, lowest=0)},
        reach=4 * HOUR,
        first_slot=so_long_before(20 * HOUR),
    )
    journalled = {row["delivery_start"] for row in still.news(NOON)}
    still.journalled(NOON)
    # As far back as a feed may ask, where it asks for whole days.
    seen = still.visible(NOON - 20 * HOUR, NOON)
    assert journalled == set(seen["slot"])


def test_what_is_shown_of_before_the_first_slot_is_journalled_once(world: World) -> None:
    timeline = a_timeline(world, after_each(HOUR))
    timeline.journalled(NOON)
    start = NOON - timedelta(days=6)
    seen, again = (timeline.visible(start, start + HOUR, bidding_zone="AT") for _ in range(2))
    timeline.visible(NOON - 3 * HOUR, NOON)
    assert seen.equals(again)
    [emission] = world.journal.emissions("a_load")
    assert emission.market_at == NOON, "a restarted provider goes on from here"
    assert [row["load_mw"] for row in emission.rows] == seen["load_mw"].to_list()
    assert {row["bidding_zone"] for row in emission.rows} == {"AT"}


def test_a_value_is_seen_from_its_hour_on(world: World) -> None:
    timeline = a_timeline(world, after_each(HOUR))
    seen = timeline.visible(NOON - 3 * HOUR, NOON)
    assert seen["slot"].max() == NOON - HOUR
    assert seen.height == 2 * 9
    assert timeline.visible(NOON - 3 * HOUR, NOON, bidding_zone="AT").height == 9


def test_any_window_says_what_any_other_says(world: World, tmp_path: Path) -> None:
    wide = a_timeline(world, after_each(HOUR), corrected=0.5).stated(NOON - 8 * HOUR, NOON)
    again = a_timeline(a_world(tmp_path / "again", origin=NOON), after_each(HOUR), corrected=0.5)
    narrow = again.stated(NOON - 4 * HOUR, NOON - 2 * HOUR, bidding_zone="CZ")
    assert wide.join(narrow, on=wide.columns, how="semi").height == narrow.height > 8


def test_a_correction_is_another_value_seen_later(world: World) -> None:
    stated = a_timeline(world, after_each(HOUR), corrected=0.5).stated(NOON, NOON + 24 * HOUR)
    corrected = stated.filter(pl.col("revision") == 1)
    assert 48 < corrected.height < 144
    pairs = corrected.join(
        stated.filter(pl.col("revision") == 0), on=["series", "slot"], suffix="_before"
    )
    assert pairs.height == corrected.height
    assert (pairs["load_mw"] != pairs["load_mw_before"]).all()
    assert (pairs["stated_at"] - pairs["stated_at_before"]).unique().to_list() == [HOUR]


def test_a_day_ahead_is_stated_at_local_time_also_when_clocks_change(world: World) -> None:
    timeline = a_timeline(world, day_before(time(12, 45), "Europe/Berlin"))
    stated = timeline.stated(NOON - timedelta(days=2), NOON + timedelta(days=2), bidding_zone="AT")
    counts = dict(stated.group_by("stated_at").len().iter_rows())
    assert counts[datetime(2026, 3, 28, 11, 45, tzinfo=UTC)] == 92
    assert counts[datetime(2026, 3, 29, 10, 45, tzinfo=UTC)] == 96


async def test_the_journal_holds_each_statement_once_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    clock = a_world(tmp_path, origin=NOON, speed=3600, pace=Pace(beat=timedelta(seconds=0.1))).clock
    asked = list[datetime]()
    news = Timeline.news

    def noted(timeline: Timeline, until: datetime) -> Sequence[Row]:
        asked.append(until)
        return news(timeline, until)

    monkeypatch.setattr(Timeline, "news", noted)

    async def run_for(seconds: float) -> World:
        world = replace(
            a_world(tmp_path, origin=NOON, pace=Pace(beat=timedelta(seconds=0.1))), clock=clock
        )
        timeline = a_timeline(world, after_each(HOUR), corrected=0.3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await timeline.run()
        return world

    await run_for(0.2)
    await asyncio.sleep(2)
    asked.clear()
    world = await run_for(0.5)
    assert 0 < len(asked) < 10, "what the break missed comes at once"
    rows = [row for emission in world.journal.emissions("a_load") for row in emission.rows]
    last = world.journal.last_market_at("a_load")
    assert last is not None
    since = NOON - timedelta(days=1)
    expected = (
        a_timeline(world, after_each(HOUR), corrected=0.3)
        .stated(since, last)
        .filter(pl.col("stated_at") <= last)
    )
    found = pl.DataFrame(rows).filter(
        pl.col("delivery_start").str.to_datetime(time_unit="us", time_zone="UTC") >= since
    )
    assert found.height == expected.height
    assert found.is_unique().all()
