"""Fewer points of long series, such that a chart of them looks the same.

The time is cut into intervals. Of each interval and series the rows with the least and the greatest
value stay, so every spike is seen, and what is shown are rows that exist, not means.
"""

from collections.abc import Sequence

import polars as pl

_ROW = "_row"


def thinned(
    rows: pl.DataFrame, time: str, series: Sequence[str], values: Sequence[str], most: int
) -> pl.DataFrame:
    """Return at most about `most` rows of each series, in their order.

    Args:
        rows: The rows.
        time: The column that dates them.
        series: The columns that tell series apart.
        values: The columns whose extremes stay.
        most: How many rows of a series may stay; each series' last row is kept beside them.
    """
    if rows.height <= most or not values:
        return rows
    at = pl.col(time).to_physical()
    intervals = max(1, most // (2 * len(values)))
    length = at.max() - at.min() + 1
    interval = ((at - at.min()) * intervals // length).alias("_interval")
    numbered = rows.with_row_index(_ROW)
    extremes = (
        pl.col(_ROW)
        .get(getattr(pl.col(value), extreme)(), null_on_oob=True)
        .alias(f"{value} {extreme}")
        for value in values
        for extreme in ("arg_min", "arg_max")
    )
    by_interval = numbered.group_by(*series, interval).agg(*extremes)
    kept = pl.concat(
        [
            *(by_interval[name] for name in by_interval.columns[len(series) + 1 :]),
            _last_rows(numbered, series),
        ]
    )
    return numbered.filter(pl.col(_ROW).is_in(kept.drop_nulls().unique().implode())).drop(_ROW)


def _last_rows(numbered: pl.DataFrame, series: Sequence[str]) -> pl.Series:
    if not series:
        return numbered[_ROW].tail(1)
    return numbered.group_by(*series).agg(pl.col(_ROW).last())[_ROW]
