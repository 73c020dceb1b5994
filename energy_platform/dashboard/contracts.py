"""The table of contracts that the intraday page shows: book, trades and prices side by side.

Pure functions over rows of the contract source and over the books that `intraday` keeps.
"""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.books import StandingBooks, TradeTape
from energy_platform.market.rows import INSTANT

_CONTRACT: Final = ("contract_id", "delivery_area_id")
_ROW: Final = {
    **dict.fromkeys(_CONTRACT, pl.String()),
    "contract_name": pl.String(),
    "product_type": pl.String(),
    "delivery_start": INSTANT,
    "delivery_end": INSTANT,
    "closes_at": INSTANT,
    "state": pl.String(),
    "deleted": pl.Boolean(),
    "updated_at": INSTANT,
    "received_at": INSTANT,
    "landing_offset": pl.Int64(),
}
"""What is kept of a contract, and of which message it is."""
DAY_AHEAD: Final = {"delivery_start": INSTANT, "price_eur_per_mwh": pl.Float64()}
"""Day-ahead prices of the market time unit that begins at an instant."""
_BEFORE: Final = timedelta(minutes=15)
_KEPT: Final = timedelta(hours=2)
"""How long a contract is kept after its delivery."""


class Contracts:
    """The latest revision of each contract in each area. One thread may use it."""

    def __init__(self) -> None:
        self._waiting: list[pl.DataFrame] = []
        self._rows = pl.DataFrame(schema=_ROW)

    def follow(self, rows: pl.DataFrame) -> None:
        """Take rows of the contracts' table, in any order."""
        if not rows.is_empty():
            self._waiting.append(rows.select(*_ROW))

    def traded(self, area: str, product_type: str, now: datetime) -> pl.DataFrame:
        """Return the contracts of a product in an area that are not closed, in delivery order."""
        self._catch_up(now)
        return self._rows.filter(
            ~pl.col("deleted"),
            pl.col("closes_at") > now,
            delivery_area_id=area,
            product_type=product_type,
        ).sort("delivery_start", "contract_id")

    def _catch_up(self, now: datetime) -> None:
        if not self._waiting:
            return
        rows, self._waiting = pl.concat([self._rows, *self._waiting]), []
        self._rows = (
            rows.filter(pl.col("delivery_end") > now - _KEPT)
            .sort("updated_at", "landing_offset", maintain_order=True)
            .unique(_CONTRACT, keep="last", maintain_order=True)
        )


def contract_table(
    contracts: pl.DataFrame,
    books: StandingBooks,
    tape: TradeTape,
    day_ahead: pl.DataFrame,
    now: datetime,
) -> pl.DataFrame:
    """Return one row per contract, with all that is known of its market.

    Args:
        contracts: The contracts of one area.
        books: The standing books.
        tape: The trades.
        day_ahead: The day-ahead prices of the area's zone, by `DAY_AHEAD`.
        now: Market time.
    """
    [area] = contracts["delivery_area_id"].unique().to_list() or [""]
    tops = books.tops(area).drop("delivery_area_id", "revision_no")
    earlier = tape.price_at(now - _BEFORE).rename({"price_eur_per_mwh": "earlier"})
    hours = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds() / 3600
    last = pl.col("last_eur_per_mwh")
    return (
        contracts.lazy()
        .drop("received_at", "landing_offset")
        .join(tops.lazy(), on="contract_id", how="left", maintain_order="left")
        .join(tape.summaries().lazy(), on="contract_id", how="left", maintain_order="left")
        .join(earlier.lazy(), on="contract_id", how="left", maintain_order="left")
        .join(
            _day_ahead_of(contracts, day_ahead).lazy(),
            on="contract_id",
            how="left",
            maintain_order="left",
        )
        .select(
            "contract_id",
            "delivery_start",
            "delivery_end",
            "closes_at",
            "state",
            "bid_eur_per_mwh",
            "bid_mw",
            "ask_eur_per_mwh",
            "ask_mw",
            "last_eur_per_mwh",
            "last_mw",
            "last_at",
            pl.col("vwap_eur_per_mwh").round(2),
            "day_ahead_eur_per_mwh",
            "received_at",
            name=pl.coalesce("contract_name", "contract_id"),
            spread_eur_per_mwh=(pl.col("ask_eur_per_mwh") - pl.col("bid_eur_per_mwh")).round(2),
            change_15m_eur_per_mwh=(last - pl.col("earlier")).round(2),
            volume_mwh=(pl.col("volume_mw") * hours).round(3),
        )
        .collect()
    )


def _day_ahead_of(contracts: pl.DataFrame, day_ahead: pl.DataFrame) -> pl.DataFrame:
    """Return each contract's day-ahead price: the mean over its delivery."""
    start, end = pl.col("delivery_start"), pl.col("delivery_end")
    priced = contracts.select("contract_id", "delivery_start", "delivery_end").join_where(
        day_ahead.select(pl.col("delivery_start").alias("at"), "price_eur_per_mwh"),
        pl.col("at") >= start,
        pl.col("at") < end,
    )
    return priced.group_by("contract_id").agg(
        day_ahead_eur_per_mwh=pl.col("price_eur_per_mwh").mean().round(2)
    )
