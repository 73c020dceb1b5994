"""Answers scrapes of Prometheus and Telegraf, on loopback unless set, and no web page."""

from typing import Final

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.operations.strangers import ProgramsOnly
from energy_platform.operations.supervision.ports import HOST

PATH: Final = "/metrics"


def application(metrics: PlatformMetrics, host: str = HOST) -> ASGIApp:
    """Return the ASGI app that answers scrapes, on a host's port."""
    registry = metrics.registry()

    def scrape(request: Request) -> Response:
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(registry), headers={"Content-Type": content_type})

    # A function that is no coroutine runs in a thread, so a slow store holds up nobody else.
    return ProgramsOnly(Starlette(routes=[Route(PATH, scrape)]), host=host)


def serve(metrics: PlatformMetrics, host: str, port: int) -> None:
    """Answer until this process is told to stop."""
    uvicorn.run(
        application(metrics, host),
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
    )
