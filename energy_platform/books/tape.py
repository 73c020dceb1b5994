"""The trades that count, kept up to date row by row, and the bars and means made of them.

A cancelled trade counts no longer, in whatever order its revisions arrive; a trade that the market
no longer shows because it is old counts still. Each trade counts once, though it has two legs.

The legs of each contract are a frame of their own, and so are its sums: a trade costs what its
contract costs, not what the market does.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum
from operator import mul
from typing import Final, NamedTuple, cast

import polars as pl

from energy_platform.market.instants import INSTANT, OUR_TIME, microseconds

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
_FORGETS_EVERY: Final = timedelta(minutes=10)
_PRICE: Final = pl.col("price_eur_per_mwh")
BAR: Final = {
    "open_eur_per_mwh": _PRICE.first(),
    "high_eur_per_mwh": _PRICE.max(),
    "low_eur_per_mwh": _PRICE.min(),
    "close_eur_per_mwh": _PRICE.last(),
    "vwap_eur_per_mwh": (_PRICE * pl.col("volume_mw")).sum() / pl.col("volume_mw").sum(),
}
"""A bar's prices, of the trades of one contract in their order."""
COUNTS: Final = (pl.col("state") != "CANCELLED") & pl.col("price_eur_per_mwh").is_not_null()


class Traded(NamedTuple):
    """What the trades of a contract come to."""

    last_eur_per_mwh: float
    last_mw: float
    last_at: datetime
    vwap_eur_per_mwh: float
    volume_mw: float
    trades: int


class TradeTape:
    """The latest revision of each leg of the trades of the last day and a half.

    One thread may use it.

    Attributes:
        changes: A number that grows with each change.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._contracts: dict[str, _Contract] = {}
        self._newest = OUR_TIME[0]
        self._forgotten_at = OUR_TIME[0]

    def follow(self, rows: pl.DataFrame) -> None:
        """Take rows of the trades' table, as they land."""
        if rows.is_empty():
            return
        self._newest = max(self._newest, cast("datetime", rows["received_at"].max()))
        parts = rows.select(*_ROW).partition_by("contract_id", as_dict=True, maintain_order=True)
        for (contract,), part in parts.items():
            self.changes += 1
            kept = self._contracts.setdefault(contract, _Contract())
            kept.changed = self.changes
            kept.follow(part)
        if self._newest >= self._forgotten_at + _FORGETS_EVERY:
            self._forget()

    def changed_since(self, changes: int) -> set[str]:
        """Return the contracts whose trades have changed since `changes` was so."""
        return {name for name, kept in self._contracts.items() if kept.changed > changes}

    def traded(self, contract: str) -> Traded | None:
        """Return what the trades of a contract come to; None if none counts."""
        kept = self._contracts.get(contract)
        return kept.sums(self._since).traded if kept is not None else None

    def price_before(self, contract: str, instant: datetime) -> float | None:
        """Return a contract's last price at an instant or before."""
        kept = self._contracts.get(contract)
        return kept.sums(self._since).price_before(instant) if kept is not None else None

    def legs(self, area: str | None = None, contract: str | None = None) -> pl.DataFrame:
        """Return every leg, cancelled ones too, the newest trade first.

        Args:
            area: Only legs of this delivery area.
            contract: Only legs of this contract.
        """
        rows = self._rows(contract)
        rows = rows if area is None else rows.filter(delivery_area_id=area)
        return rows.sort("observed_at", *_LEG, descending=[True, *[False] * len(_LEG)])

    def bars(self, every: timedelta, contract: str | None = None) -> pl.DataFrame:
        """Return the bars of the trades that count, as the function `bars` does.

        Args:
            every: How long a bar is.
            contract: Only bars of this contract.
        """
        return bars(self._rows(contract), every)

    @property
    def _since(self) -> datetime:
        return self._newest - _KEPT

    def _rows(self, contract: str | None) -> pl.DataFrame:
        names = [*self._contracts] if contract is None else [contract]
        parts = [self._contracts[one].legs(self._since) for one in names if one in self._contracts]
        return pl.concat(parts) if parts else pl.DataFrame(schema=_ROW)

    def _forget(self) -> None:
        """Forget trades that are too old, and contracts that have no others."""
        self._forgotten_at = self._newest
        self._contracts = {
            name: kept
            for name, kept in self._contracts.items()
            if not kept.legs(self._since).is_empty()
        }


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is made of a contract's trades: times in microseconds and prices, in their order."""

    traded: Traded | None
    times: "array[int]"
    prices: "array[float]"

    @classmethod
    def of(cls, legs: pl.DataFrame) -> "_Sums":
        trades = _trades(legs)
        times = array("q", trades["observed_at"].dt.epoch("us").to_list())
        prices = array("d", trades["price_eur_per_mwh"].to_list())
        return cls(_traded(trades), times, prices)

    def price_before(self, instant: datetime) -> float | None:
        place = bisect_right(self.times, microseconds(instant))
        return self.prices[place - 1] if place else None


