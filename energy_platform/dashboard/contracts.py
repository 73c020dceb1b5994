"""The table of contracts that the intraday page shows: book, trades and prices side by side.

Pure functions over rows of the contract source and over the books that `intraday` keeps. Which
contracts there are is found in frames, now and then; one contract's row is put together from plain
values, since a few of them change several times a second.
"""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.books import StandingBooks, TradeTape
from energy_platform.dashboard.frames import Row
from energy_platform.market.instants import INSTANT

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
_HOUR: Final = timedelta(hours=1)
_KEPT: Final = 2 * _HOUR
"""How long a contract is kept after its delivery."""


TABLE: Final = {
    "contract_id": pl.String(),
    "delivery_start": INSTANT,
    "delivery_end": INSTANT,
    "closes_at": INSTANT,
    "state": pl.String(),
    "bid_eur_per_mwh": pl.Float64(),
    "bid_mw": pl.Float64(),
    "ask_eur_per_mwh": pl.Float64(),
    "ask_mw": pl.Float64(),
    "last_eur_per_mwh": pl.Float64(),
    "last_mw": pl.Float64(),
    "last_at": INSTANT,
    "vwap_eur_per_mwh": pl.Float64(),
    "day_ahead_eur_per_mwh": pl.Float64(),
    "received_at": INSTANT,
    "name": pl.String(),
    "spread_eur_per_mwh": pl.Float64(),
    "change_15m_eur_per_mwh": pl.Float64(),
    "volume_mwh": pl.Float64(),
}
"""The columns of the table."""


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


def with_day_ahead(contracts: pl.DataFrame, day_ahead: pl.DataFrame) -> list[Row]:
    """Return contracts with the mean day-ahead price over their delivery.

    Args:
        contracts: The contracts.
        day_ahead: The day-ahead prices of their zone, by `DAY_AHEAD`.
    """
    start, end = pl.col("delivery_start"), pl.col("delivery_end")
    priced = contracts.select("contract_id", "delivery_start", "delivery_end").join_where(
        day_ahead.select(pl.col("delivery_start").alias("at"), "price_eur_per_mwh"),
        pl.col("at") >= start,
        pl.col("at") < end,
    )
    means = priced.group_by("contract_id").agg(
        day_ahead_eur_per_mwh=pl.col("price_eur_per_mwh").mean().round(2)
    )
    return contracts.join(means, on="contract_id", how="left", maintain_order="left").to_dicts()


def with_market(contract: Row, books: StandingBooks, tape: TradeTape, now: datetime) -> Row:
    """Return a contract's row of the table, with all that is known of its market.

    Args:
        contract: The contract, as `with_day_ahead` returns it.
        books: The standing books.
        tape: The trades.
        now: Market time.
    """
    name: str = contract["contract_id"]
    top = books.top(contract["delivery_area_id"], name)
    bid, ask = (top.bid_eur_per_mwh, top.ask_eur_per_mwh) if top is not None else (None, None)
    traded, earlier = tape.traded(name), tape.price_before(name, now - _BEFORE)
    last = traded.last_eur_per_mwh if traded is not None else None
    hours = (contract["delivery_end"] - contract["delivery_start"]) / _HOUR
    return {
        "contract_id": name,
        "delivery_start": contract["delivery_start"],
        "delivery_end": contract["delivery_end"],
        "closes_at": contract["closes_at"],
        "state": contract["state"],
        "bid_eur_per_mwh": bid,
        "bid_mw": top.bid_mw if top is not None else None,
        "ask_eur_per_mwh": ask,
        "ask_mw": top.ask_mw if top is not None else None,
        "last_eur_per_mwh": last,
        "last_mw": traded.last_mw if traded is not None else None,
        "last_at": traded.last_at if traded is not None else None,
        "vwap_eur_per_mwh": round(traded.vwap_eur_per_mwh, 2) if traded is not None else None,
        "day_ahead_eur_per_mwh": contract["day_ahead_eur_per_mwh"],
        "received_at": top.received_at if top is not None else None,
        "name": contract["contract_name"] or name,
        "spread_eur_per_mwh": _difference(ask, bid),
        "change_15m_eur_per_mwh": _difference(last, earlier),
        "volume_mwh": round(traded.volume_mw * hours, 3) if traded is not None else None,
    }


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one - other, 2)
