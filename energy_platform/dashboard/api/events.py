"""`/api/events`: the frames of the WebSocket as server-sent events, for who can't speak the other.

Each event's id says what has been seen of every topic; a browser sends it back by itself as
`Last-Event-ID` when it connects again.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Header, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.access import Visitor, visitor_of
from energy_platform.dashboard.api.answers import AS_JSON, EventStream
from energy_platform.dashboard.channel import MOST_TOPICS, watch
from energy_platform.dashboard.hub import Hub
from energy_platform.dashboard.room import Since
from energy_platform.dashboard.viewer import Viewer
from energy_platform.errors import UsageError

_PLACES: Final = TypeAdapter(dict[str, tuple[str, int]])
_MOST_ID: Final = 16 * 1024


def router(hub: Hub) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["live"])

    @routes.get("/events", summary="What changes in topics, as server-sent events",
                response_class=EventStream, responses=AS_JSON)  # fmt: skip
    async def events(
        request: Request,
        topics: Annotated[str, Query(description="Topics, separated by commas.")],
        last_event_id: Annotated[str | None, Header(max_length=_MOST_ID)] = None,
    ) -> Response:
        names = list(dict.fromkeys(name for name in topics.split(",") if name))
        if not 0 < len(names) <= MOST_TOPICS:
            raise UsageError(f"name one topic, or up to {MOST_TOPICS}")
        places = _places(last_event_id)
        return EventStream(
            _events(hub, visitor_of(request.scope), names, places),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes


def _places(text: str | None) -> dict[str, Since]:
    if not text:
        return {}
    try:
        return {name: Since(*place) for name, place in _PLACES.validate_json(text).items()}
    except ValidationError:
        raise UsageError("Last-Event-ID is not one of this server's") from None


async def _events(
    hub: Hub, visitor: Visitor, names: list[str], places: Mapping[str, Since]
) -> AsyncIterator[bytes]:
    """Yield events until the asker goes; one that was yielded counts as acknowledged."""
    viewer = Viewer()
    seen = {name: tuple(place) for name, place in places.items()}
    hub.viewers.add(viewer)
    try:
        for name in names:
            watch(hub, visitor, viewer, name, places.get(name))
        sent = 0
        async for message in viewer.messages():
            said = orjson.loads(message)
            if "s" in said:
                seen[said["t"]] = (said["e"], said["s"])
            yield b"id: %b\ndata: %b\n\n" % (orjson.dumps(seen), message.encode())
            sent += 1
            viewer.acknowledge(sent)
    finally:
        hub.leave(viewer)
