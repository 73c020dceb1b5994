"""The simulated intraday exchange, spoken to frame by frame."""

import asyncio
import base64
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest
from polars.testing import assert_frame_equal
from websockets.asyncio.client import ClientConnection, connect

from energy_platform.feeds.websocket.stomp_over_sockjs import (
    Closed,
    Opened,
    StompFrame,
    decode,
    encode,
)
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.checks import check_messages
from simulator.power_system.system import NUMBERS, power_system
from simulator.providers.nord_pool import PROVIDER
from simulator.providers.nord_pool.contracts import open_contracts
from simulator.providers.nord_pool.market import CONTRACT, TRADE, IntradayMarket
from simulator.server import running
from simulator.world import World
from tests.support.comparison import journalled_rows
from tests.support.feeds import a_world

BOOK = "/user/trader/v1/streaming/localview/22"
TICKER = "/user/trader/v2/streaming/ticker"
CONTRACTS = "/user/trader/v1/streaming/contracts"
HOUR = timedelta(hours=1)
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
    made = market.move(2_000, now).trades
    later = now + timedelta(minutes=2)
    cancelled = market.move(0, later).trades
    assert 0 < len(cancelled) < 0.1 * len(made)
    assert {row["tradeId"] for row in cancelled} <= {row["tradeId"] for row in made}
    assert {(row["state"], row["revisionNo"]) for row in cancelled} == {("CANCELLED", 2)}
    shown = {row["tradeId"]: row["revisionNo"] for row in market.trade_snapshot(later)}
    assert len(shown) == len(made) > 500
    assert sum(revision == 2 for revision in shown.values()) == len(cancelled)
    assert market.trade_snapshot(now + timedelta(hours=2)) == []


async def test_contracts_are_told_as_the_client_reads_them(tmp_path: Path) -> None:
    """What the snapshot says, read by the source's own parser, is what the journal holds."""
    world, source = a_world(tmp_path), market_source(CONTRACT)
    async with running(world, [PROVIDER]), connected(world) as trader:
        await say(trader, "SUBSCRIBE", id="c", destination=CONTRACTS)
        snapshot = await hear(trader)
    message = RawMessage(
        body=snapshot.body,
        received_at=world.clock.now(),
        context={"snapshot": "true"},
        landing_offset=0,
    )
    checked = check_messages(source, [message])
    assert checked.quarantined.is_empty()
    told = [*source.key, *source.value_columns, "updated_at"]
    assert_frame_equal(
        checked.rows.select(told).sort(source.key),
        journalled_rows(source, world.journal).select(told).sort(source.key),
    )
    is_open = checked.rows.filter(state="ACTI", delivery_area_id="22")
    assert is_open["contract_id"].to_list() == open_contracts(world.clock.now())
    lengths = {"P15MIN": 900.0, "P30MIN": 1_800.0, "P60MIN": 3_600.0}
    assert dict(is_open.select("product_type", "duration_s").unique().rows()) == lengths


