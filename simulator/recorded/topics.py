"""Serves sources that subscribe by STOMP inside SockJS: each payload is a message.

A topic begins with a snapshot, its first payload; the others follow as deltas, numbered one by one.
Frames are read and written by hand here, so that the client is tested against other code.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from energy_platform.feeds.websocket.feed import WebSocketFeed
from simulator.recorded.cases import Case, Script
from simulator.world import World

_HEARTBEAT_SECONDS: Final = 5.0
_USER_PARTS: Final = 3
"""The number of parts before the topic in a destination, `/user/<user>/<topic>`."""


class TopicsStandIn:
    """A SockJS endpoint with a source's topics, and its token service."""

    def __init__(self, world: World, script: Script, feed: WebSocketFeed, url: str) -> None:
        del world
        self._script = script
        self._topics = feed.topics
        self._url = url
        self._said: set[Path] = set()

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the endpoint and for the token service."""
        socket = self._url.replace("http", "ws", 1)
        return {
            "wss://": f"{socket}/wss/",
            "ws://": f"{socket}/ws/",
            "https://": f"{self._url}/https/",
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the token service and the endpoint."""
        return [
            Route("/{scheme}/{place:path}", _token, methods=["POST"]),
            WebSocketRoute("/{scheme}/{place:path}", self._serve),
        ]

    async def run(self) -> None:
        """Do nothing: the routes serve."""

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("o")
        beating = asyncio.create_task(_beat(websocket))
        try:
            while True:
                for text in json.loads(await websocket.receive_text()):
                    for answer in self._answers(text):
                        await websocket.send_text(answer)
        except WebSocketDisconnect:
            pass
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def _answers(self, text: str) -> Iterator[str]:
        """Yield what is sent in answer to a frame."""
        command, headers = _read(text)
        if command == "CONNECT":
            yield _written("CONNECTED", {"version": "1.2", "heart-beat": "0,0"})
        elif command == "SUBSCRIBE":
            subscription = _Subscription(headers["id"], headers["destination"])
            topic = subscription.topic
            for case in self._script.cases:
                if case.context.get("destination", topic) == topic in self._topics:
                    self._say(case)
                    yield from map(subscription.message, [case] * len(case.payloads), case.payloads)

    def _say(self, case: Case) -> None:
        if case.folder not in self._said:
            self._said.add(case.folder)
            self._script.say(case)


@dataclass(slots=True)
class _Subscription:
    """One subscription, and how far its messages are numbered."""

    id: str
    destination: str
    sent: int = field(default=0)

    @property
    def topic(self) -> str:
        return self.destination.split("/", _USER_PARTS)[-1]

    def message(self, case: Case, payload: Path) -> str:
        """Return the next message."""
        self.sent += 1
        is_snapshot = self.sent == 1 or case.context.get("snapshot") == "true"
        headers = {
            "subscription": self.id,
            "destination": self.destination,
            "message-id": f"{self.id}-{self.sent}",
            "x-nps-snapshot": str(is_snapshot).lower(),
            "x-nps-sequenceNo": str(self.sent),
            "x-nps-sent-at": case.context.get("sent_at", str(int(time.time() * 1000))),
        }
        return _written("MESSAGE", headers, payload.read_text())


async def _token(_request: Request) -> Response:
    return JSONResponse({"access_token": "simulated", "expires_in": 3600, "token_type": "Bearer"})


async def _beat(websocket: WebSocket) -> None:
    while True:
        await asyncio.sleep(_HEARTBEAT_SECONDS)
        await websocket.send_text("h")


def _read(text: str) -> tuple[str, dict[str, str]]:
    """Return the command and the headers of a client's frame; a heartbeat has neither."""
    head = text.lstrip("\n").partition("\n\n")[0]
    command, *lines = head.split("\n")
    return command, dict(line.split(":", 1) for line in lines)


def _written(command: str, headers: Mapping[str, str], body: str = "") -> str:
    """Return a frame as SockJS carries it; no header here needs an escape."""
    lines = [command, *(f"{name}:{value}" for name, value in headers.items())]
    return "a" + json.dumps(["\n".join(lines) + f"\n\n{body}\0"])
