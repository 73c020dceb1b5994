"""`/api/follow`: every new row of sources as `ep.follow` yields them, for programs elsewhere.

Unlike a topic, nothing is left out or merged: each update is one message, with a cursor to resume
from. A program that reads too slowly holds up its own connection alone; what the live bus drops
meanwhile comes as a snapshot, or as a gap.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from energy_platform.dashboard.access import visitor_of
from energy_platform.dashboard.api.answers import AS_JSON, EventStream
from energy_platform.dashboard.api.questions import BusyError
from energy_platform.dashboard.entitlement import require_may_watch
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.viewer import CREDIT
from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.market.instants import parse_instant
from energy_platform.reading.following import Followed, followed, updates
from energy_platform.reading.update import Update, arrow_line, json_line
from energy_platform.reading.where import Value, Where

MOST_FOLLOWERS: Final = 100
_MOST_SOURCES: Final = 64
_BEAT_SECONDS: Final = 10.0
"""How often a quiet connection says that it is there."""
_REFUSED: Final = 1008
_Told = str | int | float | bool | None
_WHERE: Final = TypeAdapter(dict[str, _Told | list[_Told]])


class LineForm(StrEnum):
    """How an update is written."""

    JSON = "json"
    ARROW = "arrow"


_WRITERS: Final[Mapping[LineForm, Callable[[Update], str]]] = {
    LineForm.JSON: json_line,
    LineForm.ARROW: arrow_line,
}


class FollowAsked(BaseModel):
    """The parameters."""

    sources: Annotated[str, Field(max_length=4_000, description="Separated by commas.")]
    where: Annotated[
        str | None,
        Field(max_length=16_000, description='JSON: key columns, `{"side": "BUY"}`.'),
    ] = None
    cursor: Annotated[
        str | None,
        Field(max_length=16_000, description="Of the last update that was handled."),
    ] = None
    format: LineForm = LineForm.JSON


class _Acknowledgement(BaseModel):
    n: Annotated[int, Field(ge=0)]


@dataclass(slots=True)
class _Followers:
    """Who follows at the moment."""

    stores: Stores
    count: int = 0

    async def begin(
        self, asked: FollowAsked, cursor: str | None, connection: HTTPConnection
    ) -> Mapping[str, Followed]:
        """Return what a connection asks for.

        Raises:
            EnergyPlatformError: It may not have it, or there is nothing to follow.
        """
        names = [name.strip() for name in asked.sources.split(",") if name.strip()]
        if len(names) > _MOST_SOURCES:
            raise UsageError(f"sources: name up to {_MOST_SOURCES}")
        for name in names:
            require_may_watch(visitor_of(connection.scope), f"source:{name}")
        chosen = followed(names, {}, cursor)
        chosen = followed(names, _where(asked.where, chosen), cursor)
        if self.count >= MOST_FOLLOWERS:
            raise BusyError(f"{MOST_FOLLOWERS} programs follow already; try again later")
        await self.stores.bus.require()
        return chosen

    async def lines(
        self, chosen: Mapping[str, Followed], cursor: str | None, form: LineForm
    ) -> AsyncIterator[tuple[str, str] | None]:
        """Yield each update's cursor and text, and None when nothing has come for a while."""
        self.count += 1
        # The bus is read in a task of its own, which a connection that ends leaves to close it.
        ready: asyncio.Queue[Update] = asyncio.Queue(1)
        told = updates(self.stores.bus, lambda: self.stores.batches, chosen, cursor)
        reading = asyncio.create_task(_read(told, ready))
        try:
            while True:
                update = await _next(ready)
                if update is not None:
                    yield update.cursor, await asyncio.to_thread(_WRITERS[form], update)
                elif reading.done():
                    reading.result()
                else:
                    yield None
        finally:
            self.count -= 1
            reading.cancel()


async def _next(ready: asyncio.Queue[Update]) -> Update | None:
    """Return the next update, or None if none has come for a while."""
    try:
        async with asyncio.timeout(_BEAT_SECONDS):
            return await ready.get()
    except TimeoutError:
        return None


