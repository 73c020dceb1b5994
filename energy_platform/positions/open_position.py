"""The open position: per portfolio, area and quarter-hour what is left after all that is stated.

What a name states of a quarter-hour is its newest row that covers it, whether that row is about the
quarter-hour alone, an hour or a day. So an hour can be corrected quarter-hour by quarter-hour.
"""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

QUARTER: Final = timedelta(minutes=15)
KINDS: Final = ("schedule", "contract", "generation_forecast", "load_forecast")
_PLACE: Final = ("portfolio", "area", "delivery_start")


def open_position(
    rows: pl.DataFrame, *, start: datetime | None = None, end: datetime | None = None
) -> pl.DataFrame:
    """Return the open position of each quarter-hour about which a row says something.

    Columns: `portfolio`, `area`, `delivery_start`, `delivery_end`; `schedule_mw`, `contract_mw`,
    `generation_forecast_mw` and `load_forecast_mw`, null where nothing is stated; `open_mw`, their
    sum; `changed_by` and `changed_at` of the newest row among them. In order of place and time.

    Args:
        rows: Rows of the table `position`, of any revision.
        start: Only quarter-hours from this one on.
        end: Only quarter-hours that start before this.
    """
    quarters = _stated(rows.lazy(), start, end)
    return (
        quarters.group_by(_PLACE)
        .agg(
            *(_sum_of(kind).alias(f"{kind}_mw") for kind in KINDS),
            open_mw=pl.col("power_mw").sum().round(6),
            changed_by=pl.col("changed_by").sort_by("received_at", "landing_offset").last(),
            changed_at=pl.col("received_at").max(),
        )
        .with_columns(delivery_end=pl.col("delivery_start") + QUARTER)
        .select(*_PLACE, "delivery_end", pl.exclude(*_PLACE, "delivery_end"))
        .sort(_PLACE)
        .collect()
    )


def _stated(rows: pl.LazyFrame, start: datetime | None, end: datetime | None) -> pl.LazyFrame:
    """Return what each name states of each quarter-hour."""
    since, until = pl.col("delivery_start"), pl.col("delivery_end")
    if start is not None:
        rows = rows.filter(until > start)
    if end is not None:
        rows = rows.filter(since < end)
    quarters = rows.with_columns(
        delivery_start=pl.datetime_ranges(since, until, QUARTER, closed="left")
    ).explode("delivery_start")
    if start is not None:
        quarters = quarters.filter(since >= start)
    if end is not None:
        quarters = quarters.filter(since < end)
    return quarters.sort("received_at", "landing_offset", maintain_order=True).unique(
        [*_PLACE, "kind", "name"], keep="last", maintain_order=True
    )


def _sum_of(kind: str) -> pl.Expr:
    stated = pl.col("power_mw").filter(pl.col("kind") == kind)
    return pl.when(stated.len() > 0).then(stated.sum().round(6))
