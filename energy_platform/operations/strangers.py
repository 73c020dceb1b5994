"""Refuses what a web page sends to a port that only programs use.

A browser lets any page send requests to this machine. It says truly, however, under which host name
it reached the server, and whether a page asks. The dashboard, which pages do use, has rules of its
own in `dashboard/access/boundary`.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from energy_platform.operations.supervision.ports import HOST

OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The host names under which a port of loopback is reached, unless a name was rebound to it."""
REFUSAL: Final = "web pages and other host names are not answered here"
_POLICY_VIOLATION: Final = 1008


def is_of_a_page(headers: Mapping[str, str], *, host: str = HOST) -> bool:
    """Return whether a page sent a request, or it came under a name that is not this machine's.

    An address that a person types is no page's.

    Args:
        headers: The request's headers, their names in lower case.
        host: The name or address on which the port is.

    >>> is_of_a_page({"host": "127.0.0.1:9464"}), is_of_a_page({"host": "evil.example"})
    (False, True)
    """
    return (
        _name(headers.get("host", "")) not in OWN_NAMES | {host}
        or "origin" in headers
        or headers.get("sec-fetch-site", "none") != "none"
    )


class ProgramsOnly:
    """An ASGI app before another one, for HTTP and WebSocket.

    Args:
        app: What programs are let through to.
        host: The name or address on which it listens.
    """

    def __init__(self, app: ASGIApp, *, host: str = HOST) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket, or pass it on."""
        if scope["type"] == "lifespan" or not is_of_a_page(Headers(scope=scope), host=self._host):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": REFUSAL})
        else:
            await PlainTextResponse(REFUSAL, 403)(scope, receive, send)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