async def _read(told: AsyncGenerator[Update, None], ready: asyncio.Queue[Update]) -> None:
    async with aclosing(told):
        async for update in told:
            await ready.put(update)


def router(stores: Stores) -> APIRouter:
    """Return the resource, as server-sent events and as a WebSocket."""
    routes, followers = APIRouter(prefix="/api", tags=["live"]), _Followers(stores)

    @routes.get("/follow", summary="Every new row of sources, as server-sent events",
                response_class=EventStream, responses=AS_JSON)  # fmt: skip
    async def events(request: Request, asked: Annotated[FollowAsked, Query()]) -> Response:
        cursor = request.headers.get("last-event-id") or asked.cursor
        chosen = await followers.begin(asked, cursor, request)
        lines = followers.lines(chosen, cursor, asked.format)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventStream(_events(lines), headers=headers)

    @routes.websocket("/follow")
    async def socket(socket: WebSocket, asked: Annotated[FollowAsked, Query()]) -> None:
        await socket.accept()
        try:
            chosen = await followers.begin(asked, asked.cursor, socket)
        except EnergyPlatformError as error:
            await socket.close(_REFUSED, str(error)[:100])
            return
        await _serve(socket, followers.lines(chosen, asked.cursor, asked.format))

    return routes


async def _events(lines: AsyncIterator[tuple[str, str] | None]) -> AsyncIterator[bytes]:
    yield b": following\n\n"
    async for line in lines:
        if line is None:
            yield b": nothing new\n\n"
        else:
            cursor, text = line
            yield b"id: %b\ndata: %b\n\n" % (cursor.encode(), text.encode())


@dataclass(slots=True)
class _Credit:
    """How many messages a program has, and how many of them it has acknowledged."""

    sent: int = 0
    acknowledged: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, acknowledged: int) -> None:
        """Note how many messages have arrived."""
        self.acknowledged = max(self.acknowledged, min(acknowledged, self.sent))
        self.news.set()

    async def wait(self) -> None:
        """Wait until another message may be sent."""
        while self.sent - self.acknowledged >= CREDIT:
            self.news.clear()
            await self.news.wait()


async def _serve(socket: WebSocket, lines: AsyncIterator[tuple[str, str] | None]) -> None:
    """Send updates; at most `CREDIT` of them are unacknowledged."""
    credit = _Credit()
    sending = asyncio.create_task(_send(socket, lines, credit))
    try:
        while True:
            said = _Acknowledgement.model_validate_json(await socket.receive_text())
            credit.take(said.n)
    except (ValidationError, KeyError):
        with contextlib.suppress(RuntimeError):
            await socket.close(1007, 'not {"n": how many updates have arrived}')
    except WebSocketDisconnect:
        pass
    finally:
        sending.cancel()
        await asyncio.wait({sending})


async def _send(
    socket: WebSocket, lines: AsyncIterator[tuple[str, str] | None], credit: _Credit
) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        async for line in lines:
            if line is not None:
                await credit.wait()
                credit.sent += 1
                await socket.send_text(line[1])


def _where(text: str | None, chosen: Mapping[str, Followed]) -> Where:
    """Read `where`; an instant is ISO 8601.

    Raises:
        UsageError: It is no JSON of this form, or an instant in it is none.
    """
    if text is None:
        return {}
    try:
        said = _WHERE.validate_json(text)
    except ValidationError:
        raise UsageError('where: not JSON such as {"side": "BUY"}') from None
    instants = {
        name
        for one in chosen.values()
        for name, dtype in one.source.dtypes.items()
        if dtype.is_temporal()
    }
    wanted: dict[str, list[Value]] = {}
    for name, values in said.items():
        listed = values if isinstance(values, list) else [values]
        is_instant = name in instants
        wanted[name] = [
            parse_instant(one) if is_instant and isinstance(one, str) else one for one in listed
        ]
    return wanted
