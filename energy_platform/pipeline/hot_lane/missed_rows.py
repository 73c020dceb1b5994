"""The rows that a follower of the live bus has missed, read again from what is kept.

The warehouse has the rows of all messages that micro-batches have taken. The messages in between
are parsed and checked here, as the lane does it. Nothing is written.
"""

from collections.abc import Callable
from typing import Final

import polars as pl

from energy_platform.errors import HotLaneWaitsError, TooManyRowsError
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.lane_rows import LaneRows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.tables import market_table

MOST_ROWS: Final = 1_000_000
"""How many rows are read at once; more are a question to the warehouse."""


def missed_rows(
    batches: MicroBatches,
    source: MarketSource,
    since: int,
    *,
    where: pl.Expr,
    of_them: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None,
) -> pl.DataFrame:
    """Return the rows that landed from an offset on and are within the hot store's days.

    Every revision is among them, in landing order.

    Args:
        batches: The stores.
        source: The rows' source.
        since: The landing offset.
        where: What else the rows must meet.
        of_them: Returns those of the rows that are wanted; all, unless given.

    Raises:
        HotLaneWaitsError: The warehouse is too far behind what has landed.
        TooManyRowsError: There are more than `MOST_ROWS`.
    """
    known = LaneRows(batches.warehouse, source, batches.warehouse.position(market_table(source)))
    end = batches.landing.log(source.name).end_offset(taken=known.reached)
    while messages := batches.read_batch(source, known.reached, end):
        if known.is_too_far_ahead():
            raise HotLaneWaitsError(f"{source.name}: the warehouse is far behind what has landed")
        checked = batches.check(source, messages)
        new = new_rows(source, checked.messages, checked, known.since)
        known.add(new.fresh, stop=checked.messages[-1].next_offset)
    recent = batches.hot_copies.since()
    missed = known.since(recent).filter(
        pl.col(source.event_time) >= recent, pl.col("landing_offset") >= since, where
    )
    wanted = missed if of_them is None else of_them(missed)
    rows = wanted.head(MOST_ROWS + 1).collect()
    if rows.height > MOST_ROWS:
        raise TooManyRowsError(
            f"{source.name}: more than {MOST_ROWS:,} rows have landed since offset {since}"
        )
    return rows.sort("landing_offset", maintain_order=True)
