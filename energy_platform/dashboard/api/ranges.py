"""`/api/range` and `/api/latest`: rows of one source, as a notebook would get them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import Answer, Form, Table, form_of
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.api.thinning import thinned
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import UsageError
from energy_platform.history.question import Run
from energy_platform.market.registry import market_source
from energy_platform.market.rows import PROVENANCE_COLUMNS
from energy_platform.market.source import MarketSource
from energy_platform.market.timeliness import longest_silence
from energy_platform.reading.library import scan
from energy_platform.reading.where import Where, condition

MOST_SCANNED: Final = 5_000_000
"""How many rows a question may find before they are thinned; more are a question of a notebook."""
_A_DAY: Final = timedelta(days=1)
_AN_INSTANT: Final = timedelta(microseconds=1)


class LatestAsked(BaseModel):
    """The parameters of `/api/latest`; every other one is a key column and its value."""

    as_of: parameters.AsOfText = None
    columns: parameters.Columns = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


class RangeAsked(LatestAsked):
    """The parameters of `/api/range`; every other one is a key column and its value."""

    start: parameters.InstantText = None
    end: parameters.InstantText = None
    run: Annotated[
        str | None, Field(description="Of a forecast: a reference time, or `latest`.")
    ] = None
    max_points: Annotated[
        int | None,
        Field(ge=4, le=100_000, description="Of each series; the extremes of intervals stay."),
    ] = None


_Asked = TypeVar("_Asked", bound=LatestAsked)


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the two resources."""
    routes = APIRouter(prefix="/api", tags=["rows"])

    async def answered(
        request: Request,
        source: str,
        asked: _Asked,
        ask: Callable[[Stores, MarketSource, _Asked, Where, Form], Answer],
    ) -> Response:
        found, form = market_source(source), form_of(request, asked.format)
        where = parameters.filters(request, found, list(type(asked).model_fields))
        question = partial(ask, stores, found, asked, where, form)
        answer = await questions.answer((str(request.url), form), question)
        return answer.to(request)

    @routes.get("/range/{source}", summary="Rows of a span of time, as of any moment")
    async def range_of(
        request: Request, source: str, asked: Annotated[RangeAsked, Query()]
    ) -> Response:
        return await answered(request, source, asked, _range)

    @routes.get("/latest/{source}", summary="Of each series, the row that holds at a moment")
    async def latest(
        request: Request, source: str, asked: Annotated[LatestAsked, Query()]
    ) -> Response:
        return await answered(request, source, asked, _latest)

    return routes


def _range(
    stores: Stores, source: MarketSource, asked: RangeAsked, where: Where, form: Form
) -> Answer:
    since = parameters.instant(asked.start) or stores.now() - _A_DAY
    end = parameters.instant(asked.end)
    rows = scan(
        source.name,
        start=since,
        end=end,
        as_of=parameters.as_of(asked.as_of),
        run=_run(asked.run),
    )
    columns = _columns(source, asked.columns)
    most = MOST_SCANNED if asked.max_points is not None else asked.limit
    ordered = rows.filter(condition(source, where)).select(columns).sort(*_order(source))
    wanted = ordered.head(most + 1).collect()
    about = {"source": source.name, "as_of": asked.as_of, "start": since, "end": end}
    if asked.max_points is not None:
        if wanted.height > MOST_SCANNED:
            raise UsageError(f"these are more than {MOST_SCANNED:,} rows; ask for a shorter span")
        shown = [name for name in source.value_columns if name in columns]
        values = [name for name in shown if wanted.schema[name].is_numeric()]
        wanted = thinned(wanted, source.event_time, _series(source), values, asked.max_points)
    return Answer.of(Table.limited(wanted, about, asked.limit), form)


def _latest(
    stores: Stores, source: MarketSource, asked: LatestAsked, where: Where, form: Form
) -> Answer:
    known = parameters.as_of(asked.as_of)
    moment = known if isinstance(known, datetime) else stores.now()
    reach = max(3 * _A_DAY, 2 * longest_silence(source))
    rows = scan(source.name, start=moment - reach, end=moment + _AN_INSTANT, as_of=known)
    columns, series = _columns(source, asked.columns), _series(source)
    held = rows.filter(condition(source, where)).select(columns).sort(*_order(source))
    newest = held.unique(series, keep="last", maintain_order=True) if series else held.tail(1)
    about = {"source": source.name, "as_of": asked.as_of, "at": moment}
    return Answer.of(Table.limited(newest.collect(), about, asked.limit), form)


def _run(text: str | None) -> Run | None:
    return "latest" if text == "latest" else parameters.instant(text)


def _columns(source: MarketSource, asked: str | None) -> list[str]:
    """Return the columns of an answer; those that name, date and trace a row always."""
    ends = ("delivery_end",) if "delivery_end" in source.dtypes else ()
    always = (*source.key, source.event_time, *ends, *PROVENANCE_COLUMNS)
    return parameters.columns(source, asked, always)


def _order(source: MarketSource) -> list[str]:
    """Return the order of an answer's rows, which is that of `load`."""
    return list(dict.fromkeys((source.event_time, *source.key)))


def _series(source: MarketSource) -> list[str]:
    """Return the columns that tell a source's series apart: its key without times."""
    return [name for name in source.key if not source.dtypes[name].is_temporal()]
