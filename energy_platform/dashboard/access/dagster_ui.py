"""Stands before Dagster's web server, which knows neither users nor origins itself.

The server listens on a Unix socket that only this user can open, or at an address that only this
process can reach, so no browser reaches it but through here. What changes something there needs an
administrator and is noted in the audit log.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from energy_platform.dashboard.access.audit import Action, AuditLog
from energy_platform.dashboard.access.boundary import Boundary
from energy_platform.dashboard.access.graphql_requests import asked_query, changes_in
from energy_platform.dashboard.access.refusal import Refused
from energy_platform.dashboard.access.visitor import Role, visitor_of
from energy_platform.operations.supervision.ports import DAGSTER_PATH
from energy_platform.settings import Address

_GRAPHQL: Final = f"{DAGSTER_PATH}/graphql"
_UPSTREAM: Final = "dagster"
"""What the server is called in requests to it."""
_LARGEST_REQUEST_BYTES: Final = 2 * 2**20
_LARGEST_MESSAGE_BYTES: Final = 16 * 2**20
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 120.0
_AWAY_CODE: Final = 1013
"""The code with which a WebSocket is closed that may be tried again later."""
_OF_THE_CONNECTION: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_NOT_PASSED_ON: Final = _OF_THE_CONNECTION | {
    "host", "cookie", "authorization", "content-length", "forwarded", "via", "x-csrf-token",
}  # fmt: skip
_NOT_PASSED_BACK: Final = _OF_THE_CONNECTION | {"date", "server", "set-cookie"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DagsterUi:
    """An ASGI app that hands requests on to Dagster's web server.

    Attributes:
        where: Where the server listens.
        boundary: Knows the visitor's address.
        audit: Where changes are noted.
        read_only: Whether nobody may change anything.
    """

    where: Path | Address
    boundary: Boundary
    audit: AuditLog
    read_only: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or WebSocket that the guard has let through."""
        if scope["type"] == "websocket":
            await self._subscribe(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            if scope["path"] == DAGSTER_PATH:
                await RedirectResponse(f"{DAGSTER_PATH}/", 307)(scope, receive, send)
                return
            body = await self._allowed_body(request)
            await self._hand_on(request, body, send)
        except Refused as refused:
            await refused.answer()(scope, receive, send)

    async def _allowed_body(self, request: Request) -> bytes:
        """Return the request's body, if the visitor may ask for this.

        Raises:
            Refused: They may not.
        """
        path, method = request.scope["path"], request.method
        if method in {"GET", "HEAD"}:
            queries = request.query_params.getlist("query") if path == _GRAPHQL else []
            if any([await asyncio.to_thread(changes_in, query) for query in queries]):
                raise Refused(405, "mutation_by_get", "a change is sent by POST")
            return b""
        if method != "POST":
            raise Refused(405, "method", f"Dagster knows no {method}")
        body = await _whole_body(request)
        what = [path]
        if path == _GRAPHQL:
            query = asked_query(request.headers.get("content-type", ""), body)
            what = await asyncio.to_thread(changes_in, query)
        if what:
            self._allow_change(request, what)
        return body

    def _allow_change(self, request: Request, what: list[str]) -> None:
        visitor = visitor_of(request.scope)
        if self.read_only:
            raise Refused(403, "read_only", "ENERGY_PLATFORM_DAGSTER_READ_ONLY is set")
        if not visitor.may(Role.ADMIN):
            raise Refused(403, "not_admin", "only an admin changes something in the Dagster UI")
        address = self.boundary.client_address(request)
        self.audit.add(Action.DAGSTER_CHANGED, visitor.name, address, what=what)

    async def _hand_on(self, request: Request, body: bytes, send: Send) -> None:
        """Ask the server, and send its answer on part by part.

        Raises:
            Refused: It does not answer.
        """
        host, port = self.where if isinstance(self.where, Address) else (_UPSTREAM, None)
        url = httpx.URL(
            scheme="http", host=host, port=port, path=request.scope["path"],
            query=request.scope["query_string"],
        )  # fmt: skip
        began = False
        try:
            async with (
                httpx.AsyncClient(
                    transport=httpx.AsyncHTTPTransport(
                        uds=None if isinstance(self.where, Address) else str(self.where),
                        verify=False,
                    ),
                    timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                ) as client,
                client.stream(
                    request.method, url, content=body,
                    headers=[
                        (b"host", _UPSTREAM.encode()),
                        *_without(request.headers.raw, _NOT_PASSED_ON),
                    ],
                ) as answer,
            ):  # fmt: skip
                headers = _without(answer.headers.raw, _NOT_PASSED_BACK)
                await send(
                    {
                        "type": "http.response.start",
                        "status": answer.status_code,
                        "headers": [_relative(name, value) for name, value in headers],
                    }
                )
                began = True
                async for part in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except httpx.TransportError as error:
            if began:
                raise
            _log.warning("Dagster's web server does not answer: %r", error)
            raise Refused(
                503, "dagster_away", "the Dagster UI does not answer yet", {"Retry-After": "2"}
            ) from None

    async def _subscribe(self, page: WebSocket) -> None:
        """Connect a page with the server's subscriptions; what they carry changes nothing."""
        if page.scope["path"] != _GRAPHQL:
            await page.close(1008)
            return
        wanted = [Subprotocol(one) for one in page.scope["subprotocols"]]
        try:
            async with connect(
                f"ws://{_UPSTREAM}{_GRAPHQL}", **_connection(self.where), subprotocols=wanted,
                compression=None, open_timeout=_CONNECT_SECONDS, max_size=_LARGEST_MESSAGE_BYTES,
                proxy=None,
            ) as server:  # fmt: skip
                await page.accept(subprotocol=server.subprotocol)
                await _join(page, server)
        except (OSError, TimeoutError, WebSocketException) as error:
            _log.warning("Dagster's web server takes no subscriptions: %r", error)
            await page.close(_AWAY_CODE)


def _connection(where: Path | Address) -> dict[str, Any]:
    """Return how a WebSocket reaches the server."""
    if isinstance(where, Address):
        return {"host": where.host, "port": where.port}
    return {"unix": True, "path": str(where)}


async def _join(page: WebSocket, server: ClientConnection) -> None:
    """Carry messages both ways until one side ends."""

    async def to_server() -> None:
        while True:
            await server.send(await page.receive_text())

    async def to_page() -> None:
        async for message in server:
            await page.send_text(message if isinstance(message, str) else message.decode())
        await page.close()

    tasks = [asyncio.ensure_future(one()) for one in (to_server, to_page)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error and not isinstance(error, WebSocketDisconnect | ConnectionClosed):
                raise error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _whole_body(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        Refused: It is too large.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_REQUEST_BYTES:
            raise Refused(
                413, "too_large", f"a request has {_LARGEST_REQUEST_BYTES:,} bytes at most"
            )
    return bytes(body)


def _without(
    headers: Iterable[tuple[bytes, bytes]], names: frozenset[str]
) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.decode("latin-1").lower() not in names]


def _relative(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a header; an address of the server becomes a path of ours."""
    ours = f"http://{_UPSTREAM}/".encode()
    if name.lower() == b"location" and value.startswith(ours):
        return name, value.removeprefix(ours[:-1])
    return name, value
