"""`/metrics`: the dashboard's own numbers for Prometheus."""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from energy_platform.dashboard.api.answers import AS_JSON
from energy_platform.dashboard.hub import Hub

_PREFIX: Final = "energy_platform_dashboard"


def router(hub: Hub) -> APIRouter:
    """Return the resource."""
    registry = CollectorRegistry()
    registry.register(_HubMetrics(hub))
    ProcessCollector(registry=registry)
    routes = APIRouter(tags=["operations"])

    @routes.get("/metrics", summary="The dashboard's own numbers",
                response_class=PlainTextResponse, responses=AS_JSON)  # fmt: skip
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


class _HubMetrics(Collector):
    """The hub's numbers at the moment of a scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        rooms, viewers = self._hub.rooms, self._hub.viewers
        for name, says, value in (
            ("viewers", "Pages and other followers that are connected.", len(viewers)),
            ("stalled_viewers", "Those that have not acknowledged what they were sent.",
             sum(not viewer.has_credit for viewer in viewers)),
            ("topics", "Topics that are open.", len(rooms)),
            ("subscriptions", "Topics of all viewers.", sum(len(one.seen) for one in viewers)),
            ("topics_in_trouble", "Topics that the stores don't answer for.",
             sum(room.trouble is not None for room in rooms)),
        ):  # fmt: skip
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", says, value)
