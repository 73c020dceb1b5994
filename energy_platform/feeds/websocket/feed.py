"""The WebSocket feed: topics of the Nord Pool Intraday platform, STOMP inside SockJS.

A topic begins with a snapshot, followed by numbered deltas. SockJS has no acknowledgement and no
replay, so a missed message cannot be asked for again. After a gap or a lost connection the feed
subscribes again and gets a new snapshot. Every message is landed as it came, even if it follows a
gap or comes out of order, because each one is true by itself.

The sources' parsers read the messages; `stomp_over_sockjs` reads the frames.
"""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiolimiter import AsyncLimiter
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from energy_platform.errors import FeedError
from energy_platform.feeds.access_token import AccessToken, PasswordGrant
from energy_platform.feeds.http import retry_after_seconds
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.websocket.backlog import Backlog
from energy_platform.feeds.websocket.stomp_over_sockjs import (
    HEARTBEAT,
    Closed,
    Heartbeat,
    Opened,
    StompFrame,
    decode,
    encode,
)
from energy_platform.feeds.websocket.subscription import Subscription
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = logging.getLogger(__name__)

_CLOSE_SECONDS: Final = 5.0
_COMMANDS: Final = "/v1/command"
_CURSOR: Final = TypeAdapter(dict[str, int])
_JSON: Final = "application/json;charset=UTF-8"
_LONGEST_NUMBER: Final = 18
"""The digits of a sequence number; what has more is none."""
_SHORTEST_TOKEN_LIFE: Final = timedelta(seconds=1)
_TOKEN: Final = re.compile(r"eyJ[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketFeed:
    """Carries the messages of topics, each body as one raw message.

    A message's context: `destination` (the topic), `sequence_no`, `snapshot` (`true` or `false`)
    and `sent_at` (milliseconds since 1970), each if the server sent it. The cursor is a JSON object
    of the last sequence number landed of each topic.

    Attributes:
        provider: The provider, whose limits apply.
        url: The SockJS endpoint, without server and session.
        topics: The topics to subscribe to, below `/user/<user>/`, e.g. `v1/streaming/localview/22`.
        tokens: Where access tokens come from.
        heartbeat_seconds: How often the client sends a heartbeat.
        silence_seconds: After how much silence the server is taken for dead.
        answer_seconds: How long one step of opening or closing may take.
        snapshot_seconds: How long a subscription may take to bring its snapshot.
        refresh_before: How long before its end a token is replaced.
        message_bytes: A longer message ends the connection.
        backlog_bytes: How many bytes may wait to be landed before the socket is left unread.
        resubscriptions_per_minute: More gaps than this end the connection.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.WEBSOCKET

    provider: Provider
    url: str
    topics: tuple[str, ...]
    tokens: PasswordGrant
    heartbeat_seconds: float = 1.0
    silence_seconds: float = 60.0
    answer_seconds: float = 20.0
    snapshot_seconds: float = 60.0
    refresh_before: timedelta = timedelta(minutes=5)
    message_bytes: int = 30 * 1024 * 1024
    backlog_bytes: int = 64 * 1024 * 1024
    resubscriptions_per_minute: int = 10

    async def run(self, session: FeedSession) -> None:
        """Carry messages until cancelled; see `Feed.run`."""
        token = await self.tokens.issue(session, self.provider)
        try:
            async with self._connected(session, token) as socket:
                await _Stream(self, session, socket, token).carry()
        except InvalidStatus as error:
            raise FeedError(
                f"{self.url} refused the connection: HTTP {error.response.status_code}",
                retry_after_seconds=retry_after_seconds(error.response.headers),
            ) from None
        except (OSError, WebSocketException) as error:
            raise FeedError(f"connection to {self.url} lost: {error}") from error

    @asynccontextmanager
    async def _connected(
        self, session: FeedSession, token: AccessToken
    ) -> "AsyncIterator[ClientConnection]":
        """Open a SockJS session and log in to STOMP; log out in the end."""
        async with connect(
            sockjs_url(session.address(self.url)),
            max_size=self.message_bytes,
            open_timeout=self.answer_seconds,
            close_timeout=_CLOSE_SECONDS,
        ) as socket:
            try:
                async with asyncio.timeout(self.answer_seconds):
                    await self._log_in(socket, token)
            except TimeoutError:
                raise FeedError(f"{self.url} did not answer CONNECT") from None
            try:
                yield socket
            finally:
                await self._log_out(socket)

    async def _log_in(self, socket: ClientConnection, token: AccessToken) -> None:
        if not isinstance(await _receive(socket), Opened):
            raise FeedError(f"{self.url} did not open a SockJS session")
        await socket.send(encode(connect_frame(token, self.heartbeat_seconds)))
        while isinstance(message := await _receive(socket), Opened | Heartbeat):
            pass
        if isinstance(message, Closed):
            raise _closed(message)
        for frame in message:
            if frame.command != "CONNECTED":
                raise FeedError(f"{self.url} refused the login: {_complaint(frame)}")

    async def _log_out(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await socket.send(encode(command_frame({"type": "LOGOUT"})))
        except (TimeoutError, OSError, WebSocketException) as error:
            _log.debug("no logout: %s", error)


def sockjs_url(endpoint: str) -> str:
    """Return the address of a new SockJS session, with a random server number and session id."""
    return f"{endpoint}/{secrets.randbelow(1_000):03d}/{secrets.token_hex(16)}/websocket"


def connect_frame(token: AccessToken, heartbeat_seconds: float) -> StompFrame:
    """Return the login, with the headers of the provider's own clients."""
    return StompFrame(
        command="CONNECT",
        headers={
            "accept-version": "1.2,1.1,1.0",
            "X-AUTH-TOKEN": token.value,
            "heart-beat": f"0,{heartbeat_seconds * 1000:.0f}",
        },
    )


def command_frame(command: Mapping[str, str]) -> StompFrame:
    """Return a command to the platform itself: `TOKEN_REFRESH`, `LOGOUT`."""
    return StompFrame(
        command="SEND",
        headers={"content-type": _JSON, "destination": _COMMANDS},
        body=json.dumps(command, separators=(",", ":")).encode(),
    )


class _Stream:
    """One logged-in connection: its subscriptions, their numbers, and messages to be landed."""

    def __init__(
        self,
        feed: WebSocketFeed,
        session: FeedSession,
        socket: ClientConnection,
        token: AccessToken,
    ) -> None:
        self._feed = feed
        self._session = session
        self._socket = socket
        self._token = token
        self._user = session.secret(feed.tokens.username)
        self._subscriptions: dict[str, Subscription] = {}
        self._subscribed = 0
        self._resubscriptions = AsyncLimiter(feed.resubscriptions_per_minute, 60)
        self._backlog = Backlog(feed.backlog_bytes)
        landed = read_or_begin_anew(session.source_name, session.cursor, _numbers)
        self._landed = {topic: landed[topic] for topic in feed.topics if topic in landed}

    async def carry(self) -> None:
        """Subscribe, and carry messages until something fails."""
        for topic in self._feed.topics:
            await self._subscribe(topic)
        landing = asyncio.create_task(self._land())
        try:
            await _until_one_ends(
                self._read(), self._beat(), self._refresh_token(), _outcome(landing)
            )
        except Exception:
            # Messages read before the connection failed are valid.
            await self._backlog.end()
            await asyncio.wait([landing], timeout=self._feed.answer_seconds)
            raise
        finally:
            landing.cancel()
            await asyncio.gather(landing, return_exceptions=True)

    async def _subscribe(self, topic: str) -> None:
        self._subscribed += 1
        subscription = Subscription(f"sub-{self._subscribed}", topic, _now())
        self._subscriptions[topic] = subscription
        await self._send(
            StompFrame(
                command="SUBSCRIBE",
                headers={"destination": f"/user/{self._user}/{topic}", "id": subscription.id},
            )
        )

    async def _resubscribe(self, subscription: Subscription) -> None:
        """Leave a topic whose numbers have a gap, and subscribe again for a new snapshot."""
        if not self._resubscriptions.has_capacity():
            raise FeedError(f"{subscription.topic} keeps losing messages")
        await self._resubscriptions.acquire()
        await self._send(StompFrame(command="UNSUBSCRIBE", headers={"id": subscription.id}))
        await self._subscribe(subscription.topic)

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._feed.silence_seconds):
                    message = await _receive(self._socket)
            except TimeoutError:
                raise FeedError(
                    f"{self._feed.url} said nothing for {self._feed.silence_seconds:.0f} s"
                ) from None
            match message:
                case Closed():
                    raise _closed(message)
                case Opened() | Heartbeat():
                    pass
                case frames:
                    for frame in frames:
                        await self._take(frame)
            self._expect_snapshots()

    async def _take(self, frame: StompFrame) -> None:
        if frame.command != "MESSAGE":
            raise FeedError(f"the server ended the session: {_complaint(frame)}")
        message = self._raw_message(frame)
        await self._backlog.put(message)
        subscription = self._subscriptions.get(message.context.get("destination", ""))
        if subscription is None or frame.headers.get("subscription") != subscription.id:
            return  # a late message of a subscription that was left
        before = subscription.last_sequence_no
        is_snapshot = message.context.get("snapshot") == "true"
        if not subscription.follows(_sequence_no(message), is_snapshot=is_snapshot):
            _log.warning(
                "gap in %s between %s and %s: subscribing again",
                subscription.topic,
                before,
                subscription.last_sequence_no,
            )
            await self._resubscribe(subscription)

    def _raw_message(self, frame: StompFrame) -> RawMessage:
        sent = {
            "destination": frame.headers.get("destination", "").removeprefix(
                f"/user/{self._user}/"
            ),
            "sequence_no": frame.headers.get("x-nps-sequenceNo"),
            "snapshot": frame.headers.get("x-nps-snapshot", "false").lower(),
            "sent_at": frame.headers.get("x-nps-sent-at"),
        }
        return RawMessage(
            body=frame.body,
            received_at=datetime.now(UTC),
            context={name: value for name, value in sent.items() if value is not None},
        )

    def _expect_snapshots(self) -> None:
        for subscription in self._subscriptions.values():
            late = _now() - subscription.began > self._feed.snapshot_seconds
            if subscription.last_sequence_no is None and late:
                raise FeedError(f"no snapshot of {subscription.topic} came")

    async def _land(self) -> None:
        """Land the waiting messages as one group, and then those that came meanwhile."""
        while messages := await self._backlog.take():
            for message in messages:
                sequence_no = _sequence_no(message)
                if sequence_no is not None:
                    self._landed[message.context["destination"]] = sequence_no
            await self._session.land(messages, cursor=json.dumps(self._landed))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._feed.heartbeat_seconds)
            await self._socket.send(HEARTBEAT)

    async def _refresh_token(self) -> None:
        """Send a new token before the old one ends; the session continues."""
        while True:
            left = self._token.expires_at - datetime.now(UTC) - self._feed.refresh_before
            await asyncio.sleep(max(left, _SHORTEST_TOKEN_LIFE).total_seconds())
            token = await self._feed.tokens.issue(self._session, self._feed.provider)
            command = {
                "type": "TOKEN_REFRESH",
                "oldToken": self._token.value,
                "newToken": token.value,
            }
            await self._send(command_frame(command))
            self._token = token

    async def _send(self, frame: StompFrame) -> None:
        try:
            async with asyncio.timeout(self._feed.answer_seconds):
                await self._socket.send(encode(frame))
        except TimeoutError:
            raise FeedError(f"{self._feed.url} takes no {frame.command}") from None


async def _receive(
    socket: ClientConnection,
) -> Opened | Heartbeat | Closed | tuple[StompFrame, ...]:
    message = await socket.recv()
    if isinstance(message, bytes):
        raise FeedError("the server sent a binary message")
    return decode(message)


async def _until_one_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first ends, cancel the others, and raise what it raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _outcome(task: asyncio.Task[None]) -> None:
    """Wait for a task without cancelling it when cancelled; raise what it raised."""
    await asyncio.shield(task)


def _closed(message: Closed) -> FeedError:
    return FeedError(f"the server closed: {message.code} {message.reason}")


def _numbers(cursor: str | None) -> dict[str, int]:
    """Return the number of each topic's last message that landed."""
    return _CURSOR.validate_json(cursor or "{}")


def _sequence_no(message: RawMessage) -> int | None:
    text = message.context.get("sequence_no", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def _complaint(frame: StompFrame) -> str:
    """Return the message of an ERROR frame, without the token that it may quote."""
    return _TOKEN.sub("***", f"{frame.command} {frame.headers.get('message', '')}".strip())


def _now() -> float:
    return asyncio.get_running_loop().time()
