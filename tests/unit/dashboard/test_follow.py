"""`/api/follow` and `ep.follow` over it bring what the live bus brings, and tell what is lost."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from redis import Redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import energy_platform as ep
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from energy_platform.dashboard.api import follow
from energy_platform.dashboard.viewer import CREDIT
from energy_platform.errors import LiveBusUnavailableError, UsageError
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from energy_platform.reading import remote_following
from energy_platform.reading.update import read_arrow_line
from energy_platform.settings import StatePlace
from tests.support.commands import command_in_process
from tests.support.dashboard import PATIENCE_SECONDS, Desk, Row

SOURCE = "energy_charts_price"
QUARTER = timedelta(minutes=15)
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)


def price(value: float, zone: str = "FR") -> pl.DataFrame:
    at = START + int(value) * QUARTER
    return pl.DataFrame({"bidding_zone": [zone], "delivery_start": [at],
                         "delivery_end": [at + QUARTER], "price_eur_per_mwh": [value]})  # fmt: skip


def address(desk: Desk) -> str:
    return f"http://127.0.0.1:{desk.port}"


class Reading:
    """Updates of one follower, gathered in a task."""

    def __init__(self, updates: AsyncGenerator[ep.Update, None]) -> None:
        self.updates: list[ep.Update] = []
        self._task = asyncio.create_task(self._read(updates))

    async def _read(self, updates: AsyncGenerator[ep.Update, None]) -> None:
        async with aclosing(updates):
            async for update in updates:
                self.updates.append(update)

    @property
    def rows(self) -> pl.DataFrame:
        """Each row that has come, once."""
        frames = [update.rows for update in self.updates]
        return pl.concat(frames).unique(maintain_order=True) if frames else pl.DataFrame()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.rows.height < count:
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def show(desk: Desk, *values: float) -> None:
    for value in values:
        await asyncio.to_thread(desk.show, SOURCE, price(value))


async def begun(desk: Desk, *readers: Reading) -> None:
    """Wait until each reader follows: a first row is shown until all have some."""
    value = 0.0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(one.updates for one in readers):
            value += 1
            await show(desk, value)
            await asyncio.sleep(0.3)


async def test_two_followers_get_what_the_bus_brings_though_the_server_is_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_following, "_LONGEST_PAUSE_SECONDS", 0.5)
    await show(desk, 90)
    local = Reading(ep.follow(SOURCE))
    near, far = (Reading(ep.follow(SOURCE, address=address(desk))) for _ in range(2))
    await begun(desk, local, near, far)
    await show(desk, 40, 41)
    await local.until(local.rows.height)
    await asyncio.to_thread(desk.end_server)
    await show(desk, 42, 43)
    await asyncio.to_thread(desk.serve)
    await show(desk, 44)
    last = 44.0

    def has_all(reader: Reading) -> bool:
        return last in reader.rows["price_eur_per_mwh"]

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(has_all(one) for one in (local, near, far)):
            await asyncio.sleep(0.05)
    for one in (near, far):
        since = max(each.rows["landing_offset"].to_list()[0] for each in (one, local))
        told, wanted = (
            each.rows.filter(pl.col("landing_offset") >= since) for each in (one, local)
        )
        assert_frame_equal(told, wanted)
        assert {40.0, 41.0, 42.0, 43.0, 44.0} <= {*told["price_eur_per_mwh"]}
        # Nothing was read again from the stores: the cursor led on.
        assert {update.kind for update in one.updates[1:]} == {ep.UpdateKind.ROWS}
        await one.end()
    await local.end()


async def test_it_resumes_from_a_cursor_and_takes_conditions(desk: Desk) -> None:
    await show(desk, 90)
    first = Reading(ep.follow(SOURCE, address=address(desk)))
    await begun(desk, first)
    cursor = first.updates[-1].cursor
    await first.end()
    await show(desk, 50)
    await asyncio.to_thread(desk.show, SOURCE, price(51, "BE"))
    again = Reading(
        ep.follow(SOURCE, where={"bidding_zone": "BE", "delivery_start": [START + 51 * QUARTER]},
                  since=cursor, address=address(desk))
    )  # fmt: skip
    await again.until(1)
    assert again.rows["price_eur_per_mwh"].to_list() == [51.0]
    await again.end()


def test_a_slow_program_is_told_of_what_it_missed(desk: Desk) -> None:
    desk.show(SOURCE, price(0))
    url = f"ws://127.0.0.1:{desk.port}/api/follow?sources={SOURCE}"
    with connect(url, max_size=2**26) as socket:
        told: list[Row] = []

        def read(seconds: float = PATIENCE_SECONDS) -> bool:
            try:
                told.append(json.loads(socket.recv(timeout=seconds)))
            except TimeoutError:
                return False
            return True

        value = 1.0
        while not told:
            desk.show(SOURCE, price(value))
            value += 1
            read(0.3)
        begun_at = told[0]["rows"][-1]["price_eur_per_mwh"]
        for _ in range(CREDIT + 25):
            desk.show(SOURCE, price(value))
            value += 1
        while read(0.5):
            pass
        assert len(told) == CREDIT
        # Meanwhile the bus drops what it holds.
        with Redis.from_url(desk.bus.url) as client:
            client.flushall()
        desk.store(SOURCE, price(value))
        while not any(row["price_eur_per_mwh"] == value for row in told[-1]["rows"]):
            socket.send(json.dumps({"n": len(told)}))
            assert read()
        assert [one["kind"] for one in told].count("snapshot") == 1
        [snapshot] = [one for one in told if one["kind"] == "snapshot"]
        assert snapshot["since"] >= 0
        got = {row["price_eur_per_mwh"] for one in told for row in one["rows"]}
        assert got >= {begun_at + step for step in range(int(value - begun_at) + 1)}


async def test_a_connection_that_is_lost_before_any_update_is_told_as_a_gap(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_following, "_LONGEST_PAUSE_SECONDS", 0.5)
    reader = Reading(ep.follow("ceps_load", address=address(desk)))
    await asyncio.sleep(1)
    await asyncio.to_thread(desk.end_server)
    await asyncio.to_thread(desk.serve)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not reader.updates:
            await asyncio.sleep(0.05)
    assert (reader.updates[0].kind, reader.updates[0].since) == ("gap", 0)
    await reader.end()


async def test_what_can_not_be_followed_is_said_at_once(desk: Desk) -> None:
    home = desk.settings.home
    UserList.of(home).put(User(name="anne", role=Role.VIEWER, portfolios=("wind",)))
    token = Tokens.of(StatePlace(home)).make("anne", Scope.READ, seconds=600)
    with pytest.raises(UsageError, match="may not see every portfolio"):
        await anext(ep.follow("position", address=address(desk), token=token))
    with pytest.raises(UsageError, match="token"):
        await anext(ep.follow(SOURCE, address=address(desk), token="ep_unknown"))
    with pytest.raises(LiveBusUnavailableError, match="can't be followed"):
        await anext(ep.follow(SOURCE, address="http://127.0.0.1:9"))
    for query, said in [
        ({"sources": ""}, "at least one"), ({"sources": "nothing"}, "unknown source"),
        ({"sources": SOURCE, "where": "["}, "where"),
        ({"sources": SOURCE, "where": '{"price": 1}'}, "no key column"),
        ({"sources": SOURCE, "cursor": "x"}, "cursor"),
    ]:  # fmt: skip
        refused = await asyncio.to_thread(partial(desk.get, "/api/follow", **query))
        assert refused.status_code in {404, 422}
        assert said in refused.json()["error"]
    await asyncio.to_thread(desk.bus.kill)
    with pytest.raises(LiveBusUnavailableError):
        await anext(ep.follow(SOURCE, address=address(desk)))


async def test_no_more_followers_than_the_bound(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MOST_FOLLOWERS", 1)
    await show(desk, 90)
    first = Reading(ep.follow(SOURCE, address=address(desk)))
    await begun(desk, first)
    with pytest.raises(LiveBusUnavailableError, match="follow already"):
        await anext(ep.follow(SOURCE, address=address(desk)))
    await first.end()
    second = Reading(ep.follow(SOURCE, address=address(desk)))
    await begun(desk, second)
    await second.end()


@pytest.mark.usefixtures("home")
def test_the_command_takes_an_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = command_in_process(monkeypatch, capsys)
    failed = command("follow", SOURCE, "--address", "http://127.0.0.1:9")
    assert failed.code == 1
    assert "can't be followed" in failed.error


def first_line(desk: Desk, way: str, form: str) -> str:
    """Return the first update as a program gets it, by WebSocket or by server-sent events."""
    asked = f"/api/follow?sources={SOURCE}&format={form}"
    shown = threading.Event()

    def show_until_told() -> None:
        value = 0.0
        while not shown.is_set():
            value += 1
            desk.show(SOURCE, price(value))
            shown.wait(0.3)

    showing = threading.Thread(target=show_until_told)
    showing.start()
    try:
        if way == "websocket":
            with connect(f"ws://127.0.0.1:{desk.port}{asked}", max_size=2**26) as socket:
                return str(socket.recv(timeout=PATIENCE_SECONDS))
        with httpx.stream("GET", f"{address(desk)}{asked}", timeout=PATIENCE_SECONDS) as answer:
            lines = answer.iter_lines()
            return next(one for one in lines if one.startswith("data: ")).removeprefix("data: ")
    finally:
        shown.set()
        showing.join()


@pytest.mark.parametrize("form", ["json", "arrow"])
@pytest.mark.parametrize("way", ["websocket", "events"])
def test_both_forms_come_by_both_ways(desk: Desk, way: str, form: str) -> None:
    desk.show(SOURCE, price(90))
    line = first_line(desk, way, form)
    said = json.loads(line)
    assert said["kind"] in {"rows", "snapshot"}
    assert said["source"] == SOURCE
    if form == "json":
        row = said["rows"][-1]
        assert row["delivery_start"].endswith("Z")
    else:
        update = read_arrow_line(line, market_source(SOURCE))
        assert update.rows.schema == market_table(market_source(SOURCE)).dtypes
        row = update.rows.to_dicts()[-1]
        assert row["delivery_start"] == START + int(row["price_eur_per_mwh"]) * QUARTER
    assert row["bidding_zone"] == "FR"
    assert row["price_eur_per_mwh"] >= 1


def test_a_form_that_is_not_offered_is_refused(desk: Desk) -> None:
    answer = desk.get("/api/follow", sources=SOURCE, format="csv")
    assert answer.status_code == 422
    assert "json" in answer.json()["error"]
    with (
        pytest.raises(InvalidStatus),
        connect(f"ws://127.0.0.1:{desk.port}/api/follow?sources={SOURCE}&format=csv"),
    ):
        pass
