"""Nord Pool Intraday, simulated: access tokens, and STOMP in SockJS on the HTTP port.

It behaves as the real platform: a client logs in with a token that expires and that a command
refreshes. A subscription begins with a snapshot, numbered 1; the deltas after it are numbered one
by one. `h` is sent when there is nothing else. Slow readers are disconnected.

What the journal holds, and how to compare it with a warehouse:

- Trades are journalled when they are made, whether or not anyone listens, and the snapshot of the
  ticker holds the latest revision of every trade of the last hour. So every trade must be in the
  warehouse; a first revision that was cancelled while nobody listened may be missing.
- Contracts are journalled at a start, and when they open or close. The snapshot holds each of the
  last day as it is, so the latest row of each must be in the warehouse; a row in between may not.
- Order book rows are journalled when a session is sent them, as snapshot or as delta. A delta
  that was on its way to a collector that died is lost, as on the real market. So the warehouse
  holds no row that the journal lacks, and for every contract in `open_contracts(now)` the orders
  standing in the end are the same: `energy_platform.formats.nord_pool_intraday.standing_orders`
  over the journal's rows and over the warehouse's.
- `published_at` is when a row was first journalled; a snapshot shows it again at another time.

A malformed message and a bad row are sent beside the true ones, so neither loses any.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simulator.faults import FaultKind
from simulator.journal import Row
from simulator.providers.nord_pool.market import (
    CONTRACT,
    DELIVERY_AREAS,
    ORDER_BOOK,
    TRADE,
    IntradayMarket,
)
from simulator.providers.nord_pool.session import (
    CutError,
    Sent,
    SockJsSession,
    Subscription,
    topic_of,
)
from simulator.providers.nord_pool.stomp import (
    BadFrameError,
    Frame,
    client_frames,
    server_message,
)
from simulator.providers.nord_pool.wire import (
    BookRow,
    WireRow,
    book_rows,
    contract_rows,
    trade_rows,
)
from simulator.world import World

_ORDERS_PER_SECOND: Final = 3.0
"""The rate of acts per contract; each is sent to four delivery areas."""
_SURGE: Final = 100.0
"""How many times as fast a market moves while it surges."""
_TICK: Final = timedelta(milliseconds=100)
_SHORTEST_TICK_SECONDS: Final = 0.05
_HEARTBEAT_SECONDS: Final = 5.0


class NordPoolExchange:
    """The platform's state in one world: the market, and who is connected."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = hashlib.sha256(f"nord pool {world.seed}".encode()).digest()
        self._market = IntradayMarket(world)
        self._sessions: set[SockJsSession] = set()
        self._banned_until = 0.0
        self._surging_until = 0.0
        self._tell_contracts(self._market.contract_snapshot(), world.clock.now())
        self._token_seconds = int(world.pace.token_life.total_seconds())

    def routes(self) -> Sequence[BaseRoute]:
        """Return the token endpoint and the SockJS endpoint."""
        return [
            Route("/connect/token", self._issue_token, methods=["POST"]),
            WebSocketRoute("/user/{server}/{session}/websocket", self._serve),
        ]

    async def move(self) -> None:
        """Change books and make trades for ever, at the world's rate of market time."""
        clock = self._world.clock
        orders, last = 0.0, clock.now()
        while True:
            await clock.sleep(max(_TICK, timedelta(seconds=_SHORTEST_TICK_SECONDS) * clock.speed))
            now = clock.now()
            orders += (now - last).total_seconds() * self._rate() * _ORDERS_PER_SECOND
            last = now
            moves = self._market.move(int(orders), now)
            self._tell_contracts(moves.contracts, now)
            self._tell_books(moves.books, now)
            self._tell_trades(moves.trades, now)
            orders %= 1

    def _rate(self) -> float:
        """Return how many times its natural rate the market moves at."""
        if fault := self._world.faults.take(ORDER_BOOK, FaultKind.SURGE):
            self._surging_until = time.monotonic() + fault.seconds
        surges = time.monotonic() < self._surging_until
        return self._world.rate * (_SURGE if surges else 1.0)

    def _tell_books(self, changes: Sequence[BookRow], now: datetime) -> None:
        sent_ms, sent_at = _sent_now(now)
        listened_to = [area for area in DELIVERY_AREAS if self._listeners(_local_view(area))]
        delivered = [
            row
            for change in changes
            for row in (change.on_the_wire(area) for area in listened_to)
            if self._deliver_change(row, sent_ms)
        ]
        if delivered:
            rows = book_rows(delivered, sent_at, is_snapshot=False)
            self._world.journal.emit(ORDER_BOOK, now, rows)

    def _listeners(self, topic: str) -> list[SockJsSession]:
        return [session for session in self._sessions if session.listens_to(topic)]

    def _deliver_change(self, row: WireRow, sent_ms: int) -> bool:
        """Queue a change for every session; return whether any session receives it."""
        topic = _local_view(row["deliveryAreaId"])
        delivered = [
            session.deliver(ORDER_BOOK, topic, [row], sent_ms) for session in self._sessions
        ]
        return any(delivered)

    def _tell_trades(self, made: Sequence[WireRow], now: datetime) -> None:
        _, sent_at = _sent_now(now)
        self._tell(TRADE, "ticker", made, trade_rows(made, sent_at), now)

    def _tell_contracts(self, changed: Sequence[WireRow], now: datetime) -> None:
        _, sent_at = _sent_now(now)
        self._tell(CONTRACT, "contracts", changed, contract_rows(changed, sent_at), now)

    def _tell(
        self, source: str, topic: str, sent: Sequence[WireRow], rows: list[Row], now: datetime
    ) -> None:
        """Journal rows, whether anyone listens or not, and send them to those who do."""
        if not sent:
            return
        sent_ms, _ = _sent_now(now)
        self._world.journal.emit(source, now, rows)
        for session in self._sessions:
            session.deliver(source, topic, sent, sent_ms)

    def _snapshot(self, destination: str) -> list[str] | None:
        """Return the bodies that a subscription begins with, the first its snapshot."""
        topic = topic_of(destination)
        name, _, area = topic.partition("/")
        now = self._world.clock.now()
        _, sent_at = _sent_now(now)
        match name:
            case "contracts":
                return [json.dumps(self._market.contract_snapshot())]
            case "ticker":
                return [json.dumps(self._market.trade_snapshot(now))]
            case "localview" if area.isdigit():
                rows = [book.on_the_wire(int(area)) for book in self._market.book_snapshot(now)]
                told = book_rows(rows, sent_at, is_snapshot=True)
                self._world.journal.emit(ORDER_BOOK, now, told)
                return [json.dumps(rows)]
        return None

    async def _issue_token(self, request: Request) -> Response:
        for source in sorted(NordPool.models):
            fault = self._world.faults.take(source, FaultKind.TOO_MANY_REQUESTS)
            if fault is not None:
                self._banned_until = time.monotonic() + fault.seconds
                break
        if (left := self._banned_until - time.monotonic()) > 0:
            seconds = str(int(left) + 1)
            return Response(
                status_code=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": seconds}
            )
        form = dict(parse_qsl((await request.body()).decode()))
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return JSONResponse({"error": "invalid_client"}, status_code=HTTPStatus.BAD_REQUEST)
        if form.get("grant_type") != "password" or not {"username", "password"} <= form.keys():
            return JSONResponse({"error": "invalid_grant"}, status_code=HTTPStatus.BAD_REQUEST)
        return JSONResponse(
            {
                "access_token": self._token(form["username"]),
                "expires_in": self._token_seconds,
                "token_type": "Bearer",
            }
        )

    def _token(self, user: str) -> str:
        claims = {"sub": user, "iat": time.time(), "exp": int(time.time()) + self._token_seconds}
        signed = f"{_base64({'alg': 'HS256', 'typ': 'JWT'})}.{_base64(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        digest = hmac.digest(self._key, signed.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token of ours that has not ended."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        payload = signed.partition(".")[2]
        claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return claims if claims["exp"] > time.time() else None

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        session = SockJsSession(self._world)
        await websocket.send_text("o")
        sending = asyncio.create_task(self._send(websocket, session))
        hearing = asyncio.create_task(self._hear(websocket, session))
        try:
            await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sessions.discard(session)
            sending.cancel()
            hearing.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
            with contextlib.suppress(
                RuntimeError, WebSocketDisconnect
            ):  # the client closed the connection first
                await websocket.close(code=1011)

    async def _send(self, websocket: WebSocket, session: SockJsSession) -> None:
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    taken = await session.take()
            except TimeoutError:
                session.release()
                taken = [Sent("h")]
            for sent in taken:
                await asyncio.sleep(sent.pause_seconds)
                if sent.text:
                    await websocket.send_text(sent.text)
                if sent.cut:
                    raise CutError
            if session.token_ends and session.token_ends < time.time():
                await websocket.send_text(_refusal("the token has ended").text)
                raise CutError

    async def _hear(self, websocket: WebSocket, session: SockJsSession) -> None:
        while True:
            try:
                frames = client_frames(await websocket.receive_text())
            except WebSocketDisconnect:
                return
            except BadFrameError:
                session.send(Sent('c[1002,"bad frame"]', cut=True))
                await asyncio.sleep(_HEARTBEAT_SECONDS)
                return
            for frame in frames:
                self._answer(session, frame)

    def _answer(self, session: SockJsSession, frame: Frame) -> None:
        match frame.command:
            case "CONNECT":
                self._log_in(session, frame.headers.get("X-AUTH-TOKEN", ""))
            case "SUBSCRIBE" if session.user:
                self._subscribe(session, frame.headers["id"], frame.headers["destination"])
            case "UNSUBSCRIBE":
                session.subscriptions.pop(frame.headers["id"], None)
            case "SEND" if frame.headers["destination"].endswith("/command"):
                self._obey(session, json.loads(frame.body))
            case _:
                session.send(_refusal(f"{frame.command} is not expected"))

    def _log_in(self, session: SockJsSession, token: str) -> None:
        claims = self._claims(token)
        if claims is None:
            session.send(_refusal("the token is not valid"))
            return
        session.user, session.token_ends = claims["sub"], claims["exp"]
        self._sessions.add(session)
        connected = Frame(command="CONNECTED", headers={"version": "1.2", "heart-beat": "0,0"})
        session.send(Sent(server_message(connected)))

    def _subscribe(self, session: SockJsSession, identity: str, destination: str) -> None:
        own = destination.startswith(f"/user/{session.user}/")
        bodies = self._snapshot(destination) if own else None
        if bodies is None:
            session.send(_refusal(f"no topic {topic_of(destination)}"))
            return
        subscription = session.subscriptions[identity] = Subscription(identity, destination)
        sent_ms, _ = _sent_now(self._world.clock.now())
        for number, body in enumerate(bodies):
            text = session.message(subscription, body, sent_ms, is_snapshot=number == 0)
            session.send(Sent(text))

    def _obey(self, session: SockJsSession, command: Mapping[str, str]) -> None:
        if command["type"] == "LOGOUT":
            session.send(Sent('c[1000,"Normal closure"]', cut=True))
            return
        claims = self._claims(command.get("newToken", ""))
        if command["type"] != "TOKEN_REFRESH" or claims is None:
            session.send(_refusal("the command is refused"))
            return
        session.token_ends = claims["exp"]


