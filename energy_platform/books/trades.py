"""Trades and what they come to: one row a trade, energy, bars and the indices ID1 and ID3.

Pure functions over legs of trades and over contracts. `tape` keeps trades as they come; which rows
are read, and as of when, is decided elsewhere.
"""

from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.books.tape import BAR, COUNTS

WINDOWS: Final = {"ID1": timedelta(hours=1), "ID3": timedelta(hours=3)}
"""How long before delivery the trades of an index begin.

EPEX SPOT, "New ID3-Price index on continuous German Intraday market", 11 September 2015: the index
is the volume-weighted mean price of a product's trades of the last three hours before delivery;
that of 20:00 to 20:15 has all transactions from 17:00 to 20:00. ID1 is the same of one hour.
"""

_LEG: Final = ("trade_id", "contract_id", "side", "delivery_area_id")
_HOURS: Final = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds() / 3_600
CONTRACT: Final = ("contract_name", "product", "delivery_start", "delivery_end")
"""What a trade's row says of its contract."""


def one_row_each(legs: pl.LazyFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return trades that count, one row each, in the order in which they were made.

    Args:
        legs: The latest revision of each leg.
        contracts: One row per contract: `contract_id` and the columns of `CONTRACT`. Energy and
            delivery of a trade are null while its contract is not listed.
    """
    buyer, seller = pl.col("side") == "BUY", pl.col("side") == "SELL"
    area = pl.col("delivery_area_id")
    return (
        legs.filter(COUNTS)
        .sort("observed_at", *_LEG)
        .group_by("trade_id", "contract_id", maintain_order=True)
        .agg(
            pl.col("observed_at", "price_eur_per_mwh", "volume_mw").first(),
            buy_area_id=area.filter(buyer).first(),
            sell_area_id=area.filter(seller).first(),
            aggressor=pl.col("side").filter(pl.col("is_aggressor")).first(),
            received_at=pl.col("received_at").max(),
        )
        .join(contracts.lazy(), on="contract_id", how="left", maintain_order="left")
        .with_columns(volume_mwh=pl.col("volume_mw") * _HOURS)
        .collect()
    )


def bars_of(trades: pl.DataFrame, every: timedelta) -> pl.DataFrame:
    """Return one row per contract and interval in which it was traded.

    Args:
        trades: Trades, as `one_row_each` returns them.
        every: How long an interval is; intervals begin at multiples of it since 1970 (UTC).
    """
    start = pl.col("observed_at").dt.truncate(every)
    return (
        trades.group_by("contract_id", start.alias("bar_start"), maintain_order=True)
        .agg(
            pl.col(*CONTRACT).first(),
            **BAR,
            volume_mw=pl.col("volume_mw").sum(),
            volume_mwh=pl.col("volume_mwh").sum(),
            trades=pl.len().cast(pl.Int64),
        )
        .with_columns(bar_end=pl.col("bar_start") + every)
        .select("contract_id", *CONTRACT, "bar_start", "bar_end", pl.selectors.exclude(_PLACED))
        .sort("delivery_start", "contract_id", "bar_start", nulls_last=True)
    )


def index_prices(trades: pl.DataFrame, contracts: pl.DataFrame, length: timedelta) -> pl.DataFrame:
    """Return the mean price of each contract's last trades before delivery, weighted by volume.

    Args:
        trades: Trades, as `one_row_each` returns them.
        contracts: The contracts; one without trades in the window has no price.
        length: How long before delivery the window begins; it ends where delivery begins.
    """
    at, delivery = pl.col("observed_at"), pl.col("delivery_start")
    found = (
        trades.filter(at >= delivery - length, at < delivery)
        .group_by("contract_id")
        .agg(
            price_eur_per_mwh=BAR["vwap_eur_per_mwh"],
            volume_mwh=pl.col("volume_mwh").sum(),
            trades=pl.len().cast(pl.Int64),
        )
    )
    return (
        contracts.select("contract_id", *CONTRACT)
        .join(found, on="contract_id", how="left", maintain_order="left")
        .with_columns(pl.col("volume_mwh").fill_null(0.0), pl.col("trades").fill_null(0))
        .sort("delivery_start", "contract_id")
    )


_PLACED: Final = ("contract_id", *CONTRACT, "bar_start", "bar_end")
