"""`/api/range` and `/api/latest`: rows of one source, as a notebook would get them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.access import visitor_of
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import IN_EVERY_FORM, Answer, Table, form_of
from energy_platform.dashboard.api.documents import LatestRows, RangeRows
from energy_platform.dashboard.api.flags import flagged
from energy_platform.dashboard.api.pages import cursor_after, is_after, next_page
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.api.thinning import thinned
from energy_platform.dashboard.entitlement import entitled, visible
from energy_platform.dashboard.marks import Quarantine
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.market.timeliness import longest_silence
from energy_platform.reading.asking import NAMED_RUNS, RunAsked
from energy_platform.reading.platform import here
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
    cursor: Annotated[
        str | None, Field(max_length=2_000, description="Of the page before: only what follows.")
    ] = None
    flags: Annotated[
        bool,
        Field(
            description="Also say of each row whether it is `revised`, and whether a newer value of"
            " it is `quarantined`, and why."
        ),
    ] = False
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


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of an answer, one more than its limit where there are more.

    Attributes:
        source: Their source.
        rows: The rows.
        about: What JSON says beside them.
    """

    source: MarketSource
    rows: pl.DataFrame
    about: Mapping[str, Any]


_Asked = TypeVar("_Asked", bound=LatestAsked)


def router(stores: Stores, questions: Questions, quarantine: Quarantine) -> APIRouter:
    """Return the two resources."""
    routes = APIRouter(prefix="/api", tags=["rows"], responses=IN_EVERY_FORM)

    async def answered(
        request: Request,
        source: str,
        asked: _Asked,
        ask: Callable[[Stores, MarketSource, _Asked, Where], _Found],
    ) -> Response:
        found, form = market_source(source), form_of(request, asked.format)
        said = parameters.filters(request, found, list(type(asked).model_fields))
        visitor = visitor_of(request.scope)
        where = entitled(visitor, found, said)

        def answer_it() -> Answer:
            table = _page(ask(stores, found, asked, where), asked, request.url)
            if asked.flags:
                table = _flagged(table, found, asked, stores, quarantine)
            return Answer.of(table, form)

        question = (str(request.url), form, visible(visitor, found))
        answer = await questions.answer(question, answer_it)
        return answer.to(request)

    @routes.get(
        "/range/{source}",
        response_model=RangeRows,
        summary="Rows of a span of time, as of any moment",
    )
    async def range_of(
        request: Request, source: str, asked: Annotated[RangeAsked, Query()]
    ) -> Response:
        return await answered(request, source, asked, _range)

    @routes.get(
        "/latest/{source}",
        response_model=LatestRows,
        summary="Of each series, the row that holds at a moment",
    )
    async def latest(
        request: Request, source: str, asked: Annotated[LatestAsked, Query()]
    ) -> Response:
        return await answered(request, source, asked, _latest)

    return routes


def _range(stores: Stores, source: MarketSource, asked: RangeAsked, where: Where) -> _Found:
    since = parameters.instant(asked.start) or stores.now() - _A_DAY
    end = parameters.instant(asked.end)
    rows = here.scan(
        source.name,
        start=since,
        end=end,
        as_of=parameters.as_of(asked.as_of),
        run=_run(asked.run),
        missing="empty",
    )
    columns = _columns(source, asked.columns)
    most = MOST_SCANNED if asked.max_points is not None else asked.limit
    order = _order(source)
    chosen = condition(source, where) & is_after(asked.cursor, source, order)
    ordered = rows.filter(chosen).select(columns).sort(*order)
    wanted = ordered.head(most + 1).collect()
    about = {"source": source.name, "as_of": asked.as_of, "start": since, "end": end}
    if asked.max_points is not None:
        if wanted.height > MOST_SCANNED:
            raise UsageError(f"these are more than {MOST_SCANNED:,} rows; ask for a shorter span")
        shown = [name for name in source.value_columns if name in columns]
        values = [name for name in shown if wanted.schema[name].is_numeric()]
        wanted = thinned(wanted, source.event_time, _series(source), values, asked.max_points)
    return _Found(source, wanted, about)


def _latest(stores: Stores, source: MarketSource, asked: LatestAsked, where: Where) -> _Found:
    known = parameters.as_of(asked.as_of)
    moment = known if isinstance(known, datetime) else stores.now()
    reach = max(3 * _A_DAY, 2 * longest_silence(source))
    rows = here.scan(
        source.name,
        start=moment - reach,
        end=moment + _AN_INSTANT,
        as_of=known,
        missing="empty",
    )
    columns, series = _columns(source, asked.columns), _series(source)
    held = rows.filter(condition(source, where)).select(columns).sort(*_order(source))
    newest = held.unique(series, keep="last", maintain_order=True) if series else held.tail(1)
    order = _order(source)
    following = newest.sort(*order).filter(is_after(asked.cursor, source, order))
    about = {"source": source.name, "as_of": asked.as_of, "at": moment}
    wanted = following.head(asked.limit + 1).collect()
    return _Found(source, wanted, about)


def _page(found: _Found, asked: LatestAsked, address: URL) -> Table:
    """Return one page of what was found, with the address of the next one."""
    table = Table.limited(found.rows, found.about, asked.limit)
    is_thinned = isinstance(asked, RangeAsked) and asked.max_points is not None
    if is_thinned or not table.is_cut:
        return table
    cursor = cursor_after(table.rows, _order(found.source))
    return replace(table, next=next_page(address, cursor))


def _flagged(
    table: Table,
    source: MarketSource,
    asked: LatestAsked,
    stores: Stores,
    quarantine: Quarantine,
) -> Table:
    """Return a table with the flags of its rows, as they were known."""
    refused, known = quarantine.of(source.name), parameters.as_of(asked.as_of)
    if isinstance(known, datetime):
        refused = refused.filter(pl.col("at") <= known)
    until = table.about.get("end") or table.about.get("at")
    warehouse = stores.batches.warehouse
    return replace(table, rows=flagged(table.rows, refused, source, until, warehouse))


def _run(text: str | None) -> RunAsked | None:
    return text if text in NAMED_RUNS else parameters.instant(text)


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
