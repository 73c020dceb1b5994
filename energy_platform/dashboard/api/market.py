"""Contracts, and book, trades and bars of one, now or as of any moment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.books import bars as bars_of
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import IN_EVERY_FORM, Answer, Form, Table, form_of
from energy_platform.dashboard.api.documents import Rows
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.areas import PRODUCTS, areas_of
from energy_platform.dashboard.intraday import BOOK, CONTRACT, TRADE, books_of
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.trades import tape_of
from energy_platform.errors import UsageError

_LEAST: Final = timedelta(seconds=1)
_MOST: Final = timedelta(days=1)


class Asked(BaseModel):
    """The parameters of each of the resources."""

    as_of: parameters.InstantText = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


class ContractsAsked(Asked):
    """The parameters of contracts."""

    area: str = "DE-LU"
    product: str = "QH"


class BarsAsked(Asked):
    """The parameters of bars."""

    every: str = "PT5M"


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the four resources."""
    routes = APIRouter(prefix="/api", tags=["intraday"], responses=IN_EVERY_FORM)

    async def answered(request: Request, asked: Asked, find: "partial[pl.DataFrame]", source: str
                       ) -> Response:  # fmt: skip
        form = form_of(request, asked.format)
        question = partial(_answer, find, asked, source, form)
        return (await questions.answer((str(request.url), form), question)).to(request)

    @routes.get(
        "/contracts", response_model=Rows, summary="The contracts of a product, with their market"
    )
    async def contracts(request: Request, asked: Annotated[ContractsAsked, Query()]) -> Response:
        areas_of(asked.area)
        if asked.product not in PRODUCTS:
            raise UsageError(f"there is no product {asked.product!r}; {', '.join(PRODUCTS)}")
        find = partial(_contracts, stores, asked.area, asked.product, _at(asked))
        return await answered(request, asked, find, CONTRACT)

    @routes.get("/book/{area}/{contract}", response_model=Rows, summary="The ladder of a contract")
    async def book(
        request: Request, area: str, contract: str, asked: Annotated[Asked, Query()]
    ) -> Response:
        find = partial(_ladder, stores, areas_of(area)[0], contract, _at(asked))
        return await answered(request, asked, find, BOOK)

    @routes.get(
        "/trades/{area}/{contract}",
        response_model=Rows,
        summary="The trades of a contract, newest first",
    )
    async def trades(
        request: Request, area: str, contract: str, asked: Annotated[Asked, Query()]
    ) -> Response:
        areas_of(area)
        find = partial(_trades, stores, area, contract, _at(asked))
        return await answered(request, asked, find, TRADE)

    @routes.get(
        "/bars/{area}/{contract}",
        response_model=Rows,
        summary="Open, high, low, close and VWAP by interval",
    )
    async def bars(
        request: Request, area: str, contract: str, asked: Annotated[BarsAsked, Query()]
    ) -> Response:
        every = parameters.span(asked.every)
        if not _LEAST <= every <= _MOST:
            raise UsageError("a bar lasts a second to a day, e.g. every=PT5M")
        find = partial(_bars, stores, areas_of(area), contract, _at(asked), every)
        return await answered(request, asked, find, TRADE)

    return routes


def _at(asked: Asked) -> datetime | None:
    return parameters.instant(asked.as_of)


def _answer(find: "partial[pl.DataFrame]", asked: Asked, source: str, form: Form) -> Answer:
    about = {"source": source, "as_of": asked.as_of}
    return Answer.of(Table.limited(find(), about, asked.limit), form)


def _ladder(stores: Stores, area: str, contract: str, at: datetime | None) -> pl.DataFrame:
    standing = books_of(stores, BOOK, at=at, contract=contract).standing
    return standing.levels(area, contract).drop("delivery_area_id", "contract_id")


def _trades(stores: Stores, area: str, contract: str, at: datetime | None) -> pl.DataFrame:
    return tape_of(books_of(stores, TRADE, at=at, contract=contract).tape.legs(), area)


def _bars(
    stores: Stores, areas: Sequence[str], contract: str, at: datetime | None, every: timedelta
) -> pl.DataFrame:
    legs = books_of(stores, TRADE, at=at, contract=contract).tape.legs()
    of_area = legs.filter(pl.col("delivery_area_id").is_in(areas))
    return bars_of(of_area, every).rename({"bar_start": "opened_at"}).drop("contract_id")


def _contracts(stores: Stores, area: str, product: str, at: datetime | None) -> pl.DataFrame:
    books = books_of(stores, BOOK, TRADE, CONTRACT, at=at)
    return books.table(area, product, at or stores.now())
