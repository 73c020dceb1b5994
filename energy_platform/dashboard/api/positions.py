"""`/api/positions`: hand positions in, and read what is open and who changed what.

A submission is examined and put into the inbox, from which the collector lands it; nothing is
written to a store here. docs/positions.md describes the documents.
"""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from energy_platform.dashboard.access.audit import Action
from energy_platform.dashboard.access.notes import Notes
from energy_platform.dashboard.access.visitor import Role, Visitor, visitor_of
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import (
    IN_EVERY_FORM,
    Answer,
    Documented,
    Form,
    Table,
    form_of,
)
from energy_platform.dashboard.api.bodies import whole_body
from energy_platform.dashboard.api.documents import Accepted, RefusedSubmission, SpanRows
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.entitlement import (
    NotEntitledError,
    entitled,
    require_may_see,
    visible,
)
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import ParseError
from energy_platform.feeds.drop_folder.inbox import MOST_BYTES, SENDER, Inbox, new_submission
from energy_platform.formats.positions import MOST_ROWS
from energy_platform.ingest.submission import Submission, examined
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from energy_platform.positions import open_position
from energy_platform.reading.platform import here
from energy_platform.reading.where import Where, condition

SOURCE: Final = "position"
_TWO_DAYS: Final = timedelta(days=2)
_LONGEST: Final = timedelta(hours=25)
"""How long a row may last, so one that began this long ago may still count."""


_REFUSALS: Final[Documented] = {
    400: {"model": RefusedSubmission, "description": "No such document, or rows of it are wrong"},
    413: {"model": RefusedSubmission, "description": f"More than {MOST_BYTES:,} bytes"},
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "docs/positions.md describes both forms.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}, "maxItems": MOST_ROWS}
            },
        },
    }
}


class PositionsAsked(BaseModel):
    """The parameters of reading."""

    start: parameters.InstantText = None
    end: parameters.InstantText = None
    portfolio: Annotated[
        list[str], Field(description="Only these; `*` is all of them.", max_length=100)
    ] = []
    area: Annotated[list[str], Field(description="Only these.", max_length=100)] = []
    history: Annotated[
        bool, Field(description="Every revision of every row instead, the newest first.")
    ] = False
    as_of: parameters.InstantText = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


def router(stores: Stores, questions: Questions, notes: Notes) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["positions"])
    inbox = Inbox.of(stores.settings.home, SOURCE)

    @routes.post(
        "/positions",
        summary="Hand positions in, as CSV or JSON",
        status_code=202,
        response_model=Accepted,
        responses=_REFUSALS,
        openapi_extra=_BODY,
    )
    async def hand_in(request: Request) -> Response:
        visitor = visitor_of(request.scope)
        _require_trader(visitor)
        body = await whole_body(request, MOST_BYTES)
        if body is None:
            return _refusal(413, "TooLarge", f"{MOST_BYTES:,} bytes are the most")
        message = RawMessage(
            body=body, received_at=datetime.now(UTC), context={SENDER: visitor.name}
        )
        try:
            submission = await asyncio.to_thread(
                examined, market_source(SOURCE), message, only_by=visitor.name
            )
        except ParseError as error:
            return _refusal(400, "ParseError", str(error))
        for portfolio in submission.portfolios:
            require_may_see(visitor, portfolio)
        if submission.faults:
            return _refusal(400, "WrongRows", submission.complaint, submission)
        number = new_submission()

        def put() -> None:
            inbox.require_room()
            said = {"submission": number, "rows": submission.rows}
            notes.add(Action.POSITIONS_HANDED_IN, request, **said, portfolios=submission.portfolios)
            inbox.put(body, number=number, sender=visitor.name, way="api")

        await asyncio.to_thread(put)
        told = {"id": number, "rows": submission.rows, "portfolios": submission.portfolios}
        return JSONResponse(told, 202)

    @routes.get(
        "/positions",
        response_model=SpanRows,
        responses=IN_EVERY_FORM,
        summary="What is open in each quarter-hour, or who changed what",
    )
    async def positions(request: Request, asked: Annotated[PositionsAsked, Query()]) -> Response:
        form = form_of(request, asked.format)
        named = {"portfolio": asked.portfolio, "area": asked.area}
        wanted = {name: values for name, values in named.items() if values}
        visitor, source = visitor_of(request.scope), market_source(SOURCE)
        where = entitled(visitor, source, wanted)
        ask = partial(_history if asked.history else _open, stores, asked, where, form)
        question = (str(request.url), form, visible(visitor, source))
        return (await questions.answer(question, ask)).to(request)

    return routes


def _require_trader(visitor: Visitor) -> None:
    if not visitor.may(Role.TRADER):
        raise NotEntitledError(f"{visitor.name} may not change positions: that needs a trader")


def _refusal(
    status: int, name: str, error: str, submission: Submission | None = None
) -> JSONResponse:
    rows = [asdict(fault) for fault in submission.faults] if submission else []
    return JSONResponse({"error": error, "name": name, "rows": rows}, status)


def _window(stores: Stores, asked: PositionsAsked) -> tuple[datetime, datetime]:
    start = parameters.instant(asked.start) or stores.now().replace(
        minute=0, second=0, microsecond=0
    )
    return start, parameters.instant(asked.end) or start + _TWO_DAYS


def _open(stores: Stores, asked: PositionsAsked, where: Where, form: Form) -> Answer:
    start, end = _window(stores, asked)
    rows = here.scan(
        SOURCE,
        start=start - _LONGEST,
        end=end,
        as_of=parameters.as_of(asked.as_of),
        missing="empty",
    ).filter(condition(market_source(SOURCE), where))
    found = open_position(rows.collect(), start=start, end=end)
    return Answer.of(Table.limited(found, _about(asked, start, end), asked.limit), form)


def _history(stores: Stores, asked: PositionsAsked, where: Where, form: Form) -> Answer:
    source, (start, end) = market_source(SOURCE), _window(stores, asked)
    rows = stores.batches.warehouse.scan(market_table(source)).filter(
        condition(source, where), pl.col("delivery_end") > start, pl.col("delivery_start") < end
    )
    if (known := parameters.instant(asked.as_of)) is not None:
        rows = rows.filter(pl.col("received_at") <= known)
    order = ("received_at", "landing_offset", *source.key)
    newest = [name in {"received_at", "landing_offset"} for name in order]
    found = rows.select(*source.dtypes).sort(order, descending=newest)
    wanted = found.head(asked.limit + 1).collect()
    return Answer.of(Table.limited(wanted, _about(asked, start, end), asked.limit), form)


def _about(asked: PositionsAsked, start: datetime, end: datetime) -> dict[str, object]:
    return {"source": SOURCE, "as_of": asked.as_of, "start": start, "end": end}
