"""`/api/choices`: what a user who has logged in chose for their screen, on every machine alike."""

import asyncio
from typing import Any, Final

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request

from energy_platform.dashboard.access import Visitor, visitor_of
from energy_platform.dashboard.access.audit import Action
from energy_platform.dashboard.access.choices_file import MOST_BYTES, ChoicesFile
from energy_platform.dashboard.access.notes import Notes
from energy_platform.dashboard.access.visitor import Way
from energy_platform.dashboard.api.answers import Documented, Problem
from energy_platform.dashboard.api.bodies import whole_body
from energy_platform.dashboard.entitlement import NotEntitledError

_REFUSALS: Final[Documented] = {
    400: {"model": Problem, "description": "This is no JSON object"},
    413: {"model": Problem, "description": f"More than {MOST_BYTES:,} bytes"},
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class Choices(BaseModel):
    """What a user chose; where nobody logs in, each browser keeps its own."""

    kept: bool
    choices: dict[str, Any]


def router(file: ChoicesFile, notes: Notes) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["choices"])

    @routes.get("/choices", summary="What you chose for your screen")
    async def own(request: Request) -> Choices:
        visitor = visitor_of(request.scope)
        if not _is_kept(visitor):
            return Choices(kept=False, choices={})
        document = await asyncio.to_thread(file.of_user, visitor.name)
        return Choices(kept=True, choices=orjson.loads(document or b"{}"))

    @routes.put("/choices", summary="Choose for your screen, in place of all before",
                responses=_REFUSALS, openapi_extra=_BODY)  # fmt: skip
    async def choose(request: Request) -> Choices:
        visitor = visitor_of(request.scope)
        if not _is_kept(visitor):
            raise NotEntitledError("choices are kept for users who have logged in")
        body = await whole_body(request, MOST_BYTES)
        if body is None:
            raise HTTPException(413, f"{MOST_BYTES:,} bytes are the most")
        chosen = _object(body)
        if await asyncio.to_thread(file.keep, visitor.name, orjson.dumps(chosen)):
            said = {"names": sorted(chosen)[:20]}
            await asyncio.to_thread(notes.add, Action.CHOICES_SET, request, **said)
        return Choices(kept=True, choices=chosen)

    return routes


def _is_kept(visitor: Visitor) -> bool:
    return visitor.way in {Way.SESSION, Way.PROXY}


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise HTTPException(400, "choices are a JSON object")
    return said
