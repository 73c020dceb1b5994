"""A book at a moment, price by price, and the path of its best prices. Pure functions over frames.

`formats.nord_pool_intraday` says which orders stand; `standing` keeps books as rows come.
"""

from typing import Final

import polars as pl

from energy_platform.books.standing import StandingBooks
from energy_platform.formats.nord_pool_intraday import standing_orders

_PATH: Final = {
    "at": pl.Datetime("us", "UTC"),
    "bid_eur_per_mwh": pl.Float64(),
    "bid_mw": pl.Float64(),
    "ask_eur_per_mwh": pl.Float64(),
    "ask_mw": pl.Float64(),
}


def ladder(events: pl.LazyFrame, depth: int | None) -> pl.DataFrame:
    """Return the levels of one book, the best price of each side first.

    Args:
        events: The rows of the order book's table that were known, in landing order.
        depth: How many levels of each side; all, unless given.
    """
    price, is_bid = pl.col("price_eur_per_mwh"), pl.col("side") == "BUY"
    goodness = pl.when(is_bid).then(-price).otherwise(price)
    level = goodness.rank("dense").over("side").cast(pl.Int64)
    levels = (
        standing_orders(events)
        .filter(price.is_not_null())
        .group_by("side", "price_eur_per_mwh")
        .agg(
            volume_mw=pl.col("volume_mw").sum().round(3),
            orders=pl.len().cast(pl.Int64),
            changed_at=pl.col("observed_at").max(),
        )
        .select("side", level.alias("level"), pl.exclude("side"))
        .sort("side", "level")
        .collect()
    )
    return levels if depth is None else levels.filter(pl.col("level") <= depth)


def path(events: pl.DataFrame) -> pl.DataFrame:
    """Return the best prices of one book after each message that changed them.

    Args:
        events: The rows of the order book's table, in landing order.
    """
    books, rows, last = StandingBooks(), [], None
    for message in events.partition_by("landing_offset", maintain_order=True):
        books.follow(message)
        top = books.top(message["delivery_area_id"][0], message["contract_id"][0])
        if top is not None and top[2:] != last:
            last = top[2:]
            rows.append((top.received_at, *last))
    return pl.DataFrame(rows, schema=_PATH, orient="row").with_columns(
        mid_eur_per_mwh=(pl.col("bid_eur_per_mwh") + pl.col("ask_eur_per_mwh")) / 2,
        spread_eur_per_mwh=(pl.col("ask_eur_per_mwh") - pl.col("bid_eur_per_mwh")).round(2),
    )
