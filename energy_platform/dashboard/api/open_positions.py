"""`/api/positions/…`: what portfolios have open, what closing it costs, and who changed it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.access import Visitor, visitor_of
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import IN_EVERY_FORM, Answer, Form, Table, form_of
from energy_platform.dashboard.api.documents import Rows
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.areas import PRODUCTS, areas_of
from energy_platform.dashboard.entitlement import asked_portfolios, entitled, visible
from energy_platform.dashboard.holdings import (
    POSITION,
    exposure_at,
    known_of,
    start_of_day,
    valued_at,
)
from energy_platform.dashboard.intraday import rows_known
from energy_platform.dashboard.stores import Stores
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.reading.where import condition

_SERIES: Final = ("name", "portfolio", "area", "kind")
"""What a submission states values of; the order in which one submission's changes are told."""


class Asked(BaseModel):
    """The parameters of each of the resources."""

    as_of: parameters.InstantText = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


class OfPortfolios(Asked):
    """The parameters of what is about portfolios."""

    portfolio: Annotated[
        list[str],
        Field(
            description="Portfolios; `*` is all of them, the ones you may see unless given.",
            max_length=100,
        ),
    ] = []
    start: parameters.InstantText = None
    end: parameters.InstantText = None


class ExposureAsked(Asked):
    """The parameters of an exposure."""

    portfolio: Annotated[
        list[str],
        Field(
            description="Portfolios, added up; `*` is all of them, the ones you may see unless "
            "given.",
            max_length=100,
        ),
    ] = []
    area: str = "DE-LU"
    product: str = "QH"


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the four resources."""
    routes = APIRouter(prefix="/api/positions", tags=["positions"], responses=IN_EVERY_FORM)

    async def answered(
        request: Request, asked: Asked, find: Callable[[], pl.DataFrame]
    ) -> Response:
        form, visitor = form_of(request, asked.format), visitor_of(request.scope)
        question = partial(_answer, find, asked, form)
        # Who may see different portfolios asks a different question.
        name = (str(request.url), form, visible(visitor, market_source(POSITION)))
        return (await questions.answer(name, question)).to(request)

    @routes.get(
        "/portfolios",
        response_model=Rows,
        summary="The portfolios that you may see, and their areas",
    )
    async def portfolios(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        may_see = _may_see(visitor_of(request.scope), [])
        return await answered(request, asked, partial(_portfolios, stores, may_see, asked))

    @routes.get(
        "/open",
        response_model=Rows,
        summary="Open positions by quarter-hour, valued now or as of a moment",
    )
    async def opened(request: Request, asked: Annotated[OfPortfolios, Query()]) -> Response:
        may_see = _may_see(visitor_of(request.scope), asked.portfolio)
        return await answered(request, asked, partial(_open, stores, may_see, asked))

    @routes.get(
        "/changes",
        response_model=Rows,
        summary="Who changed positions when, the newest change first",
    )
    async def changes(request: Request, asked: Annotated[OfPortfolios, Query()]) -> Response:
        may_see = _may_see(visitor_of(request.scope), asked.portfolio)
        return await answered(request, asked, partial(_changes, stores, may_see, asked))

    @routes.get(
        "/exposure",
        response_model=Rows,
        summary="What is open in each contract, and what closing it costs",
    )
    async def exposure(request: Request, asked: Annotated[ExposureAsked, Query()]) -> Response:
        portfolios = asked_portfolios(visitor_of(request.scope), asked.portfolio)
        areas_of(asked.area)
        if asked.product not in PRODUCTS:
            raise UsageError(f"there is no product {asked.product!r}; {', '.join(PRODUCTS)}")
        at = parameters.instant(asked.as_of)
        find = partial(exposure_at, stores, portfolios, asked.area, asked.product, at)
        return await answered(request, asked, find)

    return routes


def _may_see(visitor: Visitor, wanted: Sequence[str]) -> pl.Expr:
    """Return which rows are of the wanted portfolios, or of all that a visitor may see.

    Raises:
        NotEntitledError: They may not see one of them.
    """
    source = market_source(POSITION)
    named = {"portfolio": wanted} if wanted else {}
    return condition(source, entitled(visitor, source, named))


def _answer(find: Callable[[], pl.DataFrame], asked: Asked, form: Form) -> Answer:
    about = {"source": POSITION, "as_of": asked.as_of}
    return Answer.of(Table.limited(find(), about, asked.limit), form)


def _portfolios(stores: Stores, may_see: pl.Expr, asked: Asked) -> pl.DataFrame:
    positions = known_of(stores, parameters.instant(asked.as_of)).positions
    return (
        positions.filter(may_see)
        .group_by("portfolio")
        .agg(pl.col("area").unique().sort().str.join(", ").alias("areas"))
        .sort("portfolio")
    )


def _open(stores: Stores, may_see: pl.Expr, asked: OfPortfolios) -> pl.DataFrame:
    rows = valued_at(stores, parameters.instant(asked.as_of)).filter(may_see)
    return rows.filter(_within(parameters.instant(asked.start), parameters.instant(asked.end)))


def _within(since: datetime | None, until: datetime | None) -> pl.Expr:
    start = pl.col("delivery_start")
    is_later = start >= since if since is not None else pl.lit(value=True)
    return is_later & (start < until if until is not None else pl.lit(value=True))


def _changes(stores: Stores, may_see: pl.Expr, asked: OfPortfolios) -> pl.DataFrame:
    """Return one row per submission and series: what its quarter-hours were, and are."""
    at = parameters.instant(asked.as_of)
    since = parameters.instant(asked.start) or start_of_day(at or stores.now())
    is_asked_for = _within(since, parameters.instant(asked.end))
    rows = rows_known(stores, POSITION, at, may_see & is_asked_for)
    key = market_source(POSITION).key
    hours = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds() / 3600
    return (
        rows.lazy()
        .sort("landing_offset", maintain_order=True)
        .with_columns(was_mw=pl.col("power_mw").shift(1).over(key))
        .group_by("landing_offset", *_SERIES, maintain_order=True)
        .agg(
            pl.col("received_at", "changed_by").last(),
            pl.col("delivery_start").min(),
            pl.col("delivery_end").max(),
            periods=pl.len().cast(pl.Int64),
            was_mwh=(pl.col("was_mw") * hours).sum().round(3),
            is_new=pl.col("was_mw").is_null().all(),
            now_mwh=(pl.col("power_mw") * hours).sum().round(3),
        )
        .sort("landing_offset", *_SERIES, descending=[True, *(False for _ in _SERIES)])
        .collect()
    )
