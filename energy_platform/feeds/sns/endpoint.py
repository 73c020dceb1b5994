"""SNS topics that push: a small HTTP endpoint that lands what Amazon signed, and nothing else.

Amazon reaches it through whatever stands before it and ends TLS; it listens on the loopback
interface unless told otherwise. Raw delivery carries no signature, so it is refused.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from energy_platform.errors import FeedError, ParseError
from energy_platform.feeds.base import FeedSession, WireProtocol
from energy_platform.feeds.sns.fingerprints import Fingerprints
from energy_platform.feeds.sns.signature import (
    NOTIFICATION,
    SUBSCRIPTION,
    SignatureChecker,
    UntrustedMessageError,
    check_sns_url,
)
from energy_platform.formats.json_reply import json_object
from energy_platform.raw_message import RawMessage

_log = logging.getLogger(__name__)

_CLOCK_SKEW: Final = timedelta(minutes=5)
_IDLE_SECONDS: Final = 10
_CONNECTIONS: Final = 64


@dataclass(frozen=True, kw_only=True)
class SnsEndpointFeed:
    """Notifications that SNS topics push to this machine; each lands as the envelope it came in.

    Attributes:
        topic_arns: The topics that may push; all others are refused.
        listen: Where to listen, e.g. `http://127.0.0.1:8472/sns`; Amazon's subscription names the
            public address that leads here.
        max_age: How old a message may be. SNS gives up after an hour.
        max_body_bytes: How large a request may be; SNS sends 256 KiB of payload at most.
        body_seconds: How long a request's body may take to arrive.
        answer_seconds: How long SNS may take to hand out a certificate or confirm a subscription.
        remembered: How many messages are remembered as landed.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.SNS

    topic_arns: tuple[str, ...]
    listen: str
    max_age: timedelta = timedelta(hours=1, minutes=5)
    max_body_bytes: int = 1 << 20
    body_seconds: float = 10.0
    answer_seconds: float = 10.0
    remembered: int = 512

    async def run(self, session: FeedSession) -> None:
        """Serve until cancelled.

        Raises:
            FeedError: The address can't be listened on, or landing failed; SNS was told to send
                the message again.
        """
        where = urlsplit(session.address(self.listen))
        with _listening(where.hostname or "127.0.0.1", where.port or 80) as listener:
            async with httpx.AsyncClient(timeout=self.answer_seconds) as client:
                endpoint = _Endpoint(self, session, client)
                routes = [Route(where.path or "/", endpoint.receive, methods=["POST"])]
                await _serve(Starlette(routes=routes), listener, endpoint.failed)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address; done here because uvicorn would end the process if it can't."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise FeedError(f"can't listen on {host}:{port}: {error.strerror}") from None
    with listener:
        yield listener


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    application: Starlette, listener: socket.socket, failed: asyncio.Future[None]
) -> None:
    """Serve until cancelled, or until `failed` is set; requests under way get their answer."""
    server = _Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait([serving, failed], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        await asyncio.wait([serving])
    if failed.done():
        failed.result()
    serving.result()
    raise FeedError("the endpoint's server stopped")


class _RefusedError(Exception):
    """A request that gets no better answer than this status; the message says why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Endpoint:
    """Answers SNS, and remembers what has landed."""

    def __init__(
        self, feed: SnsEndpointFeed, session: FeedSession, client: httpx.AsyncClient
    ) -> None:
        self._feed = feed
        self._session = session
        self._client = client
        self._checker = SignatureChecker(session, client, feed.answer_seconds)
        self._landed = Fingerprints.load(session.cursor, capacity=feed.remembered)
        self._landing = asyncio.Lock()
        self._counts: Counter[str] = Counter()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive(self, request: Request) -> Response:
        """Answer a request: 200 once what it brings has landed, 4xx to refuse, 5xx to ask again."""
        try:
            body = await self._body(request)
            message = self._message(body)
            await self._checker.check(message)
            outcome = await self._take(message, body)
        except _RefusedError as error:
            return self._answer("refused", error.status, str(error))
        except UntrustedMessageError as error:
            return self._answer("refused", HTTPStatus.FORBIDDEN, str(error))
        except FeedError as error:
            return self._answer("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return self._answer(outcome, HTTPStatus.OK, "")

    def _answer(self, outcome: str, status: HTTPStatus, reason: str) -> Response:
        """Count and log an outcome; the sender learns the status alone."""
        self._counts[outcome] += 1
        level = logging.DEBUG if status == HTTPStatus.OK else logging.WARNING
        _log.log(
            level,
            "%s: SNS message %s (%d so far)%s",
            self._session.source_name,
            outcome,
            self._counts[outcome],
            f": {reason}" if reason else "",
        )
        return PlainTextResponse(status.phrase, status)

    async def _body(self, request: Request) -> bytes:
        """Read a request's body, within its bounds."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._feed.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._feed.max_body_bytes:
                        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                        raise _RefusedError(status, "the request is too large")
        except (TimeoutError, ClientDisconnect):
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, "the request did not end") from None
        return bytes(body)

    def _message(self, body: bytes) -> Mapping[str, str]:
        """Read an envelope, and see that it is of an expected topic and recent."""
        try:
            fields = json_object(body)
        except ParseError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None
        message = {name: value for name, value in fields.items() if isinstance(value, str)}
        topic_arn = message.get("TopicArn", "")
        if topic_arn not in self._feed.topic_arns:
            raise UntrustedMessageError(f"the topic {topic_arn!r:.120} is not expected")
        self._check_age(message.get("Timestamp", ""))
        return message

    def _check_age(self, timestamp: str) -> None:
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(timestamp)
        except (ValueError, TypeError):
            raise UntrustedMessageError(f"{timestamp!r:.40} is no instant") from None
        if not -_CLOCK_SKEW <= age <= self._feed.max_age:
            raise UntrustedMessageError(f"the message of {timestamp} is out of time")

    async def _take(self, message: Mapping[str, str], body: bytes) -> str:
        """Do what a trusted message asks for; return what that was."""
        if message["Type"] == NOTIFICATION:
            return await self._land(message, body)
        if message["Type"] == SUBSCRIPTION:
            return await self._confirm(message)
        # What is left is an UnsubscribeConfirmation. Visiting its SubscribeURL would subscribe
        # again, against the will of whoever may unsubscribe.
        _log.warning("%s: unsubscribed from %s", self._session.source_name, message["TopicArn"])
        return "unsubscribed"

    async def _land(self, message: Mapping[str, str], body: bytes) -> str:
        """Land a notification once; one at a time, so that a cursor claims no more than landed."""
        identity = message["MessageId"].encode()
        context = {
            "content_type": "application/json",
            "topic_arn": message["TopicArn"],
            "message_id": message["MessageId"],
        }
        async with self._landing:
            if identity in self._landed:
                return "repeated"
            known = self._landed.adding([identity])
            raw = RawMessage(body=body, received_at=datetime.now(UTC), context=context)
            try:
                await self._session.land([raw], cursor=known.dump())
            except Exception as error:
                if not self.failed.done():
                    self.failed.set_exception(error)
                raise FeedError(f"landing failed: {error}") from error
            self._landed = known
        return "landed"

    async def _confirm(self, message: Mapping[str, str]) -> str:
        """Confirm a subscription by visiting the address that SNS sent, which must be SNS's own."""
        url = message["SubscribeURL"]
        check_sns_url(url, message["TopicArn"])
        try:
            async with asyncio.timeout(self._feed.answer_seconds):
                response = await self._client.get(self._session.address(url))
        except (httpx.HTTPError, TimeoutError) as error:
            raise FeedError(f"SNS did not confirm: {type(error).__name__} {error}") from None
        if not response.is_success:
            raise FeedError(f"SNS did not confirm: it answered {response.status_code}")
        _log.info("%s: subscribed to %s", self._session.source_name, message["TopicArn"])
        return "subscribed"
