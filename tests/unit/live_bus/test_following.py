"""`ep.follow` and `energy-platform follow`: rows as they come, and what was missed, told."""

import asyncio
import contextlib
import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.errors import LiveBusUnavailableError, UnknownSourceError, UsageError
from energy_platform.pipeline.hot_lane import missed_rows
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.reading import following
from energy_platform.settings import settings
from energy_platform.storage.live_bus import valkey
from energy_platform.storage.live_bus.protocol import LiveBus
from tests.support.commands import Command, command_in_process
from tests.support.live_bus import LiveBusProcess
from tests.support.sources import (
    EXAMPLE,
    NOON,
    QUARTER_HOUR,
    an_eventful_log,
    example_message,
    prices,
    quote,
)
from tests.support.stores import land, run_all, stored
from tests.support.valkey_process import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("example_known")

NAME = EXAMPLE.name
CONNECTS_SECONDS = 5.0


@pytest.fixture
def process(home: Path) -> Iterator[LiveBusProcess]:
    running = LiveBusProcess(home)
    yield running
    running.kill()


@pytest.fixture
def batches(process: LiveBusProcess) -> MicroBatches:
    """The home's stores, opened while its live bus runs."""
    opened = micro_batches()
    assert opened.announcer is not None
    return opened


@pytest.fixture
def lane(batches: MicroBatches) -> HotLane:
    """A lane that has said where it begins."""
    begun = HotLane(batches, EXAMPLE)
    begun.bring_up()
    return begun


