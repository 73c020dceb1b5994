"""A collector runs the feeds that it owns, and stops them by rule when it can't know any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.ingest.collector import ownership
from energy_platform.ingest.collector.ownership import Ownership
from energy_platform.ingest.collector.source_task import FeedState, SourceTask
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_leases
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.leases import Cells, LeaseStoreError, membership, owners
from energy_platform.storage.leases.cells import Cell
from tests.support.sources import EXAMPLE

ASKS_EVERY = 0.02


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases be ten times as short."""
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(ownership, "_WATCH_SECONDS", 0.05)
    monkeypatch.setattr(membership, "HOLD_SECONDS", 0.8)
    monkeypatch.setattr(membership, "TAKE_SECONDS", 0.9)


@dataclass
class Away:
    """Cells that can be away."""

    cells: Cells
    is_away: bool = False

    def read(self, name: str) -> Cell | None:
        self._answer()
        return self.cells.read(name)

    def write(self, name: str, text: bytes, *, seen: str | None) -> str | None:
        self._answer()
        return self.cells.write(name, text, seen=seen)

    def remove(self, name: str) -> None:
        self._answer()
        self.cells.remove(name)

    def _answer(self) -> None:
        if self.is_away:
            raise LeaseStoreError("away")


@dataclass(frozen=True)
class AskingFeed:
    """Asks the provider for its next number again and again, and lands it."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    asked: list[str]

    async def run(self, session: FeedSession) -> None:
        while True:
            await session.turn(EXAMPLE.provider)
            self.asked.append(session.source_name)
            number = str(int(session.cursor or 0) + 1)
            message = RawMessage(body=number.encode(), received_at=datetime.now(UTC))
            await session.land([message], cursor=number)
            await asyncio.sleep(ASKS_EVERY)


@dataclass
class Machine:
    """A machine with a home and a collector, which shares the landing zone with others."""

    settings: Settings
    sources: list[MarketSource]
    cells: Away

    @classmethod
    def at(cls, folder: Path, name: str, sources: list[MarketSource]) -> "Machine":
        settings = Settings(home=folder / name, landing=str(folder / "landing"), linger_seconds=0)
        return cls(settings, sources, Away(open_leases(settings)))

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[list[SourceTask]]:
        zone, limits = (
            LandingZone.open(self.settings.landing_url),
            ProviderLimits(self.settings.state),
        )
        jobs = [SourceTask(one, self.settings, zone, limits) for one in self.sources]
        running = asyncio.create_task(Ownership(self.cells, self.settings.home, jobs).run())
        try:
            yield jobs
        finally:
            running.cancel()
            await asyncio.wait([running])

    def has_landed(self, name: str, messages: int) -> bool:
        return len(self.landed(name)) == messages

    def landed(self, name: str) -> list[bytes]:
        log = LandingZone.open(self.settings.landing_url).log(name)
        return [one.body for one in log.read(0, log.end_offset())]


def sources(*names: str) -> tuple[list[str], list[MarketSource]]:
    asked: list[str] = []
    return asked, [replace(EXAMPLE, name=name, feed=AskingFeed(asked)) for name in names]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_no_provider_is_asked_while_the_leases_are_away(tmp_path: Path) -> None:
    asked, wanted = sources("one", "two")
    machine = Machine.at(tmp_path, "home", wanted)
    async with machine.collecting() as jobs:
        await until(lambda: set(asked) == {"one", "two"})
        machine.cells.is_away = True
        await until(lambda: all(job.status.state is FeedState.STANDBY for job in jobs))
        assert jobs[0].status.detail == "the leases can't be renewed"
        so_far = len(asked)
        await asyncio.sleep(0.3)
        assert len(asked) == so_far
        machine.cells.is_away = False
        await until(lambda: set(asked[so_far:]) == {"one", "two"})
    for name in ("one", "two"):
        landed = [int(body) for body in machine.landed(name)]
        assert landed == list(range(1, len(landed) + 1))


async def test_a_short_absence_of_the_leases_stops_nothing(tmp_path: Path) -> None:
    asked, wanted = sources("one")
    machine = Machine.at(tmp_path, "home", wanted)
    async with machine.collecting() as [job]:
        await until(lambda: bool(asked))
        machine.cells.is_away = True
        await asyncio.sleep(0.3)
        machine.cells.is_away = False
        await asyncio.sleep(0.6)
        assert job.status.state is FeedState.RUNNING


async def test_the_next_collector_of_a_home_does_not_wait_for_a_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "TAKE_SECONDS", 3_600.0)
    asked, wanted = sources("one")
    machine = Machine.at(tmp_path, "home", wanted)
    async with machine.collecting():
        await until(lambda: bool(asked))
        machine.cells.is_away = True  # so it can't leave politely
    before = len(asked)
    machine.cells.is_away = False
    async with machine.collecting():
        await until(lambda: len(asked) > before)


async def test_each_home_takes_its_own_dropped_files(tmp_path: Path) -> None:
    inbox = replace(EXAMPLE, feed=DropFolderFeed())
    one, other = (Machine.at(tmp_path, name, [inbox]) for name in ("one", "other"))
    async with one.collecting() as [mine]:
        await until(lambda: EXAMPLE.name in owners(one.cells))
        async with other.collecting() as [theirs]:
            for number, machine in enumerate((one, other, other, one)):
                put = Inbox.of(machine.settings.home, EXAMPLE.name).put
                put(b"%d" % number, sender="desk")
                await until(partial(one.has_landed, EXAMPLE.name, number + 1))
            assert mine.status.state is theirs.status.state is FeedState.RUNNING
    assert one.landed(EXAMPLE.name) == [b"0", b"1", b"2", b"3"]


async def test_a_collector_whose_loop_hung_asks_and_lands_nothing_when_it_wakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, wanted = sources("one")
    machine = Machine.at(tmp_path, "home", wanted)
    clock = {"ahead": 0.0}
    real = membership.seconds
    monkeypatch.setattr(
        membership.Membership.__init__, "__defaults__", (lambda: real() + clock["ahead"],)
    )
    async with machine.collecting():
        await until(lambda: len(asked) > 3)
        clock["ahead"] = 60.0  # as if it had slept, in this very moment
        so_far, landed = len(asked), len(machine.landed("one"))
        await asyncio.sleep(ASKS_EVERY * 3)
        assert len(asked) - so_far <= 1
        assert len(machine.landed("one")) - landed <= 1
