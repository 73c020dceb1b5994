"""`/api/catalogue` and `/api/sources`: what there is, with units, terms and expected lag."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.api.answers import Answer
from energy_platform.dashboard.api.documents import Catalogue, Entry
from energy_platform.dashboard.areas import AREAS, PRODUCTS
from energy_platform.dashboard.topics.frequency import SOURCES as FREQUENCIES
from energy_platform.dashboard.topics.status import dagster_url
from energy_platform.errors import UnknownSourceError
from energy_platform.reading.catalogue import catalogue, listed
from energy_platform.reading.dataset import Dataset
from energy_platform.settings import Markets, Settings


def router(settings: Settings) -> APIRouter:
    """Return the two resources."""
    routes = APIRouter(prefix="/api", tags=["catalogue"])

    @routes.get(
        "/catalogue",
        response_model=Catalogue,
        summary="Every source and mart, with columns and units",
    )
    async def everything(request: Request, search: str = "") -> Response:
        document = {
            "simulated": settings.markets is Markets.SIMULATED,
            "sources": [_entry(one) for one in catalogue(search)],
            "areas": list(AREAS),
            "products": list(PRODUCTS),
            "frequencies": dict(FREQUENCIES),
        }
        return Answer.of_document(document).to(request)

    @routes.get("/sources/{source}", response_model=Entry, summary="One source or mart")
    async def one(request: Request, source: str) -> Response:
        for entry in catalogue():
            if entry.name == source:
                return Answer.of_document(_entry(entry)).to(request)
        raise UnknownSourceError(f"there is no source or mart {source!r}; see /api/catalogue")

    return routes


def _entry(entry: Dataset) -> Mapping[str, Any]:
    """Return a catalogue entry as the API says it."""
    return {
        **listed(entry),
        "event_time": entry.event_time,
        "columns": [
            {"name": one.name, "dtype": one.type, "unit": one.unit, "description": one.description}
            for one in entry.columns
        ],
        "zone": entry.publication.zone if entry.publication is not None else None,
        "dagster_url": dagster_url(entry.name),
    }