class Reader:
    """One `ep.follow`, read update by update."""

    def __init__(self, **arguments: Any) -> None:
        self._updates = ep.follow(NAME, **arguments)
        self._next: asyncio.Task[ep.Update] | None = None

    async def begin(self, bus: LiveBus) -> None:
        """Begin to follow; a bus that runs knows of the follower by then."""
        before, began = followers_of(bus), time.monotonic()
        self._next = asyncio.ensure_future(self._first())
        while followers_of(bus) <= before and time.monotonic() - began < CONNECTS_SECONDS:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # from its connection to its first question

    async def next(self) -> ep.Update:
        task, self._next = self._next or asyncio.ensure_future(self._first()), None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await task

    async def is_idle(self) -> bool:
        self._next = self._next or asyncio.ensure_future(self._first())
        done, _ = await asyncio.wait([self._next], timeout=0.5)
        return not done

    async def end(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self._updates.aclose()

    async def _first(self) -> ep.Update:
        return await anext(self._updates)


def followers_of(bus: LiveBus) -> int:
    """Return how many follow a bus; none if it does not run."""
    with contextlib.suppress(LiveBusUnavailableError):
        return bus.figures().followers or 0
    return 0


@pytest.fixture
async def read(process: LiveBusProcess) -> AsyncIterator[Callable[..., Any]]:
    readers: list[Reader] = []

    async def begin(**arguments: Any) -> Reader:
        readers.append(Reader(**arguments))
        await readers[-1].begin(process.bus())
        return readers[-1]

    yield begin
    for one in readers:
        await one.end()


async def test_rows_come_typed_in_the_columns_of_the_table(
    batches: MicroBatches, lane: HotLane, read: Callable[..., Any]
) -> None:
    reader = await read()
    land(batches, an_eventful_log(30))
    lane.bring_up()
    run_all(batches)
    wanted = stored(batches)
    got = wanted.clear()
    while got.height < wanted.height:
        update = await reader.next()
        assert (update.kind, update.source) == ("rows", NAME)
        assert update.rows.schema == market_table(EXAMPLE).dtypes
        got = pl.concat([got, update.rows])
    by = ["landing_offset", *EXAMPLE.key]
    assert_frame_equal(got.sort(by, maintain_order=True), wanted)


async def test_it_resumes_from_the_cursor_of_an_update(
    batches: MicroBatches, lane: HotLane, read: Callable[..., Any]
) -> None:
    reader = await read()
    for price in range(4):
        land(batches, [quote(price)])
        lane.bring_up()
    cursors = [(await reader.next()).cursor for _ in range(4)]
    resumed = await read(since=cursors[1])
    assert [prices((await resumed.next()).rows) for _ in range(2)] == [[2.0], [3.0]]
    assert await resumed.is_idle()


@pytest.mark.parametrize("is_in_the_warehouse", [False, True])
async def test_what_was_missed_comes_as_a_snapshot(
    batches: MicroBatches,
    process: LiveBusProcess,
    lane: HotLane,
    read: Callable[..., Any],
    is_in_the_warehouse: bool,  # noqa: FBT001
) -> None:
    reader = await read()
    land(batches, [quote(0)])
    lane.bring_up()
    assert prices((await reader.next()).rows) == [0.0]
    process.kill()
    land(batches, [quote(price) for price in (1, 2)])
    lane.bring_up()
    if is_in_the_warehouse:
        batches.run(EXAMPLE)
    land(batches, [quote(3)])
    lane.bring_up()
    process.start()
    snapshot = await reader.next()
    assert (snapshot.kind, snapshot.since, snapshot.reason) == ("snapshot", 1, "")
    assert snapshot.rows.schema == market_table(EXAMPLE).dtypes
    assert prices(snapshot.rows) == [1.0, 2.0, 3.0]
    _be_heard_again(batches)
    land(batches, [quote(4)])
    lane.bring_up()
    assert prices((await reader.next()).rows) == [1.0, 2.0, 3.0, 4.0]


async def test_a_follower_that_was_away_for_too_long_gets_a_snapshot(
    batches: MicroBatches,
    process: LiveBusProcess,
    lane: HotLane,
    read: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = await read()
    land(batches, [quote(0)])
    lane.bring_up()
    first = await reader.next()
    # A stream loses a hundred entries at once.
    bus, no_rows = process.bus(), stored(batches)
    for offset in range(1, 150):
        bus.publish(NAME, no_rows, copy="", offsets=range(offset, offset + 1))
    land(batches, [quote(price) for price in range(1, 150)])
    monkeypatch.setattr(valkey, "_KEPT", timedelta(0))
    await asyncio.sleep(0.01)
    land(batches, [quote(150)])
    lane.bring_up()
    late = await read(since=first.cursor)
    snapshot = await late.next()
    assert (snapshot.kind, snapshot.since) == ("snapshot", 1)
    assert prices(snapshot.rows) == [float(price) for price in range(1, 151)]


async def test_what_cannot_be_read_again_is_told_as_a_gap(
    batches: MicroBatches,
    process: LiveBusProcess,
    lane: HotLane,
    read: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missed_rows, "MOST_ROWS", 1)
    reader = await read()
    land(batches, [quote(0)])
    lane.bring_up()
    await reader.next()
    process.kill()
    land(batches, [quote(1), quote(2)])
    lane.bring_up()
    process.start()
    gap = await reader.next()
    assert (gap.kind, gap.since, gap.rows.height) == ("gap", 1, 0)
    assert "more than 1 rows" in gap.reason
    assert gap.rows.schema == market_table(EXAMPLE).dtypes


async def test_a_store_that_fails_ends_no_follower(
    batches: MicroBatches,
    process: LiveBusProcess,
    lane: HotLane,
    read: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = await read()
    land(batches, [quote(0)])
    lane.bring_up()
    await reader.next()
    process.kill()
    with monkeypatch.context() as broken:
        broken.setattr(following, "missed_rows", _fail)
        process.start()
        gap = await reader.next()
    assert (gap.kind, gap.reason) == ("gap", "the disk is gone")
    land(batches, [quote(1)])
    lane.bring_up()
    assert prices((await reader.next()).rows) == [1.0]


def _fail(*_: object, **__: object) -> pl.DataFrame:
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"bidding_zone": "CZ"}, [0.0, 1.0]),
        ({"bidding_zone": ["AT", "DE-LU"], "delivery_start": NOON}, [2.0]),
        ({"bidding_zone": "CZ", "delivery_start": NOON + QUARTER_HOUR}, [1.0]),
        ({}, [0.0, 1.0, 2.0]),
    ],
)
async def test_where_leaves_rows_out(
    batches: MicroBatches,
    lane: HotLane,
    read: Callable[..., Any],
    where: Mapping[str, Any],
    wanted: list[float],
) -> None:
    reader = await read(where=where)
    land(batches, [example_message([("DE-LU", 5, 7.0)])])
    lane.bring_up()
    land(batches, [example_message([("CZ", 0, 0.0), ("CZ", 1, 1.0), ("DE-LU", 0, 2.0)])])
    lane.bring_up()
    update = await reader.next()
    if not where:
        assert prices(update.rows) == [7.0]
        update = await reader.next()
    assert update.rows["price_eur_per_mwh"].sort().to_list() == wanted


