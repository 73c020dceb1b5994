"""SNS topics that push: a small HTTP endpoint that lands only messages signed by Amazon.

Amazon reaches it through a proxy that terminates TLS; it listens on the loopback interface unless
the setting `ENERGY_PLATFORM_ADDRESSES` says otherwise. While it listens, a file in the feed's
folder has the address, so that any free port will do. Raw delivery carries no signature, so it is
refused. `announced_files` fetches the announced files.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from energy_platform.encodings.json_reply import json_object
from energy_platform.errors import FeedError, ParseError
from energy_platform.feeds.http import trusted
from energy_platform.feeds.sns.announced_files import ANNOUNCES, AnnouncedFiles, FollowUp
from energy_platform.feeds.sns.bucket_files import BucketFiles
from energy_platform.feeds.sns.ledger import Ledger
from energy_platform.feeds.sns.signature import (
    NOTIFICATION,
    SUBSCRIPTION,
    SignatureChecker,
    UntrustedMessageError,
    check_sns_url,
)
from energy_platform.market.feed import FeedSession, HistoryChunk, WireProtocol
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

LISTENS_AT: Final = "listens_at"
"""The file in the feed's folder with the address on which it listens."""

_CLOCK_SKEW: Final = timedelta(minutes=5)
_IDLE_SECONDS: Final = 10
_CONNECTIONS: Final = 64


@dataclass(frozen=True, kw_only=True)
class SnsEndpointFeed:
    """Notifications that SNS topics push to this machine; each lands in its envelope.

    If they announce `files`, those land too, each as one message (context: `bucket`, `key`,
    `etag`), and the envelope of an announcement has `announces` in its context. Announcements of
    other files are acknowledged and do not land.

    Attributes:
        topic_arns: The topics that may push; all others are refused.
        listen: Where to listen, e.g. `http://127.0.0.1:8472/sns`; Amazon's subscription names the
            public address that leads here.
        max_age: How old a message may be. SNS gives up after an hour.
        max_body_bytes: How large a request may be; SNS sends 256 KiB of payload at most.
        body_seconds: How long a request's body may take to arrive.
        answer_seconds: How long SNS may take to send a certificate or confirm a subscription.
        remembered: How many messages and files are remembered as landed.
        files: The wanted files, if the notifications announce files.
        follow_up: How they are fetched.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.SNS

    topic_arns: tuple[str, ...]
    listen: str
    max_age: timedelta = timedelta(hours=1, minutes=5)
    max_body_bytes: int = 1 << 20
    body_seconds: float = 10.0
    answer_seconds: float = 10.0
    remembered: int = 512
    files: BucketFiles | None = None
    follow_up: FollowUp = field(default_factory=FollowUp)

    @property
    def keeps_history(self) -> bool:
        """Whether the files' bucket keeps older ones."""
        return self.files is not None and self.files.history_prefix is not None

    def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AbstractAsyncContextManager[Sequence[HistoryChunk]]:
        """Open the bucket's files of the UTC days that [start, end) touches.

        See `BucketFiles.history`.
        """
        if self.files is None:
            raise FeedError("notifications can't be had again")
        return self.files.history(session, start, end)

    async def run(self, session: FeedSession) -> None:
        """Serve until cancelled.

        Raises:
            FeedError: The address can't be listened on, or landing failed and SNS was told to send
                the message again.
        """
        where = urlsplit(session.address(self.listen))
        port = 80 if where.port is None else where.port
        with (
            _listening(where.hostname or "127.0.0.1", port) as listener,
            _told(session.state_directory / LISTENS_AT, where, listener),
        ):
            async with httpx.AsyncClient(timeout=self.answer_seconds, verify=trusted()) as client:
                endpoint = _Endpoint(self, session, client)
                routes = [Route(where.path or "/", endpoint.receive, methods=["POST"])]
                async with endpoint.following_up():
                    await _serve(Starlette(routes=routes), listener, endpoint.failed)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address; uvicorn itself would end the process if it can't."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise FeedError(f"can't listen on {host}:{port}: {error.strerror}") from None
    # Connections inherit it. Without it an answer in two writes waits 40 ms for the sender.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with listener:
        yield listener


@contextlib.contextmanager
def _told(file: Path, where: SplitResult, listener: socket.socket) -> Iterator[None]:
    """Write a listener's address to a file for as long as the context lasts."""
    host, port = listener.getsockname()[:2]
    fresh = file.with_suffix(".new")
    fresh.write_text(where._replace(netloc=f"{host}:{port}").geturl())
    fresh.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


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
    """A request that is answered with this status; the message says why."""

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
        self._ledger = Ledger(session, remembered=feed.remembered)
        self._announced = (
            None
            if feed.files is None
            else AnnouncedFiles(feed.files, feed.follow_up, session, self._ledger)
        )
        self._counts: Counter[str] = Counter()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextlib.asynccontextmanager
    async def following_up(self) -> AsyncIterator[None]:
        """Fetch announced files, if any are wanted, for as long as the context lasts."""
        if self._announced is None:
            yield
            return
        fetching = asyncio.create_task(self._announced.run())
        fetching.add_done_callback(self._note_failure)
        try:
            yield
        finally:
            fetching.cancel()
            await asyncio.wait([fetching])

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def receive(self, request: Request) -> Response:
        """Answer a request: 200 once its message has landed, 4xx to refuse, 5xx to ask again."""
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
        """Count and log an outcome; the sender gets only the status."""
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
            # SNS does not retry after a 4xx, and a slow request may be quick the next time.
            raise FeedError("the request did not end") from None
        return bytes(body)

    def _message(self, body: bytes) -> Mapping[str, str]:
        """Read an envelope, and check that it is of an expected topic and recent."""
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
        """Do what a trusted message asks for; return what was done."""
        if message["Type"] == NOTIFICATION:
            return await self._land(message, body)
        if message["Type"] == SUBSCRIPTION:
            return await self._confirm(message)
        # The remaining type is an UnsubscribeConfirmation. Visiting its SubscribeURL would
        # subscribe again, against the will of the owner who unsubscribed.
        _log.warning("%s: unsubscribed from %s", self._session.source_name, message["TopicArn"])
        return "unsubscribed"

    async def _land(self, message: Mapping[str, str], body: bytes) -> str:
        """Land a notification once, and record the files that it announces."""
        identity = message["MessageId"].encode()
        context = {
            "content_type": "application/json",
            "topic_arn": message["TopicArn"],
            "message_id": message["MessageId"],
        }
        async with self._ledger.turn:
            if identity in self._ledger.landed:
                return "repeated"
            files: Mapping[str, str] = {}
            if self._announced is not None:
                try:
                    files = self._announced.wanted(message["Message"])
                except ParseError as error:
                    context["unreadable"] = str(error)
                else:
                    if not files:
                        return "of no wanted file"
                    context[ANNOUNCES] = " ".join(files)
            raw = RawMessage(body=body, received_at=datetime.now(UTC), context=context)
            try:
                await self._ledger.land([raw], landed=[identity], waiting=files)
            except Exception as error:
                if not self.failed.done():
                    self.failed.set_exception(error)
                raise FeedError(f"landing failed: {error}") from error
        if self._announced is not None:
            self._announced.follow(files)
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
