"""What an open position is worth: closed at the book that stands, at day-ahead, or left open.

Costs are positive where the portfolio pays, and values where it has something to gain.
"""

from typing import Final

import polars as pl

_OPEN: Final = ("portfolio", "area", "delivery_start", "delivery_end")
_BOOK: Final = ("area", "delivery_start", "delivery_end")
_SETTLED: Final = ("area", "is_long")
"""What an imbalance price is of: a surplus and a lack may have different ones."""
_HOURS: Final = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds() / 3_600


def valued(
    open_positions: pl.DataFrame,
    ladders: pl.DataFrame,
    day_ahead: pl.DataFrame,
    imbalance: pl.DataFrame,
) -> pl.DataFrame:
    """Return open positions with what they are worth; null where there is no price for it.

    Columns added: `closing_price_eur_per_mwh`, the mean price at which what can be closed is
    closed; `close_cost_eur` of that part; `unfilled_mw`, for which the book has no volume (more
    than 0); `day_ahead_eur_per_mwh`, the start of the delivery period that has this price
    (`day_ahead_from`), and `day_ahead_value_eur`; `imbalance_eur_per_mwh`, `imbalance_cost_eur`,
    and from which delivery period this price is (`imbalance_from`, `imbalance_until`).

    Args:
        open_positions: Rows with `portfolio`, `area`, `delivery_start`, `delivery_end`, `open_mw`.
        ladders: Levels of order books: `area`, `delivery_start`, `delivery_end`, `side`,
            `price_eur_per_mwh`, `volume_mw`; in any order.
        day_ahead: Prices: `area`, `delivery_start`, `delivery_end`, `price_eur_per_mwh`; a price
            counts for the rows that begin in its period.
        imbalance: The newest prices of each area, of a surplus (`is_long`) and of a lack, and their
            periods: `area`, `is_long`, `delivery_start`, `delivery_end`, `price_eur_per_mwh`.
    """
    left = pl.col("open_mw")
    auctions = day_ahead.lazy().select(
        "area",
        auction_start="delivery_start",
        day_ahead_from="delivery_start",
        auction_end="delivery_end",
        day_ahead_eur_per_mwh="price_eur_per_mwh",
    )
    balancing = imbalance.lazy().select(
        *_SETTLED,
        imbalance_eur_per_mwh="price_eur_per_mwh",
        imbalance_from="delivery_start",
        imbalance_until="delivery_end",
    )
    rows = open_positions.lazy()
    return (
        rows.join(_closed(rows, ladders.lazy()), on=_OPEN, how="left", maintain_order="left")
        .with_columns(pl.col("unfilled_mw").fill_null(left.abs()))
        .sort("delivery_start", maintain_order=True)
        .join_asof(
            auctions.sort("auction_start"),
            left_on="delivery_start",
            right_on="auction_start",
            by="area",
            check_sortedness=False,
        )
        .with_columns(
            pl.when(pl.col("delivery_start") < pl.col("auction_end")).then(
                pl.col("day_ahead_eur_per_mwh", "day_ahead_from")
            )
        )
        .drop("auction_start", "auction_end", strict=False)
        .with_columns(is_long=left >= 0)
        .join(balancing, on=_SETTLED, how="left", maintain_order="left")
        .drop("is_long")
        .with_columns(
            day_ahead_value_eur=left * _HOURS * pl.col("day_ahead_eur_per_mwh"),
            imbalance_cost_eur=-left * _HOURS * pl.col("imbalance_eur_per_mwh"),
        )
        .sort("portfolio", "area", "delivery_start")
        .collect()
    )


def _closed(rows: pl.LazyFrame, ladders: pl.LazyFrame) -> pl.LazyFrame:
    """Walk each book from its best price on: a surplus is sold to bids, a lack bought from asks."""
    left, price, volume = pl.col("open_mw"), pl.col("price_eur_per_mwh"), pl.col("volume_mw")
    level = ladders.select(*_BOOK, "side", "price_eur_per_mwh", "volume_mw")
    wanted = pl.when(left > 0).then(pl.lit("BUY")).when(left < 0).then(pl.lit("SELL"))
    best_first = pl.when(left > 0).then(-price).otherwise(price)
    before = volume.cum_sum().over(_OPEN) - volume
    taken = (left.abs() - before).clip(0.0, volume)
    paid = -left.sign() * (pl.col("taken_mw") * price).sum() * _HOURS.first()
    return (
        rows.select(*_OPEN, "open_mw", side=wanted)
        .join(level, on=[*_BOOK, "side"], how="inner")
        .sort(*_OPEN, best_first)
        .with_columns(taken_mw=taken)
        .group_by(_OPEN)
        .agg(
            closing_price_eur_per_mwh=(pl.col("taken_mw") * price).sum() / pl.col("taken_mw").sum(),
            close_cost_eur=paid.first(),
            unfilled_mw=(left.abs().first() - pl.col("taken_mw").sum()).round(6),
        )
    )