async def test_the_cursor_stays_young_while_where_leaves_all_rows_out(
    batches: MicroBatches,
    lane: HotLane,
    read: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = await read(where={"bidding_zone": "DE-LU"})
    land(batches, [quote(0)])
    lane.bring_up()
    assert await reader.is_idle()
    with monkeypatch.context() as at_once:
        at_once.setattr(following, "_OLDEST_CURSOR_SECONDS", 0.0)
        land(batches, [quote(1)])
        lane.bring_up()
        update = await reader.next()
    assert (update.kind, update.rows.height) == ("rows", 0)
    land(batches, [example_message([("DE-LU", 0, 5.0)])])
    lane.bring_up()
    resumed = await read(since=update.cursor)
    assert prices((await resumed.next()).rows) == [5.0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"where": {"price_eur_per_mwh": 1.0}},
            "no key column 'price_eur_per_mwh'; it has bidding",
        ),
        ({"where": {"zone": "CZ"}}, "no key column 'zone'"),
        ({"where": {"bidding_zone": 7}}, "bidding_zone is String in example_price, and not 7"),
        ({"where": {"delivery_start": "noon"}}, "delivery_start is Datetime"),
        ({"where": {"delivery_start": NOON.replace(tzinfo=None)}}, "time zone"),
        ({"since": "yesterday"}, "cursor"),
    ],
)
def test_what_cannot_be_followed_is_refused_at_once(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ep.follow(NAME, **asked)


def test_an_unknown_source_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownSourceError, match="did you mean example_price"):
        ep.follow([NAME, "example_prices"])
    with pytest.raises(UsageError, match="at least one"):
        ep.follow([])


async def test_where_no_platform_runs_it_says_so(home: Path) -> None:
    with pytest.raises(LiveBusUnavailableError, match=r"no platform has run from .*up` run"):
        await anext(ep.follow(NAME))


async def test_where_the_platform_has_ended_it_says_so(process: LiveBusProcess) -> None:
    process.kill()
    with pytest.raises(LiveBusUnavailableError, match="energy-platform up"):
        await anext(ep.follow(NAME))


def test_without_the_client_it_names_the_extra(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [
        name for name in sys.modules if name.startswith("energy_platform.storage.live_bus.")
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    settings().live_bus_file.parent.mkdir(parents=True)
    settings().live_bus_file.touch()
    assert micro_batches().announcer is not None, "who does not announce needs no client"
    with pytest.raises(UsageError, match=r"energy-platform\[follow\]"):
        ep.follow(NAME)


def _be_heard_again(batches: MicroBatches) -> None:
    """End the pause after which the bus is tried again."""
    assert isinstance(batches.announcer, Announcer)
    batches.announcer._silent_until = 0.0


# The command


FOLLOW = [sys.executable, "-c", "from energy_platform import cli; cli.main()", "follow"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command_in_process(monkeypatch, capsys)


def test_the_command_prints_json_lines_until_ctrl_c(process: LiveBusProcess, home: Path) -> None:
    source = "elexon_frequency"
    offsets = range(1)
    bus = process.bus()
    bus.publish(source, pl.DataFrame({"landing_offset": []}), copy="", offsets=range(0))
    run = subprocess.Popen(
        [*FOLLOW, source, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stderr is not None
    line = ""
    try:
        while not line:
            rows = pl.DataFrame(
                {"landing_offset": [0], "observed_at": [NOON], "frequency_hz": [50.1]}
            )
            bus.publish(source, rows, copy="", offsets=offsets)
            line = _line(run)
        update = json.loads(line)
        assert (update["kind"], update["source"]) == ("rows", source)
        [row] = update["rows"]
        assert row["frequency_hz"] == 50.1
        assert row["observed_at"] == "2026-03-01T12:00:00.000000Z"
        assert json.loads(update["cursor"]).keys() == {source}
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_SECONDS) == 130
        assert run.stderr.read() == ""
    finally:
        run.kill()
        run.communicate()


def _line(run: "subprocess.Popen[str]") -> str:
    """Return the next line, or nothing if none comes soon."""
    assert run.stdout is not None
    ready, _, _ = select.select([run.stdout], [], [], 0.5)
    return run.stdout.readline() if ready else ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([NAME], 1, "no platform has run"),
        (["example_prices"], 2, "did you mean example_price?"),
        ([NAME, "--where", "price=1"], 2, "no key column 'price'"),
        ([NAME, "--where", "price"], 2, "COLUMN=VALUE"),
        ([NAME, "--where", "delivery_start=noon"], 2, "not an instant"),
        ([NAME, "--since", "x"], 2, "cursor"),
    ],
)
def test_the_command_says_what_is_wrong(
    command: Command, arguments: list[str], code: int, said: str
) -> None:
    answer = command("follow", *arguments)
    assert answer.code == code
    assert said in answer.error
    assert answer.error.count("\n") == 1
