"""One WebSocket: what a page asks for, and what it is sent. docs/dashboard.md has the messages."""

import asyncio
import contextlib
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from energy_platform.dashboard import frames
from energy_platform.dashboard.access import Visitor, visitor_of
from energy_platform.dashboard.entitlement import require_may_watch
from energy_platform.dashboard.hub import Hub
from energy_platform.dashboard.room import Since
from energy_platform.dashboard.viewer import Viewer
from energy_platform.errors import EnergyPlatformError

MOST_TOPICS: Final = 64
"""How many topics one viewer may watch."""
MOST_BYTES: Final = 64 * 1024
"""How large a page's message may be."""
_WRONG_DATA: Final = 1007
_TOO_MANY: Final = 1008

_Name = Annotated[str, Field(max_length=2_000)]
"""The name of a topic, which may list portfolios."""


class _Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    e: Annotated[str, Field(max_length=64)]
    s: Annotated[int, Field(ge=0)]


class _Open(BaseModel):
    op: Literal["open"]
    topics: Annotated[dict[_Name, _Place | None], Field(max_length=MOST_TOPICS)]


class _Close(BaseModel):
    op: Literal["close"]
    topics: Annotated[list[_Name], Field(max_length=MOST_TOPICS)]


class _Acknowledge(BaseModel):
    op: Literal["ack"]
    n: Annotated[int, Field(ge=0)]


class _Request(RootModel[Annotated[_Open | _Close | _Acknowledge, Field(discriminator="op")]]):
    """What a page may send."""


async def serve(socket: WebSocket, hub: Hub) -> None:
    """Serve one page until it goes."""
    await socket.accept()
    viewer, visitor = Viewer(), visitor_of(socket.scope)
    hub.viewers.add(viewer)
    sending = asyncio.create_task(_send(socket, viewer))
    try:
        while True:
            request = _Request.model_validate_json(await socket.receive_text()).root
            _do(request, viewer, visitor, hub)
            if len(viewer.seen) > MOST_TOPICS:
                await socket.close(_TOO_MANY, f"more than {MOST_TOPICS} topics")
                break
    except (ValidationError, KeyError):
        with contextlib.suppress(RuntimeError):
            await socket.close(_WRONG_DATA, "not a message of this protocol")
    except WebSocketDisconnect:
        pass
    finally:
        hub.leave(viewer)
        sending.cancel()


def _do(request: _Open | _Close | _Acknowledge, viewer: Viewer, visitor: Visitor, hub: Hub) -> None:
    match request:
        case _Open(topics=topics):
            for name, place in topics.items():
                since = Since(place.e, place.s) if place is not None else None
                watch(hub, visitor, viewer, name, since)
        case _Close(topics=names):
            for name in names:
                hub.close(viewer, name)
        case _Acknowledge(n=received):
            viewer.acknowledge(received)


def watch(hub: Hub, visitor: Visitor, viewer: Viewer, name: str, since: Since | None) -> None:
    """Let a viewer watch a topic, or tell it why it can't."""
    try:
        require_may_watch(visitor, name)
        hub.open(viewer, name, since)
    except EnergyPlatformError as error:
        viewer.tell(frames.trouble(name, str(error)))


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        async for message in viewer.messages():
            await socket.send_text(message)
