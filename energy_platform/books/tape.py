"""The trades that count, kept up to date row by row, and the bars and means made of them.

A cancelled trade counts no longer, in whatever order its revisions arrive; a trade that the market
no longer shows because it is old counts still. Each trade counts once, though it has two legs.
"""

from datetime import datetime, timedelta
from typing import Final, cast

import polars as pl

from energy_platform.market.rows import INSTANT

_LEG: Final = ("trade_id", "contract_id", "side", "delivery_area_id")
_ROW: Final = {
    **dict.fromkeys(_LEG, pl.String()),
    "revision_no": pl.Int64(),
    "observed_at": INSTANT,
    "contract_name": pl.String(),
    "state": pl.String(),
    "price_eur_per_mwh": pl.Float64(),
    "volume_mw": pl.Float64(),
    "is_aggressor": pl.Boolean(),
    "received_at": INSTANT,
    "landing_offset": pl.Int64(),
}
_KEPT: Final = timedelta(hours=36)
"""How long after its receipt a trade is kept; a contract is traded for about as long."""
_COUNTS: Final = (pl.col("state") != "CANCELLED") & pl.col("price_eur_per_mwh").is_not_null()


class TradeTape:
    """The latest revision of each leg of the trades of the last day and a half.

    One thread may use it.
    """

    def __init__(self) -> None:
        self._waiting: list[pl.DataFrame] = []
        self._rows = pl.DataFrame(schema=_ROW)

    def follow(self, rows: pl.DataFrame) -> None:
        """Take rows of the trades' table, as they land."""
        if not rows.is_empty():
            self._waiting.append(rows.select(*_ROW))

    def legs(self, area: str | None = None, contract: str | None = None) -> pl.DataFrame:
        """Return every leg, cancelled ones too, the newest trade first.

        Args:
            area: Only legs of this delivery area.
            contract: Only legs of this contract.
        """
        self._catch_up()
        rows = self._rows if area is None else self._rows.filter(delivery_area_id=area)
        rows = rows if contract is None else rows.filter(contract_id=contract)
        return rows.sort("observed_at", *_LEG, descending=[True, *[False] * len(_LEG)])

    def bars(self, every: timedelta, contract: str | None = None) -> pl.DataFrame:
        """Return the bars of the trades that count, as the function `bars` does.

        Args:
            every: How long a bar is.
            contract: Only bars of this contract.
        """
        self._catch_up()
        rows = self._rows if contract is None else self._rows.filter(contract_id=contract)
        return bars(rows, every)

    def summaries(self) -> pl.DataFrame:
        """Return each contract's last trade, its volume-weighted price, and its volume."""
        self._catch_up()
        price, volume = pl.col("price_eur_per_mwh"), pl.col("volume_mw")
        return (
            _trades(self._rows)
            .group_by("contract_id", maintain_order=True)
            .agg(
                last_eur_per_mwh=price.last(),
                last_mw=volume.last(),
                last_at=pl.col("observed_at").last(),
                vwap_eur_per_mwh=(price * volume).sum() / volume.sum(),
                volume_mw=volume.sum().round(3),
                trades=pl.len().cast(pl.Int64),
            )
        )

    def price_at(self, instant: datetime) -> pl.DataFrame:
        """Return each contract's last price before an instant, as `price_eur_per_mwh`."""
        self._catch_up()
        return (
            _trades(self._rows)
            .filter(pl.col("observed_at") <= instant)
            .group_by("contract_id", maintain_order=True)
            .agg(pl.col("price_eur_per_mwh").last())
        )

    def _catch_up(self) -> None:
        if not self._waiting:
            return
        rows = pl.concat([self._rows, *self._waiting])
        self._waiting = []
        newest = cast("datetime", rows["received_at"].max())
        self._rows = (
            rows.lazy()
            .filter(pl.col("received_at") >= newest - _KEPT)
            .sort("revision_no", "landing_offset", maintain_order=True)
            .unique(_LEG, keep="last", maintain_order=True)
            .collect()
        )


def bars(legs: pl.DataFrame, every: timedelta) -> pl.DataFrame:
    """Return open, high, low, close, volume-weighted price and volume per contract and interval.

    Args:
        legs: The latest revision of each leg of some trades.
        every: How long an interval is; intervals begin at multiples of it since 1970 (UTC).
    """
    price, volume = pl.col("price_eur_per_mwh"), pl.col("volume_mw")
    start = pl.col("observed_at").dt.truncate(every).alias("bar_start")
    return (
        _trades(legs)
        .group_by("contract_id", start, maintain_order=True)
        .agg(
            open_eur_per_mwh=price.first(),
            high_eur_per_mwh=price.max(),
            low_eur_per_mwh=price.min(),
            close_eur_per_mwh=price.last(),
            vwap_eur_per_mwh=(price * volume).sum() / volume.sum(),
            volume_mw=volume.sum().round(3),
            trades=pl.len().cast(pl.Int64),
        )
        .sort("contract_id", "bar_start")
    )


def _trades(legs: pl.DataFrame) -> pl.DataFrame:
    """Return one leg of each trade that counts, in the order in which they were made."""
    return (
        legs.filter(_COUNTS)
        .sort("observed_at", *_LEG)
        .unique(["trade_id", "contract_id"], keep="first", maintain_order=True)
    )