class _Contract:
    """The legs of one contract's trades, and their sums."""

    __slots__ = ("_legs", "_sums", "_waiting", "changed")

    def __init__(self) -> None:
        self.changed = 0
        self._legs = pl.DataFrame(schema=_ROW)
        self._waiting: list[pl.DataFrame] = []
        self._sums: _Sums | None = None

    def follow(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        self._sums = None

    def legs(self, since: datetime) -> pl.DataFrame:
        """Return the latest revision of each leg, without those received before an instant."""
        if self._waiting:
            rows, self._waiting = pl.concat([self._legs, *self._waiting]), []
            self._legs = (
                rows.sort("revision_no", "landing_offset", maintain_order=True)
                .unique(_LEG, keep="last", maintain_order=True)
                .filter(pl.col("received_at") >= since)
            )
        elif not self._legs.is_empty() and self._oldest < since:
            self._legs, self._sums = self._legs.filter(pl.col("received_at") >= since), None
        return self._legs

    def sums(self, since: datetime) -> _Sums:
        if self._sums is None:
            self._sums = _Sums.of(self.legs(since))
        return self._sums

    @property
    def _oldest(self) -> datetime:
        return cast("datetime", self._legs["received_at"].min())


def bars(legs: pl.DataFrame, every: timedelta) -> pl.DataFrame:
    """Return open, high, low, close, volume-weighted price and volume per contract and interval.

    Args:
        legs: The latest revision of each leg of some trades.
        every: How long an interval is; intervals begin at multiples of it since 1970 (UTC).
    """
    start = pl.col("observed_at").dt.truncate(every).alias("bar_start")
    return (
        _trades(legs)
        .group_by("contract_id", start, maintain_order=True)
        .agg(
            **BAR,
            volume_mw=pl.col("volume_mw").sum().round(3),
            trades=pl.len().cast(pl.Int64),
        )
        .sort("contract_id", "bar_start")
    )


def _trades(legs: pl.DataFrame) -> pl.DataFrame:
    """Return one leg of each trade that counts, in the order in which they were made."""
    return (
        legs.filter(COUNTS)
        .sort("observed_at", *_LEG)
        .unique(["trade_id", "contract_id"], keep="first", maintain_order=True)
    )


def _traded(trades: pl.DataFrame) -> Traded | None:
    """Return what trades of one contract come to, in the order in which they were made."""
    if trades.is_empty():
        return None
    prices: list[float] = trades["price_eur_per_mwh"].to_list()
    volumes: list[float] = trades["volume_mw"].to_list()
    total = fsum(volumes)
    return Traded(
        last_eur_per_mwh=prices[-1],
        last_mw=volumes[-1],
        last_at=trades["observed_at"][-1],
        vwap_eur_per_mwh=fsum(map(mul, prices, volumes)) / total,
        volume_mw=round(total, 3),
        trades=trades.height,
    )
