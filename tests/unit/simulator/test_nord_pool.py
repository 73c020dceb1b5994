"""The simulated intraday exchange, spoken to frame by frame."""

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from energy_platform.feeds.websocket.stomp_over_sockjs import (
    Closed,
    Opened,
    StompFrame,
    decode,
    encode,
)
from simulator.providers.nord_pool import PROVIDER
from simulator.providers.nord_pool.market import (
    ORDER_BOOK,
    TRADE,
    IntradayMarket,
    open_contracts,
)
from simulator.server import running
from simulator.world import World
from tests.support.feeds import a_world

BOOK = "/user/trader/v1/streaming/localview/22"
TICKER = "/user/trader/v2/streaming/ticker"
LOGIN = {"grant_type": "password", "scope": "global", "username": "trader", "password": "x"}


async def a_token(world: World, **form: str) -> httpx.Response:
    async with httpx.AsyncClient(auth=("client", "secret"), timeout=60) as http:
        url = f"{world.url}/nord_pool/connect/token"
        return await http.post(url, data={**LOGIN, **form})


@dataclass
class Trader:
    """A connection, and the frames that came in one array with one that was heard."""

    socket: ClientConnection
    came: deque[StompFrame] = field(default_factory=deque)


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Trader]:
    """Open a session that is logged in."""
    token = (await a_token(world)).json()["access_token"]
    url = f"{world.url.replace('http', 'ws', 1)}/nord_pool/user/007/abc/websocket"
    async with connect(url) as socket:
        assert await socket.recv() == "o"
        trader = Trader(socket)
        await say(trader, "CONNECT", **{"X-AUTH-TOKEN": token, "accept-version": "1.2"})
        assert (await hear(trader)).command == "CONNECTED"
        yield trader


async def say(trader: Trader, command: str, body: bytes = b"", **headers: str) -> None:
    await trader.socket.send(encode(StompFrame(command=command, headers=headers, body=body)))


async def hear(trader: Trader) -> StompFrame:
    """Return the next frame, past heartbeats."""
    async with asyncio.timeout(60):
        while not trader.came:
            message = decode(str(await trader.socket.recv()))
            if isinstance(message, tuple):
                trader.came.extend(message)
            assert not isinstance(message, Opened | Closed)
    return trader.came.popleft()


async def until_quiet(trader: Trader) -> list[StompFrame]:
    """Return the frames that come until nothing comes for a second."""
    heard = []
    with contextlib.suppress(TimeoutError):
        while True:
            heard.append(await asyncio.wait_for(hear(trader), 1.0))
    return heard


def rows(frame: StompFrame) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(frame.body)
    return read


async def test_a_token_is_a_jwt_that_ends(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    async with running(world, [PROVIDER]):
        reply = await a_token(world)
        assert (await a_token(world, grant_type="client_credentials")).status_code == 400
        async with httpx.AsyncClient(timeout=60) as http:
            nameless = await http.post(str(reply.request.url), data=LOGIN)
    assert nameless.status_code == 400
    _, claims, _ = reply.json()["access_token"].split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert datetime.fromtimestamp(read["exp"], UTC) > datetime.now(UTC) + timedelta(minutes=50)
    assert read["sub"] == "trader"


async def test_a_snapshot_of_every_open_contract_then_deltas(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="a", destination=BOOK)
        snapshot, *deltas = [await hear(trader) for _ in range(4)]
    assert snapshot.headers["x-nps-snapshot"] == "true"
    assert [row["contractId"] for row in rows(snapshot)] == open_contracts(world.clock.now())
    revisions = {row["contractId"]: row["revisionNo"] for row in rows(snapshot)}
    for number, delta in enumerate(deltas, start=2):
        assert delta.headers["x-nps-sequenceNo"] == str(number)
        assert delta.headers["subscription"] == "a"
        [row] = rows(delta)
        assert row["revisionNo"] > revisions[row["contractId"]]
        revisions[row["contractId"]] = row["revisionNo"]
    for row in rows(snapshot):
        best_buy = max(order["price"] for order in row["buyOrders"])
        assert best_buy < min(order["price"] for order in row["sellOrders"])


async def test_each_subscription_counts_from_its_own_snapshot(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="a", destination=BOOK)
        first = [await hear(trader) for _ in range(3)]
        await say(trader, "UNSUBSCRIBE", id="a")
        await say(trader, "SUBSCRIBE", id="b", destination=BOOK)
        later = [await hear(trader) for _ in range(6)]
    second = [frame for frame in later if frame.headers["subscription"] == "b"]
    for heard in (first, second):
        numbers = [int(frame.headers["x-nps-sequenceNo"]) for frame in heard]
        assert numbers == list(range(1, len(heard) + 1))
        assert heard[0].headers["x-nps-snapshot"] == "true"


async def test_trades_nobody_heard_are_in_the_snapshot_after_a_restart(tmp_path: Path) -> None:
    world = a_world(tmp_path, rate=5.0)

    def made_so_far() -> set[str]:
        return {row["trade_id"] for one in world.journal.emissions(TRADE) for row in one.rows}

    async with running(world, [PROVIDER]), asyncio.timeout(60):
        while len(made_so_far()) <= 5:
            await asyncio.sleep(0.05)
    made = made_so_far()
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="t", destination=TICKER)
        snapshot = await hear(trader)
    assert made <= {row["tradeId"] for row in rows(snapshot)}
    [first, *_] = rows(snapshot)
    assert {leg["side"] for leg in first["legs"]} == {"BUY", "SELL"}


