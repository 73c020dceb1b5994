"""What a feed lands is durable when it is told so, and in the order in which it came."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from energy_platform.errors import FencedError
from energy_platform.ingest.collector import lander as module
from energy_platform.ingest.collector.lander import Lander
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingWriter, LandingZone
from tests.support.sources import NOON

SOURCE = "example_price"
LONG_SECONDS = 3_600.0


@dataclass
class Gate:
    """A real log's writer that waits to be let through, and may be broken."""

    writer: LandingWriter
    appended: list[tuple[int, str | None]] = field(default_factory=list)
    error: Exception | None = None
    opened: threading.Event = field(default_factory=threading.Event)

    @property
    def cursor(self) -> str | None:
        return self.writer.cursor

    def append(self, messages: Sequence[RawMessage], cursor: str | None) -> range:
        assert self.opened.wait(60)
        if self.error is not None:
            raise self.error
        self.appended.append((len(messages), cursor))
        return self.writer.append(messages, cursor)


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone.open(tmp_path.as_uri())


@pytest.fixture
def gate(zone: LandingZone) -> Gate:
    return Gate(zone.writer(SOURCE))


def message(body: bytes) -> RawMessage:
    return RawMessage(body=body, received_at=NOON)


def landed(zone: LandingZone) -> list[bytes]:
    log = zone.log(SOURCE)
    return [one.body for one in log.read(0, log.end_offset())]


@asynccontextmanager
async def running(gate: Gate, *, linger_seconds: float = 0.0) -> AsyncIterator[Lander]:
    """Run a lander; whatever ends it early is raised at the end."""
    lander = Lander(cast("LandingWriter", gate), linger_seconds=linger_seconds)
    task = asyncio.create_task(lander.run())
    try:
        yield lander
    finally:
        gate.opened.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_landing_returns_when_durable_and_not_before(zone: LandingZone, gate: Gate) -> None:
    async with running(gate) as lander:
        landing = asyncio.create_task(lander.land([message(b"a")], "1"))
        await settle()
        assert not landing.done()
        assert landed(zone) == []
        gate.opened.set()
        await landing
        assert landed(zone) == [b"a"]
        assert (lander.cursor, lander.landed_messages) == ("1", 1)


async def test_what_came_while_a_segment_was_written_is_the_next_one(
    zone: LandingZone, gate: Gate
) -> None:
    async with running(gate) as lander:
        first = asyncio.create_task(lander.land([message(b"first")], "0"))
        await settle()
        others = [
            asyncio.create_task(lander.land([message(b"%d" % n)], str(n))) for n in range(1, 50)
        ]
        await settle()
        gate.opened.set()
        await asyncio.gather(first, *others)
    assert gate.appended == [(1, "0"), (49, "49")]
    assert landed(zone) == [b"first", *(b"%d" % n for n in range(1, 50))]


async def test_lingering_gathers_landings_that_come_one_by_one(gate: Gate) -> None:
    gate.opened.set()
    async with running(gate, linger_seconds=0.5) as lander:
        landings = []
        for n in range(5):
            landings.append(asyncio.create_task(lander.land([message(b"%d" % n)], str(n))))
            await settle()
        await asyncio.gather(*landings)
    assert sum(count for count, _ in gate.appended) == 5
    assert len(gate.appended) < 5


async def test_a_full_segment_does_not_linger(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEGMENT_BYTES", 10)
    gate.opened.set()
    async with running(gate, linger_seconds=LONG_SECONDS) as lander:
        small = asyncio.create_task(lander.land([message(b"12345")], None))
        await settle()
        assert not small.done()
        await lander.land([message(b"67890")], None)
        await small
        await lander.land([message(b"1234567890")], None)
    assert gate.appended == [(2, None), (1, None)]


async def test_a_slow_landing_zone_holds_the_feed_up(
    zone: LandingZone, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUEUED_LANDINGS", 3)
    async with running(gate) as lander:
        landings = [asyncio.create_task(lander.land([message(b"%d" % n)], None)) for n in range(10)]
        await settle()
        assert lander._queue.qsize() <= 3
        gate.opened.set()
        await asyncio.gather(*landings)
    assert landed(zone) == [b"%d" % n for n in range(10)]


async def test_an_error_reaches_everyone_who_waits(
    zone: LandingZone, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUEUED_LANDINGS", 2)
    gate.error = FencedError("another writer")
    async with running(gate) as lander:
        landings = [asyncio.create_task(lander.land([message(b"a")], "1")) for _ in range(6)]
        await settle()
        gate.opened.set()
        outcomes = await asyncio.gather(*landings, return_exceptions=True)
        assert outcomes == [gate.error] * 6
        with pytest.raises(FencedError):
            await lander.land([message(b"too late")], None)
    assert landed(zone) == []


async def test_an_error_ends_the_lander(gate: Gate) -> None:
    gate.error = OSError("disk full")
    gate.opened.set()
    lander = Lander(cast("LandingWriter", gate), linger_seconds=0)
    run = asyncio.create_task(lander.run())
    with pytest.raises(OSError, match="disk full"):
        await lander.land([message(b"a")], "1")
    with pytest.raises(OSError, match="disk full"):
        await run
    assert lander.cursor is None


async def test_a_waiter_that_was_cancelled_holds_up_nobody(zone: LandingZone, gate: Gate) -> None:
    async with running(gate) as lander:
        given_up = asyncio.create_task(lander.land([message(b"a")], None))
        kept = asyncio.create_task(lander.land([message(b"b")], None))
        await settle()
        given_up.cancel()
        gate.opened.set()
        await kept
    assert landed(zone) == [b"a", b"b"]


async def test_cursors(zone: LandingZone, gate: Gate) -> None:
    gate.opened.set()
    async with running(gate) as lander:
        await lander.land([message(b"a")], "1")
        await lander.land([message(b"b")], None)
        assert lander.cursor == "1"
        # Nothing landed under it, so it is remembered here and written with the next message.
        await lander.land([], "2")
        assert lander.cursor == "2"
        assert zone.writer(SOURCE).cursor == "1"
        await lander.land([], None)
        await lander.land([message(b"c")], None)
    assert gate.appended == [(1, "1"), (1, "1"), (1, "2")]
    restarted = Lander(zone.writer(SOURCE), linger_seconds=0)
    assert restarted.cursor == "2"


async def test_the_last_cursor_of_a_segment_wins(gate: Gate) -> None:
    async with running(gate) as lander:
        landings = [
            asyncio.create_task(lander.land([message(b"a")] if cursor != "3" else [], cursor))
            for cursor in ("1", "2", "3", None)
        ]
        await settle()
        gate.opened.set()
        await asyncio.gather(*landings)
    assert gate.appended[-1][1] == "3"
