"""The bodies of requests: how large they may be, and how long they may take to arrive."""

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energy_platform.errors import EnergyPlatformError

MOST_BYTES: Final = 16 * 2**20
"""How large any body may be; a resource has a smaller bound of its own."""
_SECONDS: Final = 30.0


async def whole_body(request: Request, most_bytes: int) -> bytes | None:
    """Read a request's body; None if it is too large.

    Raises:
        EnergyPlatformError: It did not end in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    return None
    except (TimeoutError, ClientDisconnect):
        raise EnergyPlatformError("the request did not end") from None
    return bytes(body)


class BoundedBodies:
    """Refuses a body that is too large, whoever reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise HTTPException(413, f"{MOST_BYTES:,} bytes are the most")
            return message

        await self._app(scope, bounded if scope["type"] == "http" else receive, send)
