"""What a batch of checked messages adds to a source's table: new revisions and withdrawals.

Micro-batches and replays both call this, so a table is the same whichever of them wrote it. Nothing
here writes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import polars as pl

from energy_platform.history.revisions import known_beside, known_since, new_revisions
from energy_platform.history.withdrawals import (
    Batch,
    Lists,
    may_hold_lists,
    rows_of,
    whole_lists,
    with_withdrawals,
)
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WITHDRAWN, WholeList
from energy_platform.pipeline.checks import CheckedRows
from energy_platform.pipeline.tables import market_table

Stored = Callable[[datetime], pl.LazyFrame]
"""Reads a table's rows from an event time on, at the position that a batch builds upon."""


@dataclass(frozen=True, slots=True)
class NewRows:
    """What a batch adds, and the stored rows beside it.

    Attributes:
        fresh: The rows to store, in landing order.
        known: The stored rows beside them, as `known_beside` returns them.
    """

    fresh: pl.DataFrame
    known: pl.DataFrame


def new_rows(
    source: MarketSource, messages: Sequence[RawMessage], checked: CheckedRows, stored: Stored
) -> NewRows:
    """Return what messages add to the stored rows.

    Args:
        source: The messages' source.
        messages: The messages, in landing order.
        checked: What they hold, as `check_messages` returns it.
        stored: The rows to compare them with.
    """
    dtypes = market_table(source).dtypes
    rows = checked.rows
    if source.whole_list is not None:
        rows = _with_withdrawals(source, source.whole_list, messages, checked, stored)
    rows = rows.select(*dtypes) if rows.columns != [*dtypes] else rows
    known = rows.clear()
    if not rows.is_empty():
        known = known_beside(rows, stored(known_since(rows, source)), source)
    return NewRows(new_revisions(rows, known, source), known)


def _with_withdrawals(
    source: MarketSource,
    listing: WholeList,
    messages: Sequence[RawMessage],
    checked: CheckedRows,
    stored: Stored,
) -> pl.DataFrame:
    rows = checked.rows.with_columns(pl.lit(value=False).alias(WITHDRAWN))
    if not may_hold_lists(listing, checked.rows, checked.refused):
        return rows
    batch = Batch(
        messages=messages,
        rows=rows,
        refused=checked.refused.with_columns(pl.lit(value=False).alias(WITHDRAWN)),
        broken=checked.broken,
    )
    lists = whole_lists(source, listing, batch)
    if lists.shown.is_empty():
        return rows
    known = rows_of(lists, source, listing, stored(_since(source, listing, rows, lists)))
    return with_withdrawals(batch, lists, known, source, listing)


def _since(source: MarketSource, listing: WholeList, rows: pl.DataFrame, lists: Lists) -> datetime:
    """Return the event time from which these lists may withdraw stored rows."""
    has_rows = lists.shown.join(lists.items, on=lists.shown.columns, how="anti").is_empty()
    if listing.reach is None or not has_rows or rows.is_empty():
        return OUR_TIME[0]
    return cast("datetime", rows[source.event_time].min()) - listing.reach
