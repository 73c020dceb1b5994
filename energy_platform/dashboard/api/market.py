"""Book, trades and bars of one contract, now or as of any moment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.books import StandingBooks, TradeTape
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import Answer, Form, Table, form_of
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.areas import areas_of
from energy_platform.dashboard.intraday import BOOK, TRADE
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.trades import tape_of
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.tables import market_table

_LEAST: Final = timedelta(seconds=1)
_MOST: Final = timedelta(days=1)


class Asked(BaseModel):
    """The parameters of each of the resources."""

    as_of: parameters.InstantText = None
    limit: parameters.Limit = parameters.ROWS
    format: parameters.Format = None


class BarsAsked(Asked):
    """The parameters of bars."""

    every: str = "PT5M"


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the three resources."""
    routes = APIRouter(prefix="/api", tags=["intraday"])

    async def answered(request: Request, asked: Asked, find: "partial[pl.DataFrame]", source: str
                       ) -> Response:  # fmt: skip
        form = form_of(request, asked.format)
        question = partial(_answer, find, asked, source, form)
        return (await questions.answer((str(request.url), form), question)).to(request)

    @routes.get("/book/{area}/{contract}", summary="The ladder of a contract")
    async def book(
        request: Request, area: str, contract: str, asked: Annotated[Asked, Query()]
    ) -> Response:
        find = partial(_ladder, stores, areas_of(area)[0], contract, _at(asked))
        return await answered(request, asked, find, BOOK)

    @routes.get("/trades/{area}/{contract}", summary="The trades of a contract, newest first")
    async def trades(
        request: Request, area: str, contract: str, asked: Annotated[Asked, Query()]
    ) -> Response:
        areas_of(area)
        find = partial(_trades, stores, area, contract, _at(asked))
        return await answered(request, asked, find, TRADE)

    @routes.get("/bars/{area}/{contract}", summary="Open, high, low, close and VWAP by interval")
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


def _rows(
    stores: Stores, name: Literal["nord_pool_intraday_order_book", "nord_pool_intraday_trade"],
    contract: str, at: datetime | None,
) -> pl.DataFrame:  # fmt: skip
    """Return every revision of a contract's rows that was known at a moment, or is known now."""
    source, is_of_it = market_source(name), pl.col("contract_id") == contract
    if at is None:
        return missed_rows(stores.batches, source, 0, where=is_of_it)
    stored = stores.batches.warehouse.scan(market_table(source))
    return stored.filter(is_of_it, pl.col("received_at") <= at).sort("landing_offset").collect()


def _ladder(stores: Stores, area: str, contract: str, at: datetime | None) -> pl.DataFrame:
    books = StandingBooks()
    books.follow(_rows(stores, BOOK, contract, at))
    return books.levels(area, contract).drop("delivery_area_id", "contract_id")


def _trades(stores: Stores, area: str, contract: str, at: datetime | None) -> pl.DataFrame:
    return tape_of(_tape(stores, contract, at).legs(contract=contract), area)


def _bars(
    stores: Stores, areas: Sequence[str], contract: str, at: datetime | None, every: timedelta
) -> pl.DataFrame:
    rows = _rows(stores, TRADE, contract, at)
    tape = TradeTape()
    tape.follow(rows.filter(pl.col("delivery_area_id").is_in(areas)))
    return tape.bars(every, contract).rename({"bar_start": "opened_at"}).drop("contract_id")


def _tape(stores: Stores, contract: str, at: datetime | None) -> TradeTape:
    tape = TradeTape()
    tape.follow(_rows(stores, TRADE, contract, at))
    return tape
