"""The application: pages, WebSocket and API put together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from energy_platform.dashboard import channel
from energy_platform.dashboard.access.choices_file import ChoicesFile
from energy_platform.dashboard.access.notes import Notes
from energy_platform.dashboard.alarms.alarm_file import AlarmFile
from energy_platform.dashboard.alarms.board import AlarmBoard
from energy_platform.dashboard.alarms.channels import AlertChannels
from energy_platform.dashboard.alarms.rights import OwnersRights
from energy_platform.dashboard.alarms.watch import AlarmWatch
from energy_platform.dashboard.api import (
    alarms,
    choices,
    documentation,
    events,
    follow,
    forecast_errors,
    lineage,
    market,
    metrics,
    open_positions,
    positions,
    ranges,
    signals,
    sources,
)
from energy_platform.dashboard.api.answers import PROBLEMS
from energy_platform.dashboard.api.bodies import BoundedBodies
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.entitlement import NotEntitledError
from energy_platform.dashboard.health import Health
from energy_platform.dashboard.hub import Hub
from energy_platform.dashboard.live_rows import LiveRows
from energy_platform.dashboard.marking import Marking
from energy_platform.dashboard.marks import Quarantine
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics import Topics
from energy_platform.errors import EnergyPlatformError, UnknownSourceError, UsageError
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.settings import Settings

_log = logging.getLogger(__name__)

STATIC: Final = Path(__file__).parent / "static"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"


def app(settings: Settings) -> FastAPI:
    """Return the application over the stores of these settings."""
    stores, questions = Stores.open(settings), Questions()
    health = Health(stores, Supervisor(settings.home))
    quarantine, board = Quarantine(stores.batches.warehouse), AlarmBoard()
    hub = Hub(Topics(stores, board).named, LiveRows(stores.bus), lambda: health.troubles)
    alarm_file, rights = AlarmFile.of(settings.state), OwnersRights.of(settings)
    alarm_watch = AlarmWatch(hub, alarm_file, board, rights.may_watch, AlertChannels(settings).tell)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [
            asyncio.create_task(hub.run()),
            asyncio.create_task(alarm_watch.run()),
            asyncio.create_task(Marking(hub, quarantine, stores.now).run()),
            asyncio.create_task(health.run(lambda: bool(hub.viewers))),
        ]
        yield
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        questions.close()

    application = FastAPI(title="Energy Platform", lifespan=lifespan, docs_url=None, redoc_url=None,
                          openapi_url="/api/openapi.json", exception_handlers=_ERRORS,
                          responses=PROBLEMS)  # fmt: skip

    application.add_middleware(BoundedBodies)

    @application.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await channel.serve(socket, hub)

    for router in (
        sources.router(settings),
        ranges.router(stores, questions, quarantine),
        forecast_errors.router(stores, questions),
        market.router(stores, questions),
        signals.router(stores, questions),
        open_positions.router(stores, questions),
        lineage.router(stores, questions),
        positions.router(stores, questions, Notes.of(settings)),
        events.router(hub),
        choices.router(ChoicesFile.of(settings.state), Notes.of(settings)),
        alarms.router(alarm_file, board, alarm_watch, Notes.of(settings)),
        follow.router(stores),
        metrics.router(hub),
        documentation.router(application),
    ):
        application.include_router(router)
    _add_pages(application)
    return application


def _add_pages(application: FastAPI) -> None:
    """Serve the built page, which asks for everything else by itself."""

    @application.get("/", include_in_schema=False)
    async def page() -> Response:
        index = STATIC / "index.html"
        if not index.exists():
            raise HTTPException(503, "the page is not built: see docs/dashboard.md")
        return FileResponse(index, headers={"Cache-Control": _ASK_AGAIN})

    application.mount("/assets", _Assets(directory=STATIC / "assets", check_dir=False))


class _Assets(StaticFiles):
    """Built files, whose names change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:  # noqa: PLR2004
            response.headers["Cache-Control"] = _FOR_GOOD
        return response


def _told(status: int, error: Exception, message: str) -> JSONResponse:
    return JSONResponse({"error": message, "name": type(error).__name__}, status)


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(error.status_code, error, str(error.detail))


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _told(422, error, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")


async def _on_known(_: Request, error: Exception) -> Response:
    match error:
        case UnknownSourceError():
            return _told(404, error, str(error))
        case NotEntitledError():
            return _told(403, error, str(error))
        case UsageError():
            return _told(422, error, str(error))
        case _:
            return _told(503, error, str(error))


async def _on_unknown(request: Request, error: Exception) -> Response:
    _log.error("%s failed", request.url.path, exc_info=error)
    return _told(500, error, "this went wrong here; the log of the dashboard says why")


_ERRORS: Final[dict[int | type[Exception], Callable[..., Coroutine[Any, Any, Response]]]] = {
    HTTPException: _on_http,
    RequestValidationError: _on_invalid,
    EnergyPlatformError: _on_known,
    Exception: _on_unknown,
}
