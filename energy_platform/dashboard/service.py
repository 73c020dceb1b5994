"""The process that serves the traders' screens."""

from typing import Final

import uvicorn

from energy_platform.dashboard.access import guarded
from energy_platform.dashboard.channel import MOST_BYTES
from energy_platform.dashboard.server import app
from energy_platform.settings import Settings

_LAST_SECONDS: Final = 1
"""How long open connections may take when the process is told to stop."""
_PING_SECONDS: Final = 20.0
_MOST_CONNECTIONS: Final = 1_000
"""More connections than this are answered 503."""


def serve(settings: Settings, port: int) -> None:
    """Serve until the process is told to stop."""
    uvicorn.Server(configuration(settings, port)).run()


def configuration(settings: Settings, port: int) -> uvicorn.Config:
    """Return how the server listens."""
    return uvicorn.Config(
        guarded(app(settings), settings),
        host=settings.dashboard_host,
        port=port,
        log_level="warning",
        access_log=False,
        # Who is in front of this server is decided by the guard alone.
        proxy_headers=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        ws_ping_interval=_PING_SECONDS,
        ws_ping_timeout=_PING_SECONDS,
        limit_concurrency=_MOST_CONNECTIONS,
        # Screens are in the same building; compression costs more than it saves.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
        # uvloop waits for ever for a connection that was left open, if warnings are errors.
        loop="asyncio",
    )
