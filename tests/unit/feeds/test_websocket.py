"""The WebSocket feed against the simulated exchange, on real sockets."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import FeedError
from energy_platform.feeds.access_token import AccessToken, PasswordGrant
from energy_platform.feeds.websocket.feed import _sequence_no, sockjs_url
from energy_platform.feeds.websocket.nord_pool import intraday_topics
from energy_platform.formats.nord_pool_intraday import standing_orders
from energy_platform.history.revisions import latest_revision
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.nord_pool_intraday_contract import NORD_POOL_INTRADAY_CONTRACT
from energy_platform.sources.nord_pool_intraday_order_book import NORD_POOL_INTRADAY_ORDER_BOOK
from energy_platform.sources.nord_pool_intraday_trade import NORD_POOL_INTRADAY_TRADE
from simulator.faults import Fault, FaultKind
from simulator.providers.nord_pool import PROVIDER
from simulator.providers.nord_pool.contracts import open_contracts
from simulator.providers.nord_pool.market import CONTRACT, ORDER_BOOK, TRADE
from simulator.server import running
from simulator.world import Pace, World
from tests.support.comparison import journalled_rows
from tests.support.feeds import MemorySession, a_session, a_world, nowhere
from tests.support.running_feeds import comes_true, run_until

SECRETS = {"NORD_POOL_USERNAME": "trader", "NORD_POOL_PASSWORD": "p&ss word:1"}
BOOKS = replace(intraday_topics("v1/streaming/localview/22"), silence_seconds=20.0)
CONTRACTS = replace(intraday_topics("v1/streaming/contracts"), silence_seconds=20.0)
TICKER = replace(intraday_topics("v2/streaming/ticker"), silence_seconds=20.0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = a_world(tmp_path, rate=5.0)
    async with running(world, [PROVIDER]):
        yield world


def a_trader(world: World, source: str = ORDER_BOOK) -> MemorySession:
    return replace(a_session(world, source), clock=None, secrets=dict(SECRETS))


def is_snapshot(message: RawMessage) -> bool:
    return message.context["snapshot"] == "true"


def snapshots(session: MemorySession) -> int:
    return sum(map(is_snapshot, session.landed))


def rows(source: MarketSource, session: MemorySession) -> pl.DataFrame:
    landed = [replace(message, landing_offset=n) for n, message in enumerate(session.landed)]
    return check_messages(source, landed).rows


async def test_a_snapshot_then_deltas_numbered_one_by_one(world: World) -> None:
    session = a_trader(world)
    await run_until(BOOKS, session, lambda: len(session.landed) >= 20)
    numbers = [int(message.context["sequence_no"]) for message in session.landed]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [is_snapshot(message) for message in session.landed[:3]] == [True, False, False]
    assert json.loads(session.cursor or "") == {"v1/streaming/localview/22": numbers[-1]}
    assert rows(NORD_POOL_INTRADAY_ORDER_BOOK, session).height > 100


async def test_no_secret_is_landed_or_kept_in_the_cursor(world: World) -> None:
    session = a_trader(world)
    await run_until(BOOKS, session, lambda: len(session.landed) >= 3)
    kept = json.dumps([dict(message.context) for message in session.landed])
    assert session.landed[0].context["destination"] == "v1/streaming/localview/22"
    for secret in ("eyJ", *SECRETS.values()):
        assert secret not in kept + (session.cursor or "")


async def test_several_topics_share_a_connection(world: World) -> None:
    topics = tuple(f"v1/streaming/localview/{area}" for area in (22, 23, 24, 25))
    session = a_trader(world)
    await run_until(replace(BOOKS, topics=topics), session, lambda: len(session.landed) >= 60)
    assert {message.context["destination"] for message in session.landed} == set(topics)
    assert snapshots(session) == len(topics)


async def test_a_gate_closes_between_the_snapshot_and_the_next_message(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=datetime(2026, 7, 1, 10, 9, 54, tzinfo=UTC))
    session = a_trader(world, CONTRACT)
    async with running(world, [PROVIDER]):
        await run_until(CONTRACTS, session, lambda: len(session.landed) >= 2)
    assert [is_snapshot(message) for message in session.landed] == [True, False]
    source = NORD_POOL_INTRADAY_CONTRACT
    told = rows(source, session)
    now = latest_revision(told.lazy(), source).collect()
    assert_frame_equal(
        now.select(*source.key, *source.value_columns).sort(source.key),
        latest_revision(journalled_rows(source, world.journal).lazy(), source)
        .select(*source.key, *source.value_columns)
        .sort(source.key)
        .collect(),
    )
    closed = told.filter(pl.col("landing_offset") == 1)
    assert set(closed["closes_at"]) == {datetime(2026, 7, 1, 10, 10, tzinfo=UTC)}
    assert set(closed["state"]) == {"IACT"}
    assert set(closed["delivery_area_id"]) == {"22", "23", "24", "25"}


async def test_the_final_book_is_the_exchange_s(world: World) -> None:
    session = a_trader(world)
    task = asyncio.create_task(BOOKS.run(session))
    await asyncio.sleep(1.0)
    world.clock.freeze()
    await comes_true(
        lambda: assert_same_final_books(
            world, rows(NORD_POOL_INTRADAY_ORDER_BOOK, session), areas=["22"]
        )
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("kind", [FaultKind.SEQUENCE_GAP, FaultKind.REORDERED])
async def test_a_gap_is_healed_by_a_new_snapshot(world: World, kind: FaultKind) -> None:
    session = a_trader(world)
    world.faults.ask(ORDER_BOOK, Fault(kind))
    await run_until(BOOKS, session, lambda: snapshots(session) == 2 and len(session.landed) > 30)
    world.clock.freeze()
    second = [n for n, message in enumerate(session.landed) if is_snapshot(message)][1]
    before = [int(message.context["sequence_no"]) for message in session.landed[:second]]
    assert before != list(range(1, second + 1)), "what showed the gap was landed all the same"
    after = [
        int(message.context["sequence_no"])
        for message in session.landed[second:]
        if message.received_at >= session.landed[second].received_at
    ]
    assert after[:5] == [1, 2, 3, 4, 5]
    assert world.faults.pending(ORDER_BOOK) == 0


async def test_a_duplicate_is_no_gap(world: World) -> None:
    session = a_trader(world)
    world.faults.ask(ORDER_BOOK, Fault(FaultKind.DUPLICATE))
    await run_until(BOOKS, session, lambda: len(session.landed) >= 20)
    numbers = [int(message.context["sequence_no"]) for message in session.landed]
    assert len(numbers) == len(set(numbers)) + 1
    assert snapshots(session) == 1


async def test_too_many_gaps_end_the_connection(world: World) -> None:
    session, asked = a_trader(world), 0

    def lose_one_more_after_each_snapshot() -> bool:
        nonlocal asked
        if snapshots(session) > asked and not is_snapshot(session.landed[-1]):
            asked += 1
            world.faults.ask(ORDER_BOOK, Fault(FaultKind.SEQUENCE_GAP))
        return False

    feed = replace(BOOKS, resubscriptions_per_minute=2)
    with pytest.raises(FeedError, match="keeps losing messages"):
        await run_until(feed, session, lose_one_more_after_each_snapshot)
    assert snapshots(session) == 3


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (FaultKind.CUT, "connection to .* lost"),
        (FaultKind.TRUNCATED, "not valid JSON"),
        (FaultKind.SERVER_ERROR, "ERROR internal error"),
    ],
)
async def test_a_lost_connection_is_said_and_what_came_before_is_landed(
    world: World, kind: FaultKind, complaint: str
) -> None:
    session = a_trader(world)
    task = asyncio.create_task(BOOKS.run(session))
    while len(session.landed) < 10:
        await asyncio.sleep(0.01)
    world.faults.ask(ORDER_BOOK, Fault(kind))
    with pytest.raises(FeedError, match=complaint):
        await asyncio.wait_for(task, 60)
    numbers = [int(message.context["sequence_no"]) for message in session.landed]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_silent_server_is_taken_for_dead(world: World) -> None:
    world.faults.ask(ORDER_BOOK, Fault(FaultKind.HANG, seconds=3.0))
    with pytest.raises(FeedError, match="said nothing for 1 s"):
        await run_until(replace(BOOKS, silence_seconds=1.0), a_trader(world), lambda: False)


async def test_a_malformed_message_and_a_bad_row_harm_nothing_beside_them(world: World) -> None:
    session = a_trader(world, TRADE)
    world.faults.ask(TRADE, Fault(FaultKind.MALFORMED))
    world.faults.ask(TRADE, Fault(FaultKind.BAD_ROW))
    await run_until(TICKER, session, lambda: len(session.landed) >= 12)
    landed = [replace(message, landing_offset=n) for n, message in enumerate(session.landed)]
    checked = check_messages(NORD_POOL_INTRADAY_TRADE, landed)
    assert checked.unparsed == 1
    assert checked.quarantined.height == 3, "one message, and both legs of one trade"
    assert set(checked.rows["landing_offset"]) >= {3, 4, 5}


async def test_a_refused_token_request_keeps_every_feed_away(world: World) -> None:
    session = a_trader(world)
    world.faults.ask(ORDER_BOOK, Fault(FaultKind.TOO_MANY_REQUESTS, seconds=7.0))
    with pytest.raises(FeedError, match="HTTP 429") as raised:
        await BOOKS.run(session)
    assert raised.value.retry_after_seconds == pytest.approx(7, abs=1)
    assert session.bans == {"Nord Pool": raised.value.retry_after_seconds}


async def test_a_token_that_the_server_does_not_know_is_refused(tmp_path: Path) -> None:
    world, stranger = a_world(tmp_path / "a"), replace(a_world(tmp_path / "b"), seed=8)
    async with running(world, [PROVIDER]), running(stranger, [PROVIDER]):
        session = a_trader(world)
        sso = "https://sso.nordpoolgroup.com"
        session.addresses[sso] = f"{stranger.url}/nord_pool"
        with pytest.raises(FeedError, match="refused the login: ERROR the token is not valid"):
            await BOOKS.run(session)


async def test_a_topic_that_does_not_exist_is_said(world: World) -> None:
    with pytest.raises(FeedError, match="ERROR no topic nonsense"):
        await replace(BOOKS, topics=("v1/streaming/nonsense",)).run(a_trader(world))


async def test_the_token_is_refreshed_on_the_live_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued: list[str] = []
    issue = type(BOOKS.tokens).issue

    async def count(self: PasswordGrant, session: MemorySession, provider: Provider) -> AccessToken:
        token = await issue(self, session, provider)
        issued.append(token.value)
        return token

    monkeypatch.setattr(type(BOOKS.tokens), "issue", count)
    feed = replace(BOOKS, refresh_before=timedelta(seconds=2))
    world = a_world(tmp_path, pace=Pace(token_life=timedelta(seconds=4)))
    session = a_trader(world)
    began = asyncio.get_running_loop().time()
    async with running(world, [PROVIDER]):
        await run_until(feed, session, lambda: asyncio.get_running_loop().time() - began > 6)
    assert len(issued) >= 2
    assert snapshots(session) == 1, "one connection outlived its first token"


async def test_an_unreachable_service_is_a_feed_error(tmp_path: Path) -> None:
    session = MemorySession(ORDER_BOOK, tmp_path, addresses=nowhere("https"))
    with pytest.raises(FeedError, match="no token"):
        await BOOKS.run(session)


async def test_a_slow_landing_zone_slows_the_socket_and_fills_no_memory(world: World) -> None:
    session = a_trader(world)
    sizes: list[int] = []

    async def land_slowly(messages: list[RawMessage], *, cursor: str | None = None) -> None:
        sizes.append(sum(len(message.body) for message in messages))
        await asyncio.sleep(0.5)
        session.landed.extend(messages)

    session.land = land_slowly  # type: ignore[method-assign,assignment]
    feed = replace(BOOKS, backlog_bytes=2_000)
    await run_until(feed, session, lambda: len(session.landed) >= 25)
    _snapshot, *groups = sizes
    assert max(groups) <= 2_000 + 1_000, "a bound, and the one message that crossed it"
    numbers = [int(message.context["sequence_no"]) for message in session.landed]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_message_beyond_the_bound_ends_the_connection(world: World) -> None:
    with pytest.raises(FeedError, match="lost"):
        await replace(BOOKS, message_bytes=1_000).run(a_trader(world))


async def test_no_trade_is_lost_over_a_restart_of_the_exchange(tmp_path: Path) -> None:
    world = a_world(tmp_path, rate=10.0)
    session = a_trader(world, TRADE)
    async with running(world, [PROVIDER]):
        await run_until(TICKER, session, lambda: len(session.landed) >= 10)
        await asyncio.sleep(0.5)  # trades that nobody hears
    async with running(world, [PROVIDER]):
        task = asyncio.create_task(TICKER.run(session))
        await asyncio.sleep(1.0)
        world.clock.freeze()
        await comes_true(lambda: assert_same_trades(world, rows(NORD_POOL_INTRADAY_TRADE, session)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_feed_stops_at_once_when_cancelled(world: World) -> None:
    session = a_trader(world)
    task = asyncio.create_task(BOOKS.run(session))
    while not session.landed:
        await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    assert task.cancelled()


def test_a_sockjs_address_has_a_server_and_a_session() -> None:
    first, second = sockjs_url("wss://host/user"), sockjs_url("wss://host/user")
    assert re.fullmatch(r"wss://host/user/\d{3}/[0-9a-f]{32}/websocket", first)
    assert first != second


def journalled(world: World, source: MarketSource) -> pl.DataFrame:
    """Return the rows that the journal holds of a source, in its table's types."""
    made = [row for one in world.journal.emissions(source.name) for row in one.rows]
    wanted = {n: t for n, t in source.dtypes.items() if n not in ("received_at", "landing_offset")}
    text = {n: pl.String() if t.is_temporal() else t for n, t in wanted.items()}
    return pl.DataFrame(made, schema=text, orient="row").with_columns(
        pl.col(n).str.to_datetime("%+", time_unit="us", time_zone="UTC")
        for n, t in wanted.items()
        if t.is_temporal()
    )


