"""The orders that stand in every book, kept up to date row by row.

After any rows the books equal `formats.nord_pool_intraday.standing_orders` of all rows so far: the
newest snapshot of a contract in a delivery area, and every change of a higher revision. Rows may
come in any order, and more than once, as they do after a reconnect.
"""

from datetime import datetime, timedelta
from typing import Final, cast

import polars as pl

from energy_platform.market.rows import INSTANT, OUR_TIME
from energy_platform.market.whole_list import WITHDRAWN

_BOOK: Final = ("delivery_area_id", "contract_id")
_ORDER: Final = (*_BOOK, "side", "order_id")
_ROW: Final = {
    **dict.fromkeys(_ORDER, pl.String()),
    "revision_no": pl.Int64(),
    "is_snapshot": pl.Boolean(),
    "observed_at": INSTANT,
    "price_eur_per_mwh": pl.Float64(),
    "volume_mw": pl.Float64(),
    "deleted": pl.Boolean(),
    "received_at": INSTANT,
    "landing_offset": pl.Int64(),
}
_SNAPSHOT: Final = {
    **dict.fromkeys(_BOOK, pl.String()),
    "since": pl.Int64(),
    "revision_no": pl.Int64(),
    "received_at": INSTANT,
}

_LATEST: Final = timedelta(minutes=10)
"""How much later than a newer row an older one may arrive; a gone order is remembered so long."""
_FORGETS_EVERY: Final = timedelta(minutes=1)
_TRADED_FOR: Final = timedelta(days=2)
"""A contract is traded for less than this; a book without news for so long is forgotten."""


class StandingBooks:
    """The standing orders of every contract in every delivery area. One thread may use it."""

    def __init__(self) -> None:
        self._waiting: list[pl.DataFrame] = []
        self._rows = pl.DataFrame(schema=_ROW)
        self._books = pl.DataFrame(schema=_SNAPSHOT)
        self._levels = _levels(self._rows)
        self._forgotten_at = OUR_TIME[0]

    def follow(self, rows: pl.DataFrame) -> None:
        """Take rows of the order book's table, as they land, withdrawn ones left out.

        This costs next to nothing. The books are made when they are asked for.
        """
        if WITHDRAWN in rows.columns:
            rows = rows.filter(pl.col(WITHDRAWN).not_().fill_null(value=True))
        if not rows.is_empty():
            self._waiting.append(rows.select(*_ROW))

    def orders(self) -> pl.DataFrame:
        """Return the standing orders: book, side, price, volume and provenance."""
        self._catch_up()
        return self._rows.filter(~pl.col("deleted"))

    def levels(self, area: str | None = None, contract: str | None = None) -> pl.DataFrame:
        """Return the volume and the number of orders at each price, the best price first.

        `received_at` and `landing_offset` are those of the level's newest order.

        Args:
            area: Only the books of this delivery area.
            contract: Only the books of this contract.
        """
        self._catch_up()
        return _of(self._levels, area, contract)

    def tops(self, area: str | None = None) -> pl.DataFrame:
        """Return the best bid and ask of each book; null on a side without orders.

        Args:
            area: Only the books of this delivery area.
        """
        price, volume, side = pl.col("price_eur_per_mwh"), pl.col("volume_mw"), pl.col("side")
        best = (
            self.levels(area)
            .lazy()
            .group_by(_BOOK)
            .agg(
                bid_eur_per_mwh=price.filter(side == "BUY").first(),
                bid_mw=volume.filter(side == "BUY").first(),
                ask_eur_per_mwh=price.filter(side == "SELL").first(),
                ask_mw=volume.filter(side == "SELL").first(),
            )
        )
        books = _of(self._books, area, None).lazy().drop("since")
        return books.join(best, on=_BOOK, how="left", maintain_order="left").collect()

    def _catch_up(self) -> None:
        """Make the books again that the waiting rows are about."""
        if not self._waiting:
            return
        fresh, self._waiting = pl.concat(self._waiting), []
        self._books = _noted(self._books, fresh)
        touched = fresh.select(_BOOK).unique()
        before, untouched = _split(self._rows, touched)
        changed = _last_rows(pl.concat([before, fresh]), self._books)
        self._rows = pl.concat([untouched, changed])
        _, untouched = _split(self._levels, touched)
        self._levels = pl.concat([untouched, _levels(changed)])
        self._forget()

    def _forget(self) -> None:
        """Forget orders that have long been gone, and books that have long had no news."""
        newest = cast("datetime", self._books["received_at"].max())
        if newest < self._forgotten_at + _FORGETS_EVERY:
            return
        self._forgotten_at, received = newest, pl.col("received_at")
        stale = self._books.filter(received < newest - _TRADED_FOR)
        if not stale.is_empty():
            _, self._books = _split(self._books, stale)
            _, self._rows = _split(self._rows, stale)
            _, self._levels = _split(self._levels, stale)
        self._rows = self._rows.filter(~pl.col("deleted") | (received >= newest - _LATEST))


def _split(rows: pl.DataFrame, books: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of these books, and those of all others."""
    of_them = rows.select(
        pl.struct(_BOOK).is_in(books.select(pl.struct(_BOOK).implode()).to_series())
    ).to_series()
    return rows.filter(of_them), rows.filter(~of_them)


def _noted(books: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the books with the revision of their newest snapshot, and of their newest row."""
    revision = pl.col("revision_no")
    fresh = (
        rows.lazy()
        .group_by(_BOOK, maintain_order=True)
        .agg(
            since=revision.filter("is_snapshot").max(),
            revision_no=revision.max(),
            received_at=pl.col("received_at").max(),
        )
    )
    newest = pl.col("since", "revision_no", "received_at").max()
    said = pl.concat([books.lazy(), fresh])
    return said.group_by(_BOOK, maintain_order=True).agg(newest).collect()


def _last_rows(rows: pl.DataFrame, books: pl.DataFrame) -> pl.DataFrame:
    """Return the last row of each order that its book's newest snapshot has not overtaken."""
    revision, since = pl.col("revision_no"), pl.col("since")
    counts = (
        pl.when("is_snapshot").then(revision == since).otherwise(revision > since.fill_null(-1))
    )
    return (
        rows.lazy()
        .join(books.lazy().select(*_BOOK, "since"), on=_BOOK, how="left", maintain_order="left")
        .filter(counts)
        .sort("revision_no", maintain_order=True)
        .unique(_ORDER, keep="last", maintain_order=True)
        .select(*_ROW)
        .collect()
    )


def _levels(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the levels of the orders that stand among these rows."""
    price = pl.col("price_eur_per_mwh")
    return (
        rows.lazy()
        .filter(~pl.col("deleted"), price.is_not_null())
        .group_by(*_BOOK, "side", "price_eur_per_mwh")
        .agg(
            pl.col("volume_mw").sum().round(3),
            pl.len().cast(pl.Int64).alias("orders"),
            pl.col("received_at", "landing_offset").max(),
        )
        .sort(*_BOOK, "side", pl.when(side="BUY").then(-price).otherwise(price))
        .collect()
    )


def _of(frame: pl.DataFrame, area: str | None, contract: str | None) -> pl.DataFrame:
    if area is not None:
        frame = frame.filter(delivery_area_id=area)
    return frame if contract is None else frame.filter(contract_id=contract)
