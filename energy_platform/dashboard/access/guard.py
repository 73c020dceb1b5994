"""The guard: an ASGI app before all others, for HTTP and WebSocket alike.

It decides in this order: does the request come from where it may come from (`boundary`), who asks
(`doorman`), did their own page send it (CSRF). What it lets through, it watches: once a session has
ended, its open connections end too.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from energy_platform.dashboard.access.boundary import changes
from energy_platform.dashboard.access.dagster_ui import DagsterUi
from energy_platform.dashboard.access.doorman import Doorman
from energy_platform.dashboard.access.headers import with_headers
from energy_platform.dashboard.access.login_pages import LOGIN, OWN_PATHS, login_routes, own_routes
from energy_platform.dashboard.access.refusal import NotLoggedIn, Refused
from energy_platform.dashboard.access.visitor import Visitor, Way, let_in
from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision.ports import DAGSTER_PATH, webserver_at
from energy_platform.settings import Login, Settings

REFUSED: Final = 1008
SESSION_ENDED: Final = 4401
"""The code with which a WebSocket is closed whose session has ended."""
LOOK_SECONDS: Final = 5.0
"""How often an open connection is looked at."""

_log = logging.getLogger(__name__)


def guarded(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return an app behind the guard, which also answers logins, `/api/me` and `/dagster`."""
    doorman = Doorman.of(settings)
    dagster = DagsterUi(
        where=webserver_at(settings),
        boundary=doorman.boundary,
        audit=doorman.audit,
        read_only=settings.dagster_read_only,
    )
    return Guard(app, dagster, doorman)


class Guard:
    """Stands before an app.

    Args:
        app: What it guards.
        dagster: What it guards at `/dagster`.
        doorman: Knows who may look.
    """

    def __init__(self, app: ASGIApp, dagster: ASGIApp, doorman: Doorman) -> None:
        self._app = app
        self._dagster = dagster
        self._doorman = doorman
        self._login = Starlette(
            routes=[*login_routes(doorman), *_oidc_routes(doorman)],
            exception_handlers={EnergyPlatformError: _nobody_known},
        )
        self._own = Starlette(routes=own_routes(doorman))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if scope["type"] == "http":
            keeps_policy = is_below(path, DAGSTER_PATH)
            send = with_headers(send, keeps_policy=keeps_policy, is_https=self._doorman.is_https)
        asked = HTTPConnection(scope)
        try:
            self._doorman.boundary.check(asked)
            if is_below(path, LOGIN):
                await self._login(scope, receive, send)
                return
            visitor = self._doorman.visitor(asked)
            if changes(asked):
                self._require_own_page(asked, visitor)
        except Refused as refused:
            await self._refuse(refused, asked, receive, send)
            return
        except EnergyPlatformError as error:
            await self._refuse(_unknown(error), asked, receive, send)
            return
        app = self._app_at(path)
        await self._while_welcome(asked, visitor, app(let_in(scope, visitor), receive, send), send)

    def _app_at(self, path: str) -> ASGIApp:
        if path in OWN_PATHS:
            return self._own
        return self._dagster if is_below(path, DAGSTER_PATH) else self._app

    def _require_own_page(self, asked: HTTPConnection, visitor: Visitor) -> None:
        """Refuse a change that the visitor's own page did not send.

        Dagster's page knows nothing of our token, so for it the origin, which was checked, counts.
        """
        if not is_below(asked.scope["path"], DAGSTER_PATH):
            self._doorman.require_token(asked, visitor)
        elif visitor.csrf and "origin" not in asked.headers:
            raise Refused(403, "wrong_origin", "a change in the Dagster UI says its origin")

    async def _while_welcome(
        self,
        asked: HTTPConnection,
        visitor: Visitor,
        serving: Awaitable[None],
        send: Send,
    ) -> None:
        """Serve a connection until it ends, or until the visitor is another or none any more."""
        if visitor.way is Way.LOOPBACK:
            await serving
            return
        task = asyncio.ensure_future(serving)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_SECONDS)
                if not task.done() and not self._is_still(asked, visitor):
                    task.cancel()
                    await asyncio.wait({task})
                    if asked.scope["type"] == "websocket":
                        await send({"type": "websocket.close", "code": SESSION_ENDED})
                    return
            await task
        finally:
            task.cancel()

    def _is_still(self, asked: HTTPConnection, visitor: Visitor) -> bool:
        try:
            return self._doorman.visitor(asked) == visitor
        except (Refused, EnergyPlatformError):
            return False

    async def _refuse(
        self, refused: Refused, asked: HTTPConnection, receive: Receive, send: Send
    ) -> None:
        if asked.scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": REFUSED, "reason": refused.message})
            return
        answer: Response = refused.answer()
        is_page = "text/html" in asked.headers.get("accept", "") and not changes(asked)
        if isinstance(refused, NotLoggedIn) and is_page and self._doorman.has_login_page:
            wanted = asked.url.path + (f"?{asked.url.query}" if asked.url.query else "")
            answer = RedirectResponse(f"{LOGIN}?next={quote(wanted)}", 303)
        await answer(asked.scope, receive, send)


def _unknown(error: Exception) -> Refused:
    """Return the refusal where the user list or another file can't be read."""
    _log.error("nobody is let in: %s", error)
    return Refused(
        503, "access_unknown", "who may look can't be read; the log of the dashboard says why"
    )


async def _nobody_known(_: Request, error: Exception) -> Response:
    return _unknown(error).answer()


def _oidc_routes(doorman: Doorman) -> list[BaseRoute]:
    if doorman.settings.login is not Login.OIDC:
        return []
    from energy_platform.dashboard.access.oidc import oidc_route  # noqa: PLC0415 (authlib is large)

    return [oidc_route(doorman)]


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder or is in it.

    >>> is_below("/dagster/runs", "/dagster"), is_below("/dagsters", "/dagster")
    (True, False)
    """
    return path == folder or path.startswith(f"{folder}/")
