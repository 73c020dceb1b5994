"""A small app behind the guard, and a server for it: in this process, on a socket of its own."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from energy_platform.dashboard.access import Role, guarded, visitor_of
from energy_platform.dashboard.access.passwords import hashed
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.settings import Login, Settings

PASSWORD = "correct horse battery"


class Desk:
    """The app: it notes each change that reaches it."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/who", self._who),
                Route("/api/change", self._change, methods=["POST"]),
                WebSocketRoute("/live", self._live),
            ]
        )

    async def _page(self, _: Request) -> Response:
        return HTMLResponse("<!doctype html><title>Desk</title><p>prices</p>")

    async def _who(self, request: Request) -> Response:
        visitor = visitor_of(request.scope)
        return JSONResponse({"name": visitor.name, "role": visitor.role, "way": visitor.way})

    async def _change(self, request: Request) -> Response:
        self.changes.append(visitor_of(request.scope).name)
        return JSONResponse({})

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(f"{visitor_of(socket.scope).name}: price")
                await socket.receive_text()
        except WebSocketDisconnect:
            pass


def with_users(home: Path, **more: object) -> Settings:
    """Return settings with a user list: alice may see all, bob his portfolio alone."""
    users = UserList.of(home)
    password_hash = _password_hash()
    users.put(User(name="alice", role=Role.ADMIN, portfolios=("*",), password_hash=password_hash))
    users.put(User(name="bob", role=Role.TRADER, portfolios=("wind",), password_hash=password_hash))
    users.put(User(name="carol", role=Role.VIEWER))
    return Settings.model_validate({"home": home, "login": Login.USERS, **more})


@cache
def _password_hash() -> str:
    return hashed(PASSWORD)


def client(app: ASGIApp, *, address: str = "127.0.0.1", host: str = "localhost:3070",
           scheme: str = "http") -> httpx.AsyncClient:  # fmt: skip
    """Return a client that asks an app from an address, under a host name."""
    transport = httpx.ASGITransport(app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{host}")


def guarded_desk(settings: Settings) -> tuple[Desk, ASGIApp]:
    """Return the app, and the app behind its guard."""
    desk = Desk()
    return desk, guarded(desk.app, settings)


@contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    """Serve an app on a free port of this machine; yield the port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", proxy_headers=False, lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
