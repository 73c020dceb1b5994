"""`/api/lineage`: where a value came from, when it was known, and what was said before."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from energy_platform.dashboard.access import visitor_of
from energy_platform.dashboard.api import parameters
from energy_platform.dashboard.api.answers import Answer
from energy_platform.dashboard.api.documents import Lineage
from energy_platform.dashboard.api.questions import Questions
from energy_platform.dashboard.entitlement import entitled, visible
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.status import dagster_url
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.reading.where import Where, condition, values_of

_START: Final = "delivery_start"
_LONGEST: Final = timedelta(hours=25)
"""How long the period of a row is at most that is looked for by an instant within it."""
_MOST: Final = 200
"""How many revisions and how many quarantined rows are told, the newest first."""


def router(stores: Stores, questions: Questions) -> APIRouter:
    """Return the resource."""
    routes = APIRouter(prefix="/api", tags=["lineage"])

    @routes.get(
        "/lineage/{source}",
        response_model=Lineage,
        summary="Message, revisions and quarantine of a value",
    )
    async def lineage(
        request: Request,
        source: str,
        offset: Annotated[
            int | None, Query(ge=0, description="The landing offset of the row's message.")
        ] = None,
    ) -> Response:
        found = market_source(source)
        visitor = visitor_of(request.scope)
        seen = entitled(visitor, found, {})
        said = parameters.filters(request, found, ("offset",))
        where = entitled(visitor, found, said) if said else {}
        if offset is None and not where:
            raise UsageError(f"say which value: offset, or {', '.join(found.key)}")
        question = partial(_lineage, stores, found, offset, where, seen)
        key = (str(request.url), visible(visitor, found))
        return (await questions.answer(key, question)).to(request)

    return routes


def _lineage(
    stores: Stores, source: MarketSource, offset: int | None, where: Where, seen: Where
) -> Answer:
    """Return what is known of a value, as far as a visitor may see it.

    Of a message they see what came of it, and where it came from if a row of it is theirs.
    """
    revisions = _revisions(stores, source, offset, where, seen)
    if offset is None and not revisions.is_empty():
        offset = int(revisions["landing_offset"][0])
    quarantined = _quarantined(stores, source, offset, where, seen)
    is_theirs = not seen or not revisions.is_empty() or bool(quarantined)
    return Answer.of_document(
        {
            "source": source.name,
            "message": _message(stores, source, offset)
            if offset is not None and is_theirs
            else None,
            "revisions": revisions.to_dicts(),
            "quarantined": quarantined,
            "dagster_url": dagster_url(source.name),
        }
    )


def _revisions(
    stores: Stores, source: MarketSource, offset: int | None, where: Where, seen: Where
) -> pl.DataFrame:
    """Return every revision of a key; without a key, the rows of a message.

    Those that begin at a wanted instant come before those of a longer period that contains it.
    """
    rows = stores.batches.warehouse.scan(market_table(source)).filter(condition(source, seen))
    if not where:
        rows = rows.filter(pl.col("landing_offset") == offset)
    begins = condition(source, {name: where[name] for name in where if name == _START})
    others = condition(source, {name: where[name] for name in where if name != _START})
    found = rows.filter(others & (begins | _contains(source, where))).sort(
        begins, "landing_offset", descending=True
    )
    return found.head(_MOST).collect()


def _contains(source: MarketSource, where: Where) -> pl.Expr:
    """Return whether a row holds at a wanted instant: a position of a day does at each quarter."""
    if "delivery_end" not in source.dtypes:
        return pl.lit(value=False)
    start, end = pl.col(_START), pl.col("delivery_end")
    wanted = (pl.lit(at, source.dtypes[_START]) for at in values_of(where.get(_START, ())))
    held = (start.is_between(at - _LONGEST, at) & end.gt(at) for at in wanted)
    return pl.any_horizontal(pl.lit(value=False), *held)


def _message(stores: Stores, source: MarketSource, offset: int) -> Mapping[str, Any] | None:
    """Return what is known of a landed message; None if it is no longer kept, or never was."""
    log = stores.batches.landing.log(source.name)
    found = log.read(offset, offset + 1, limit=1) if offset < log.end_offset() else []
    if not found or found[0].lost is not None:
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
    stores: Stores, source: MarketSource, offset: int | None, where: Where, seen: Where
) -> list[dict[str, Any]]:
    """Return what was refused of the same message, or of the same key."""
    is_same = pl.lit(value=False) if offset is None else pl.col("landing_offset") == offset
    if said := _states(source, where):
        is_same |= pl.all_horizontal(said).fill_null(value=False)
    lines = stores.batches.warehouse.scan(quarantine_table(source)).filter(is_same)
    if seen:
        # What doesn't say whose it is, is shown to who may see every portfolio alone.
        lines = lines.filter(pl.all_horizontal(_states(source, seen)).fill_null(value=False))
    told = lines.select("reason", "check", "row", "received_at", offset="landing_offset")
    return told.sort("offset", descending=True).head(_MOST).collect().to_dicts()


def _states(source: MarketSource, where: Where) -> list[pl.Expr]:
    """Return for each text column of a condition whether a quarantined row states a wanted one."""
    return [
        pl.col("row").str.json_path_match(f"$.{name}").is_in(list(values))  # type: ignore[arg-type] # texts
        for name, values in where.items()
        if source.dtypes[name] == pl.String
    ]
