"""Flags of an answer's rows: `revised`, and `quarantined` with what was refused and why."""

from datetime import datetime
from typing import Final

import polars as pl

from energy_platform.dashboard.marks import MARK_COLUMNS, NUMBER, Standing, marks
from energy_platform.dashboard.revised import QUARANTINED, REVISED
from energy_platform.market.instants import INSTANT
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.protocol import Warehouse

_TYPES: Final = (pl.String(), pl.String(), INSTANT, pl.Int64(), INSTANT)
_OFFSET: Final = "landing_offset"
_FIRST: Final = "_first_offset"


def flagged(
    rows: pl.DataFrame,
    refused: pl.DataFrame,
    source: MarketSource,
    until: datetime | None,
    warehouse: Warehouse,
) -> pl.DataFrame:
    """Return rows with `flags`, and `quarantine_…` columns that say what was refused and why.

    Args:
        rows: Rows of the source's table.
        refused: The refused values of the source.
        source: The source.
        until: Refused values of this moment or later don't count.
        warehouse: Has every revision.
    """
    found = marks(rows, refused, Standing.of(source), until)
    if found.is_empty():
        dtypes = zip((NUMBER, *MARK_COLUMNS), (pl.UInt32(), *_TYPES), strict=True)
        found = pl.DataFrame(schema=dict(dtypes))
    said = {name: f"quarantine_{name}" for name in MARK_COLUMNS}
    is_refused = pl.col(said["at"]).is_not_null()
    is_revised = (pl.col(_FIRST) < pl.col(_OFFSET)).fill_null(value=False)
    return (
        rows.with_row_index(NUMBER)
        .join(found.rename(said), on=NUMBER, how="left", maintain_order="left")
        .join(_first_offsets(rows, source, warehouse), on=list(source.key), how="left",
              nulls_equal=True, maintain_order="left")
        .select(
            *rows.columns,
            pl.concat_list(
                pl.when(is_revised).then(pl.lit(REVISED)),
                pl.when(is_refused).then(pl.lit(QUARANTINED)),
            ).list.drop_nulls().alias("flags"),
            *said.values(),
        )
    )  # fmt: skip


def _first_offsets(rows: pl.DataFrame, source: MarketSource, warehouse: Warehouse) -> pl.DataFrame:
    """Return the message in which each row's key was said first."""
    time = pl.col(source.event_time)
    said = warehouse.scan(market_table(source)).select(
        *dict.fromkeys((*source.key, source.event_time, _OFFSET))
    )
    first, last = rows.select(first=time.min(), last=time.max()).row(0)
    beside = said.filter(time >= first, time <= last) if rows.height else said.limit(0)
    known = beside.join(
        rows.lazy().select(source.key), on=list(source.key), how="semi", nulls_equal=True
    )
    return known.group_by(source.key).agg(pl.col(_OFFSET).min().alias(_FIRST)).collect()
