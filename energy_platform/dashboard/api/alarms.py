"""`/api/alarms`: a user's rules and alarms, and what they change of them."""

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from energy_platform.dashboard.access import Role, Visitor, visitor_of
from energy_platform.dashboard.access.audit import Action
from energy_platform.dashboard.access.notes import Notes
from energy_platform.dashboard.alarms.alarm_file import KEPT, Alarm, AlarmFile
from energy_platform.dashboard.alarms.board import AlarmBoard
from energy_platform.dashboard.alarms.rules import Rule
from energy_platform.dashboard.alarms.watch import AlarmWatch
from energy_platform.dashboard.entitlement import NotEntitledError, require_may_watch


class RulesAndAlarms(BaseModel):
    """What a user has."""

    rules: list[Rule]
    alarms: list[Alarm]


class Seen(BaseModel):
    """Which alarms a user has seen."""

    ids: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=KEPT)]


class SeenCount(BaseModel):
    """How many alarms were not seen before."""

    seen: int


def router(file: AlarmFile, board: AlarmBoard, watch: AlarmWatch, notes: Notes) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api/alarms", tags=["alarms"])

    @routes.get("", summary="Your rules and alarms")
    async def own(request: Request) -> RulesAndAlarms:
        user = visitor_of(request.scope).name
        rules = await asyncio.to_thread(file.rules)
        return RulesAndAlarms(rules=rules.get(user, []), alarms=board.of(user))

    @routes.post("", status_code=201, summary="Set a rule, or replace one of yours")
    async def put(request: Request, rule: Rule) -> Rule:
        visitor = visitor_of(request.scope)
        _require_may(visitor, rule)
        rule.require_known()
        named = rule if rule.id else rule.model_copy(update={"id": secrets.token_hex(8)})
        await asyncio.to_thread(file.put_rule, visitor.name, named)
        said = named.model_dump(mode="json")
        await asyncio.to_thread(notes.add, Action.ALARM_SET, request, rule=said)
        watch.rules_changed()
        return named

    @routes.delete("/{rule_id}", status_code=204, summary="Remove a rule of yours")
    async def remove(request: Request, rule_id: str) -> None:
        user = visitor_of(request.scope).name
        removed = await asyncio.to_thread(file.remove_rule, user, rule_id)
        if removed is None:
            raise HTTPException(404, f"there is no rule {rule_id!r} of yours")
        said = removed.model_dump(mode="json")
        await asyncio.to_thread(notes.add, Action.ALARM_REMOVED, request, rule=said)
        watch.rules_changed()

    @routes.post("/seen", summary="Say which alarms you have seen")
    async def see(request: Request, seen: Seen) -> SeenCount:
        return SeenCount(seen=watch.see(visitor_of(request.scope).name, seen.ids))

    return routes


def _require_may(visitor: Visitor, rule: Rule) -> None:
    try:
        require_may_watch(visitor, rule.topic)
    except NotEntitledError as error:
        raise HTTPException(403, str(error)) from None
    if rule.channels and not visitor.may(Role.TRADER):
        raise HTTPException(403, "channels: only a trader's alarms go to the alert channels")