@pytest.mark.parametrize(("day", "quarters"), [("03-29", 92), ("07-01", 96), ("10-25", 100)])
def test_contracts_open_on_the_eve_and_expire_at_their_gate(
    tmp_path: Path, day: str, quarters: int
) -> None:
    midnight = datetime.fromisoformat(f"2026-{day}T00:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    opening = (midnight - 9 * HOUR).astimezone(UTC)
    market = IntradayMarket(a_world(tmp_path, origin=opening - timedelta(minutes=1)))
    opened = market.move(0, opening + timedelta(seconds=1)).contracts
    products = Counter(
        row["productType"] for row in opened if row["updatedAt"] >= on_the_wire(opening)
    )
    assert products["P15MIN"] == quarters
    assert products["P60MIN"] == quarters / 4
    gate = opening + timedelta(minutes=10)
    closed = market.move(0, gate + timedelta(seconds=1)).contracts
    states = {area["state"] for row in closed for area in row["dlvryAreaState"]}
    assert (len(closed) > 0, states) == (True, {"IACT"})
    assert {row["updatedAt"] for row in closed} == {on_the_wire(gate)}


def on_the_wire(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_gate_closes_minutes_before_delivery(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=datetime(2026, 10, 25, 0, 7, tzinfo=UTC))
    market = IntradayMarket(world)
    before = open_contracts(world.clock.now())
    later = datetime(2026, 10, 25, 0, 10, 1, tzinfo=UTC)
    [closed] = market.move(0, later).books
    assert closed.contract.id == before[0]
    row = closed.on_the_wire(22)
    assert row["buyOrders"]
    assert row["sellOrders"]
    assert all(order["deleted"] for order in row["buyOrders"] + row["sellOrders"])
    shown = [book.contract.id for book in market.book_snapshot(later)]
    assert shown == open_contracts(later) == before[1:]


def test_tomorrow_opens_in_the_afternoon(tmp_path: Path) -> None:
    """Central Europe's day of 25 hours opens on its eve, with a quote on each side."""
    opening = datetime(2026, 10, 24, 13, tzinfo=UTC)
    market = IntradayMarket(a_world(tmp_path, origin=opening - timedelta(minutes=3)))
    opened = market.move(0, opening + timedelta(seconds=1)).books
    tomorrow = [book for book in opened if book.contract.delivery_start >= opening + 9 * HOUR]
    assert len(tomorrow) == 100 + 50 + 25
    for book in tomorrow:
        assert {order.side for order in book.orders} == {"BUY", "SELL"}


def test_prices_hang_about_the_auction_and_fall_below_zero(tmp_path: Path) -> None:
    system = power_system(7)
    away, auction = [], []
    for day in range(120):
        world = a_world(tmp_path, origin=datetime(2026, 5, 1, 9, tzinfo=UTC) + timedelta(days=day))
        for book in IntradayMarket(world).book_snapshot(world.clock.now())[::10]:
            quarters = book.contract.length // timedelta(minutes=15)
            start = book.contract.delivery_start.timestamp()
            seconds = np.array([start + 900.0 * number for number in range(quarters)])
            paid = system.price(np.full(seconds.shape, NUMBERS["DE-LU"]), seconds).mean()
            best = max(order.price_cents for order in book.orders if order.side == "BUY") / 100
            away.append(best - paid)
            auction.append(paid)
    assert min(auction) < -20
    assert max(auction) > 100
    assert np.abs(away).mean() < 12
    assert np.corrcoef(np.array(auction) + away, auction)[0, 1] > 0.95


@dataclass
class Reader:
    """What a client makes of the rows of one delivery area: the orders that stand in each book."""

    books: dict[str, dict[str, tuple[str, int]]] = field(default_factory=dict)

    def read(self, row: dict[str, Any]) -> None:
        book = self.books.setdefault(row["contractId"], {})
        for side in ("buyOrders", "sellOrders"):
            for order in row[side]:
                book[order["orderId"]] = (side, order["price"])
                if order["deleted"]:
                    del book[order["orderId"]]
        bids, asks = (
            [price for its, price in book.values() if its == side]
            for side in ("buyOrders", "sellOrders")
        )
        if bids and asks:
            assert max(bids) < min(asks), (row, book)


@pytest.mark.parametrize("origin", ["2026-03-28T12:55", "2026-07-01T09:55", "2026-10-25T00:05"])
@pytest.mark.parametrize("seed", range(4))
def test_no_client_ever_sees_a_crossed_book(tmp_path: Path, seed: int, origin: str) -> None:
    """An hour of each seed, from its snapshot on, whatever opens, closes and is traded."""
    now = datetime.fromisoformat(f"{origin}+00:00")
    market = IntradayMarket(replace(a_world(tmp_path, origin=now), seed=seed))
    reader = Reader()
    for book in market.book_snapshot(now):
        reader.read(book.on_the_wire(22))
    for _ in range(360):
        now += timedelta(seconds=10)
        for book in market.move(30, now).books:
            reader.read(book.on_the_wire(22))
    in_books = {contract for contract, orders in reader.books.items() if orders}
    assert in_books <= set(open_contracts(now))
    assert len(in_books) > 0.9 * len(open_contracts(now))
    for book in market.book_snapshot(now):
        assert {order.id for order in book.orders} == reader.books[book.contract.id].keys()


def test_trades_are_what_resting_orders_lose(tmp_path: Path) -> None:
    now = datetime(2026, 7, 1, 10, tzinfo=UTC)
    market = IntradayMarket(a_world(tmp_path, origin=now))
    standing = {order.id: order for book in market.book_snapshot(now) for order in book.orders}
    traded = market.move(400, now).trades
    assert len(traded) > 100
    prices = {"BUY": set[int](), "SELL": set[int]()}
    for trade in traded:
        buy, sell = trade["legs"]
        assert (buy["side"], sell["side"]) == ("BUY", "SELL")
        assert buy["unitPrice"] == sell["unitPrice"]
        assert buy["quantity"] == sell["quantity"] > 0
        assert buy["aggressor"] is not sell["aggressor"]
        resting = "SELL" if buy["aggressor"] else "BUY"
        prices[resting].add(buy["unitPrice"])
    for side, paid in prices.items():
        limits = {order.price_cents for order in standing.values() if order.side == side}
        assert len(paid & limits) > 20, "trades are made at either side's prices"


def test_the_same_seed_and_clock_give_the_same_market(tmp_path: Path) -> None:
    origin = datetime(2026, 7, 1, 10, tzinfo=UTC)
    made = []
    for _ in range(2):
        world = a_world(tmp_path, origin=origin)
        world.clock.freeze()
        world.clock.frozen_at = origin
        moves = IntradayMarket(world).move(50, origin)
        made.append(([book.on_the_wire(22) for book in moves.books], moves.trades))
    assert made[0] == made[1]


def test_a_day_gives_a_hundred_thousand_rows_of_either_topic(tmp_path: Path) -> None:
    """At the natural rate, three acts a second; an hour stands for the day."""
    now = datetime(2026, 7, 1, 10, tzinfo=UTC)
    market = IntradayMarket(a_world(tmp_path, origin=now))
    moves = market.move(3 * 3_600, now)
    assert 24 * 4 * sum(len(book.orders) for book in moves.books) > 1_000_000
    assert 24 * 2 * len(moves.trades) > 200_000


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
