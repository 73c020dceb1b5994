"""`/api/signals`: what the trading signals say of coming deliveries, now or as of any moment."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import IN_EVERY_FORM, Answer, Form, Table, form_of
from energy_platform.dashboard.api.documents import Rows
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.signal_rows import TRADING_SIGNAL, SignalRows
from energy_platform.dashboard.stores import Stores


class SignalsAsked(BaseModel):
    """The parameters of `/api/signals`."""

    as_of: parameters.InstantText = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["rows"], responses=IN_EVERY_FORM)
    rows = SignalRows(stores)

    @routes.get(
        "/signals",
        response_model=Rows,
        summary="What the trading signals say of coming deliveries, with their models' scores",
    )
    async def signals(request: Request, asked: Annotated[SignalsAsked, Query()]) -> Response:
        form = form_of(request, asked.format)
        question = partial(_answer, rows, asked, form)
        return (await questions.answer((str(request.url), form), question)).to(request)

    return routes


def _answer(rows: SignalRows, asked: SignalsAsked, form: Form) -> Answer:
    about = {"source": TRADING_SIGNAL, "as_of": asked.as_of}
    told = rows.known(parameters.instant(asked.as_of))
    return Answer.of(Table.limited(told, about, asked.limit), form)