async def test_a_cancelled_trade_is_a_second_revision(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    market = IntradayMarket(world)
    now = world.clock.now()
    made = market.trades(500, now)
    later = now + timedelta(minutes=2)
    cancelled = market.trades(0, later)
    assert 0 < len(cancelled) < 50
    assert {row["tradeId"] for row in cancelled} <= {row["tradeId"] for row in made}
    assert {(row["state"], row["revisionNo"]) for row in cancelled} == {("CANCELLED", 2)}
    shown = {row["tradeId"]: row["revisionNo"] for row in market.trade_snapshot(later)}
    assert len(shown) == 500
    assert sum(revision == 2 for revision in shown.values()) == len(cancelled)
    assert market.trade_snapshot(now + timedelta(hours=2)) == []


async def test_contracts_close_when_delivery_begins_and_new_ones_open(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=datetime(2026, 10, 25, 0, 7, tzinfo=UTC))
    market = IntradayMarket(world)
    closing = open_contracts(world.clock.now())[0]
    later = datetime(2026, 10, 25, 0, 15, 1, tzinfo=UTC)
    changes = [change for change in market.book_changes(0, later) if change.area == 22]
    closed, opened = changes
    assert closed.row["contractId"] == closing
    assert all(order["deleted"] for order in closed.row["buyOrders"] + closed.row["sellOrders"])
    assert opened.row["contractId"] == open_contracts(later)[-1]
    shown = [row["contractId"] for row in market.book_snapshot(22, later)]
    assert shown == open_contracts(later)


def test_prices_move_and_fall_below_zero(tmp_path: Path) -> None:
    prices = []
    for hour in range(0, 24 * 14, 6):
        world = a_world(tmp_path, origin=datetime(2026, 7, 1, tzinfo=UTC) + timedelta(hours=hour))
        snapshot = IntradayMarket(world).book_snapshot(22, world.clock.now())
        prices += [order["price"] for row in snapshot for order in row["buyOrders"]]
    assert min(prices) < 0 < max(prices)
    assert max(prices) - min(prices) > 3_000


def test_the_same_seed_and_clock_give_the_same_market(tmp_path: Path) -> None:
    origin = datetime(2026, 7, 1, 10, tzinfo=UTC)
    made = []
    for _ in range(2):
        world = a_world(tmp_path, origin=origin)
        world.clock.freeze()
        world.clock.frozen_at = origin
        market = IntradayMarket(world)
        made.append(([c.row for c in market.book_changes(50, origin)], market.trades(20, origin)))
    assert made[0] == made[1]


async def test_nothing_new_once_the_clock_stands_but_every_question_is_answered(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path, rate=20.0)
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="a", destination=BOOK)
        await hear(trader)
        world.clock.freeze()
        await until_quiet(trader)
        assert await until_quiet(trader) == []
        await say(trader, "SUBSCRIBE", id="t", destination=TICKER)
        assert (await hear(trader)).headers["x-nps-snapshot"] == "true"


@pytest.mark.parametrize(
    ("command", "headers", "complaint"),
    [
        ("CONNECT", {"X-AUTH-TOKEN": "a.b.c"}, "the token is not valid"),
        ("SUBSCRIBE", {"id": "a", "destination": "/user/other/v1/streaming/ticker"}, "no topic"),
        ("NONSENSE", {}, "NONSENSE is not expected"),
        ("SEND", {"destination": "/v1/command"}, "the command is refused"),
    ],
)
async def test_what_is_refused(
    tmp_path: Path, command: str, headers: dict[str, str], complaint: str
) -> None:
    world = a_world(tmp_path)
    async with running(world, [PROVIDER]), connected(world) as trader:
        body = b'{"type":"TOKEN_REFRESH","newToken":"x.y.z"}' if command == "SEND" else b""
        await say(trader, command, body, **headers)
        error = await hear(trader)
    assert error.command == "ERROR"
    assert complaint in error.headers["message"]


async def test_logging_out_closes_the_session(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SEND", b'{"type":"LOGOUT"}', destination="/v1/command")
        assert decode(str(await trader.socket.recv())) == Closed(code=1000, reason="Normal closure")


async def test_recorded_messages_are_served_in_place_of_the_model(tmp_path: Path) -> None:
    recorded = tmp_path / "replay" / ORDER_BOOK
    recorded.mkdir(parents=True)
    (recorded / "1.json").write_text('[{"recorded":1}]')
    (recorded / "2.json").write_text('[{"recorded":2}]')
    world = a_world(tmp_path, replay=tmp_path / "replay")
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="a", destination=BOOK)
        heard = [await hear(trader), await hear(trader)]
    assert [rows(frame) for frame in heard] == [[{"recorded": 1}], [{"recorded": 2}]]
    assert list(world.journal.emissions(ORDER_BOOK)) == []
