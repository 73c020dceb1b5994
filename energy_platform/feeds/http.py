"""One HTTP exchange, bounded in time and size, that ends in a whole body or a `FeedError`.

REST, SOAP and token requests share it. It detects a body that was cut short, recognises bans, and
keeps parameters' values out of every message.
"""

import asyncio
import logging
import ssl
import zlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Final

import httpx

from energy_platform.errors import FeedError, RefusedError, UnreachableError
from energy_platform.market.feed import FeedSession
from energy_platform.market.provider import Provider

_USER_AGENT: Final = "energy-platform"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_NOT_FOR_THE_QUESTION: Final = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Statuses of the 400s that concern the client or the moment, not the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one exchange may cost at most.

    Attributes:
        timeout: From connecting to the last byte of the body.
        max_body_bytes: Size of the body, as sent and as unpacked.
    """

    timeout: timedelta = timedelta(seconds=30)
    max_body_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A whole reply; the body is unpacked if it came packed."""

    status: int
    headers: httpx.Headers
    body: bytes


def http_client(
    limits: HttpLimits, *, identity: tuple[str, str] | None = None
) -> httpx.AsyncClient:
    """Return a client that keeps its connections alive for as long as it is open.

    With an `identity`, a name and its secret, it identifies itself in a header of each request.
    """
    logging.getLogger("httpx").addFilter(_names_no_query)
    return httpx.AsyncClient(
        timeout=limits.timeout.total_seconds(), auth=identity, verify=trusted()
    )


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificates that all clients trust, read once, since reading takes 50 ms."""
    return httpx.create_ssl_context()


def _names_no_query(record: logging.LogRecord) -> bool:
    """Remove the query, which may hold a token, from what httpx logs of each request."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            place(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args
        )
    return True


async def exchange(  # noqa: PLR0913 (an HTTP request has these six parts)
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    limits: HttpLimits,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> HttpReply:
    """Send one request and read its whole reply, whatever its status.

    Raises:
        UnreachableError: No connection.
        FeedError: No whole body in time, or a body that is too large.
    """
    sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
    try:
        request = client.build_request(method, url, params=params, headers=sent, content=content)
        async with (
            asyncio.timeout(limits.timeout.total_seconds()),
            aclosing(await _opened(client, request)) as response,
        ):
            raw = bytearray()
            async for piece in response.aiter_raw():
                raw += piece
                if len(raw) > limits.max_body_bytes:
                    raise FeedError(f"{place(url)} sent more than {limits.max_body_bytes} bytes")
    except TimeoutError:
        seconds = limits.timeout.total_seconds()
        raise FeedError(f"{place(url)} did not answer within {seconds:g} s") from None
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise UnreachableError(f"{place(url)} could not be reached: {_said(error)}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FeedError(f"{place(url)} could not be read: {_said(error)}") from error
    encoding = response.headers.get("Content-Encoding", "identity")
    body = _unpack(bytes(raw), encoding, url=url, max_bytes=limits.max_body_bytes)
    return HttpReply(status=response.status_code, headers=response.headers, body=body)


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


async def _opened(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request and return the reply as far as its head.

    A server may close an idle connection just as it is used again. That is no failure, so the
    request is sent once more, on a new connection.
    """
    try:
        return await client.send(request, stream=True)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        return await client.send(request, stream=True)


def raise_if_banned(reply: HttpReply, url: str, provider: Provider, session: FeedSession) -> None:
    """Keep all feeds of the provider away, and raise, if the reply says "too many requests".

    Raises:
        FeedError: The status is 429.
    """
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = retry_after_seconds(reply.headers)
        session.ban(provider, asked)
        raise FeedError(
            f"{place(url)} refuses: too many requests",
            retry_after_seconds=provider.ban.total_seconds() if asked is None else asked,
        )


def refuses(status: int) -> bool:
    """Return whether a status refuses this one question, so that another may be answered."""
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_client_error and status not in _NOT_FOR_THE_QUESTION


def unusable(
    reply: HttpReply, url: str, why: str = "", *, kind: type[FeedError] | None = None
) -> FeedError:
    """Return the error for a reply that a feed can't use; the status decides its class."""
    said = f"{place(url)} answered {reply.status}"
    kind = kind or (RefusedError if refuses(reply.status) else FeedError)
    return kind(
        f"{said}: {why}" if why else said, retry_after_seconds=retry_after_seconds(reply.headers)
    )


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the waiting time of `Retry-After`, in seconds or as a date; None without one.

    An hour at most: after it, a provider that wants a longer time is asked again, and repeats it.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        seconds = float(text)
    else:
        try:
            instant = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        seconds = (
            instant.replace(tzinfo=instant.tzinfo or UTC) - datetime.now(UTC)
        ).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)


def _unpack(raw: bytes, encoding: str, *, url: str, max_bytes: int) -> bytes:
    """Unpack a body; httpx itself accepts a gzip stream that ends early."""
    if encoding == "identity" or not raw:
        return raw
    if encoding != "gzip":
        raise FeedError(f"{place(url)} packed its body as {encoding!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacker.decompress(raw, max_bytes)
    except zlib.error as error:
        raise FeedError(f"{place(url)} sent a broken gzip body: {error}") from error
    if unpacker.unconsumed_tail:
        raise FeedError(f"{place(url)} sent a body that unpacks to more than {max_bytes} bytes")
    if not unpacker.eof:
        raise FeedError(f"{place(url)} sent a gzip body that ends early")
    if unpacker.unused_data:
        raise FeedError(f"{place(url)} sent bytes behind the end of its gzip body")
    return body


def place(url: str) -> str:
    """Return a URL without its query, which may hold a token."""
    parts = httpx.URL(url)
    return f"{parts.host}{parts.path}"