class NordPool:
    """The provider."""

    name = "nord_pool"
    models = frozenset({CONTRACT, ORDER_BOOK, TRADE})

    def __init__(self, world: World) -> None:
        self._world = world
        self._exchange = NordPoolExchange(world)

    def addresses(self) -> Mapping[str, str]:
        """Map the token service and the market data service to the HTTP port."""
        here = f"{self._world.url}/{self.name}"
        return {
            "https://sso.nordpoolgroup.com": here,
            "wss://intraday-pmd-api-ws-nordpool.nordpoolgroup.com": here.replace("http", "ws", 1),
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the exchange's routes."""
        return self._exchange.routes()

    async def run(self) -> None:
        """Move the market until cancelled."""
        await self._exchange.move()


PROVIDER: Final = NordPool


def _sent_now(now: datetime) -> tuple[int, datetime]:
    """Return the stamp of a message, in milliseconds and as an instant."""
    sent_ms = int(now.timestamp() * 1000)
    return sent_ms, datetime.fromtimestamp(sent_ms / 1000, UTC)


def _local_view(area: int) -> str:
    return f"localview/{area}"


def _refusal(message: str) -> Sent:
    """Return an error, with which a session ends."""
    return Sent(server_message(Frame("ERROR", {"message": message})), cut=True)


def _base64(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
