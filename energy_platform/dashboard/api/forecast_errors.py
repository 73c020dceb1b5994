"""`/api/forecast-errors`: mean error and bias of forecasts, by lead."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import IN_EVERY_FORM, Answer, Form, Table, form_of
from energy_platform.dashboard.api.documents import SpanRows
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.forecast_errors import PAIRS, Comparison
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import UsageError

_MOST_DAYS: Final = 60


class ErrorsAsked(BaseModel):
    """The parameters of `/api/forecast-errors`."""

    bidding_zone: str
    days: Annotated[int, Field(ge=1, le=_MOST_DAYS, description="So many days back.")] = 7
    as_of: parameters.InstantText = None
    format: parameters.Format = None


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["rows"], responses=IN_EVERY_FORM)

    @routes.get(
        "/forecast-errors/{what}",
        response_model=SpanRows,
        summary="Error and bias of forecasts by lead",
    )
    async def forecast_errors(
        request: Request, what: str, asked: Annotated[ErrorsAsked, Query()]
    ) -> Response:
        if what not in PAIRS:
            raise UsageError(f"there is no forecast {what!r}; there are {', '.join(PAIRS)}")
        form, known = form_of(request, asked.format), parameters.instant(asked.as_of)
        until = known or stores.now()
        comparison = Comparison(
            pair=PAIRS[what],
            zone=asked.bidding_zone,
            start=until - timedelta(days=asked.days),
            end=until,
            known=known,
        )
        question = partial(_answer, comparison, form)
        return (await questions.answer((str(request.url), form), question)).to(request)

    return routes


def _answer(comparison: Comparison, form: Form) -> Answer:
    about = {
        "source": comparison.pair.forecast,
        "as_of": comparison.known,
        "start": comparison.start,
        "end": comparison.end,
    }
    return Answer.of(Table(comparison.errors_by_lead(), about), form)