def assert_same_final_books(world: World, parsed: pl.DataFrame, areas: list[str]) -> None:
    made = journalled(world, NORD_POOL_INTRADAY_ORDER_BOOK)
    values = [name for name in made.columns if name != "published_at"]
    nothing_invented = parsed.select(values).join(made.select(values), on=values, how="anti")
    assert nothing_invented.is_empty()
    still_open = pl.col("contract_id").is_in(open_contracts(world.clock.now()))
    books = [
        standing_orders(frame.lazy())
        .filter(still_open & pl.col("delivery_area_id").is_in(areas))
        .select("contract_id", "side", "order_id", "price_eur_per_mwh", "volume_mw")
        .sort("contract_id", "side", "order_id")
        .collect()
        for frame in (parsed, made)
    ]
    assert books[0].height > 50
    assert books[0].equals(books[1])


def assert_same_trades(world: World, parsed: pl.DataFrame) -> None:
    made = journalled(world, NORD_POOL_INTRADAY_TRADE)
    values = [name for name in made.columns if name != "published_at"]
    latest = made.sort("revision_no").unique(NORD_POOL_INTRADAY_TRADE.key, keep="last")
    assert latest.height > 40
    assert (
        latest.select(values).join(parsed, on=NORD_POOL_INTRADAY_TRADE.key, how="anti").is_empty()
    )
    invented = parsed.select(values).join(
        made.select(values), on=values, how="anti", nulls_equal=True
    )
    assert invented.is_empty()


def test_a_sequence_number_is_a_number_of_ordinary_length() -> None:
    for text, number in (("12", 12), ("9" * 5_000, None), ("-1", None), ("", None)):
        message = RawMessage(body=b"", received_at=datetime.now(UTC), context={"sequence_no": text})
        assert _sequence_no(message) == number
