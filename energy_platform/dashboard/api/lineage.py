"""`/api/lineage`: where a value came from, when it was known, and what was said before."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import Answer
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.status import dagster_url
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.reading.where import Where, condition

_MOST: Final = 200
"""How many revisions and how many quarantined rows are told, the newest first."""


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["lineage"])

    @routes.get("/lineage/{source}", summary="Message, revisions and quarantine of a value")
    async def lineage(
        request: Request,
        source: str,
        offset: Annotated[
            int | None, Query(ge=0, description="The landing offset of the row's message.")
        ] = None,
    ) -> Response:
        found = market_source(source)
        where = parameters.filters(request, found, ("offset",))
        if offset is None and not where:
            raise UsageError(f"say which value: offset, or {', '.join(found.key)}")
        question = partial(_lineage, stores, found, offset, where)
        return (await questions.answer(str(request.url), question)).to(request)

    return routes


def _lineage(stores: Stores, source: MarketSource, offset: int | None, where: Where) -> Answer:
    revisions = _revisions(stores, source, offset, where)
    if offset is None and not revisions.is_empty():
        offset = int(revisions["landing_offset"][0])
    return Answer.of_document(
        {
            "source": source.name,
            "message": None if offset is None else _message(stores, source, offset),
            "revisions": revisions.to_dicts(),
            "quarantined": _quarantined(stores, source, offset, where),
            "dagster_url": dagster_url(source.name),
        }
    )


def _revisions(
    stores: Stores, source: MarketSource, offset: int | None, where: Where
) -> pl.DataFrame:
    """Return every revision of a key; without a key, the rows of a message."""
    rows = stores.batches.warehouse.scan(market_table(source)).filter(condition(source, where))
    if not where:
        rows = rows.filter(pl.col("landing_offset") == offset)
    return rows.sort("landing_offset", descending=True).head(_MOST).collect()


def _message(stores: Stores, source: MarketSource, offset: int) -> Mapping[str, Any] | None:
    """Return what is known of a landed message; None if it is no longer kept, or never was."""
    log = stores.batches.landing.log(source.name)
    found = log.read(offset, offset + 1, limit=1) if offset < log.end_offset() else []
    if not found:
        return None
    [message] = found
    return {
        "offset": message.landing_offset,
        "received_at": message.received_at,
        "context": dict(message.context),
        "content_type": message.context.get("content_type"),
        "size_bytes": len(message.body),
    }


def _quarantined(
    stores: Stores, source: MarketSource, offset: int | None, where: Where
) -> list[dict[str, Any]]:
    """Return what was refused of the same message, or of the same key."""
    is_same = pl.lit(value=False) if offset is None else pl.col("landing_offset") == offset
    texts = {name: values for name, values in where.items() if source.dtypes[name] == pl.String}
    if texts:
        is_same |= pl.all_horizontal(
            pl.col("row").str.json_path_match(f"$.{name}").is_in(list(values))  # type: ignore[arg-type] # texts
            for name, values in texts.items()
        ).fill_null(value=False)
    lines = stores.batches.warehouse.scan(quarantine_table(source)).filter(is_same)
    told = lines.select("reason", "check", "row", "received_at", offset="landing_offset")
    return told.sort("offset", descending=True).head(_MOST).collect().to_dicts()
