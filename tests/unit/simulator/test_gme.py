"""GME's simulated side, met by the real feed and the real parser by FTP with implicit TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.sources.gme_day_ahead_price import GME_DAY_AHEAD_PRICE as SOURCE
from energy_platform.sources.gme_day_ahead_price import is_current
from simulator.faults import Fault, FaultKind
from simulator.ftp_server import certificate
from simulator.providers.gme import PROVIDER, editions, hourly, prices
from simulator.server import running
from simulator.world import World
from tests.support.comparison import compare, journalled_rows
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import comes_true, run_until
from tests.support.simulated_feed import checked

assert isinstance(SOURCE.feed, FtpFeed)
BEFORE_THE_AUCTION = datetime(2026, 3, 28, 11, 30, tzinfo=UTC)
"""The auction of the day on which clocks go forward is at 11:58 UTC."""


def feed(world: World) -> FtpFeed:
    assert isinstance(SOURCE.feed, FtpFeed)
    quick = timedelta(seconds=0.2)
    return replace(SOURCE.feed, settle=quick, answer_seconds=5.0)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[None]:
    """Run the server, from when it takes connections."""
    async with running(world, [PROVIDER]):
        yield


def a_client(world: World) -> MemorySession:
    return replace(a_session(world, SOURCE.name), ca_file=certificate(world))


def assert_same(world: World, session: MemorySession) -> None:
    found = compare(SOURCE, world.journal, checked(SOURCE, session).rows)
    assert found.journalled > 0
    assert found.stale.is_empty()
    assert found.invented.is_empty()


async def test_what_is_published_lands_and_is_the_journal_s(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_AUCTION, speed=600.0)
    session = a_client(world)
    async with served(world):
        running_feed = asyncio.create_task(feed(world).run(session))
        while not any("20260329" in one.context["url"] for one in session.landed):
            await asyncio.sleep(0.1)
        world.clock.freeze()
        await comes_true(lambda: assert_same(world, session))
        running_feed.cancel()
        await asyncio.gather(running_feed, return_exceptions=True)
    spring = checked(SOURCE, session).rows.filter(
        pl.col("delivery_start").dt.convert_time_zone("Europe/Rome").dt.date() == date(2026, 3, 29)
    )
    sizes = spring.filter(bidding_zone="PUN").group_by("market_time_unit").len().sort("len")
    assert sizes.rows() == [("PT60M", 23), ("PT15M", 92)]
    assert checked(SOURCE, session).quarantined.is_empty()


async def test_a_restart_of_both_sides_loses_and_doubles_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_AUCTION)
    session = a_client(world)
    async with served(world):
        await run_until(feed(world), session, lambda: len(session.landed) >= 3)
    emitted = journalled_rows(SOURCE, world.journal).height
    async with served(world):
        await asyncio.sleep(0.5)
        assert journalled_rows(SOURCE, world.journal).height == emitted
        with pytest.raises(TimeoutError):
            await run_until(feed(world), session, lambda: len(session.landed) > 3, seconds=2.0)
        assert_same(world, session)


async def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    session = a_client(world)
    session.secrets["GME_FTP_PASSWORD"] = "hunter2"
    async with served(world):
        with pytest.raises(FeedError, match="530") as raised:
            await feed(world).run(session)
    assert "hunter2" not in str(raised.value)


async def test_a_market_may_ask_for_a_password_of_its_own(tmp_path: Path) -> None:
    asked = {"GME_FTP_USERNAME": "us", "GME_FTP_PASSWORD": "hunter2"}
    world = replace(a_world(tmp_path), secrets=asked)
    session = a_client(world)
    session.secrets.update(asked)
    async with served(world):
        await run_until(feed(world), session, lambda: len(session.landed) >= 1)


@pytest.mark.parametrize(
    "kind", [FaultKind.TRUNCATED, FaultKind.HALF_WRITTEN_FILE, FaultKind.DUPLICATE]
)
async def test_a_fault_loses_nothing(tmp_path: Path, kind: FaultKind) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_AUCTION)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(kind, seconds=1.0))
    async with served(world):
        patient = replace(feed(world), every=timedelta(seconds=0.2), patience=100)
        await run_until(patient, session, lambda: len(session.landed) >= 3)
        assert_same(world, session)
    assert world.faults.pending(SOURCE.name) == 0


async def test_garbage_and_a_bad_row_are_quarantined_alone(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=BEFORE_THE_AUCTION)
    session = a_client(world)
    world.faults.ask(SOURCE.name, Fault(FaultKind.MALFORMED))
    world.faults.ask(SOURCE.name, Fault(FaultKind.BAD_ROW, count=4))  # every edition there is
    async with served(world):
        eager = replace(feed(world), every=timedelta(seconds=0.2))
        await run_until(eager, session, lambda: checked(SOURCE, session).quarantined.height >= 4)
        await comes_true(lambda: assert_same(world, session))
    reasons = checked(SOURCE, session).quarantined["reason"].to_list()
    assert any("no Prezzi or Prezzi15 rows" in reason for reason in reasons)
    assert any("price_eur_per_mwh = 99999.0" in reason for reason in reasons)
    newcomer = a_client(world)
    async with served(world):  # it shows the same again, though no fault asks for it now
        await run_until(feed(world), newcomer, lambda: len(newcomer.landed) >= 3)
        assert_same(world, newcomer)


def test_hours_are_the_means_of_their_quarter_hours(tmp_path: Path) -> None:
    quarters = prices(a_world(tmp_path), date(2026, 10, 25), 0)
    hours = hourly(quarters)
    assert (quarters.height, hours.height) == (100, 25)
    first = quarters["NORD"][:4].to_list()
    assert hours["NORD"][0] == pytest.approx(sum(first) / 4, abs=1e-6)


def test_an_edition_is_written_once() -> None:
    start = datetime(2026, 3, 25, tzinfo=UTC)
    whole = list(editions(start, start + timedelta(days=6)))
    parts = [
        edition
        for hour in range(6 * 24)
        for edition in editions(start + timedelta(hours=hour), start + timedelta(hours=hour + 1))
    ]
    assert whole == parts
    assert {edition.number for edition in whole} == {0, 1}


@pytest.mark.parametrize(
    ("name", "followed"),
    [
        ("20260329MGPPrezzi.xml", True),
        ("20260322MGPPrezzi15.xml", True),
        ("20260320MGPPrezzi.xml", False),
        ("MGPPrezzi_20260329.xml", False),
    ],
)
def test_only_the_last_days_are_followed(name: str, *, followed: bool) -> None:
    assert is_current(name, datetime(2026, 3, 28, 12, tzinfo=UTC)) is followed
