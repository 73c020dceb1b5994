"""The continuous intraday market: contracts, trades, books and bars, in traders' words.

What is delivered when, and until when it is traded, is in the exchange's list of contracts alone;
nothing here reads a contract's name. Trades and books are those of `books`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final, Literal

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import AsOf
from energy_platform.market.areas import delivery_areas, named_area
from energy_platform.market.buckets import every as length_of
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.wall_clock import (
    Fold,
    When,
    Window,
    Zone,
    in_zone,
    instant,
    window,
)
from energy_platform.reading.choice import near, require_count
from energy_platform.reading.rows import Rows

PRODUCTS: Final = {"QH": "P15MIN", "HH": "P30MIN", "H": "P60MIN"}
"""What traders call the products: quarter-hours, half-hours, hours."""

_PRODUCT_TYPE: Final = re.compile("[A-Z][A-Z0-9_]*")
"""How the exchange writes them: P15MIN, CUSTOM_BLOCK."""
_CONTRACTS: Final = "nord_pool_intraday_contract"
_TRADES: Final = "nord_pool_intraday_trade"
_BOOK: Final = "nord_pool_intraday_order_book"
_PROVIDER: Final = "Nord Pool"
_TRADED_FOR: Final = timedelta(days=2)
"""A contract is traded for less than this, the delivery of a block included."""
_LATE: Final = timedelta(hours=1)
"""How far the exchange's clock may be ahead of ours."""


class Intraday(Rows):
    """Questions about the continuous intraday market."""

    def contracts(
        self,
        *,
        area: str | None = None,
        product: str | None = None,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
    ) -> pl.DataFrame:
        """Return the contracts whose delivery begins in a window, one row each, in that order.

        Args:
            area: Only contracts of this bidding zone or control area, "DE-LU" or "DE(Amprion)";
                their gate is that of its delivery area. Of all areas, unless given: a row for each.
            product: Only "QH", "HH" or "H", or a product type as the exchange names it.
            start: Only contracts whose delivery begins at this time or later.
            end: Only contracts whose delivery begins before this.
            day: A whole day of `zone` instead.
            month: A whole month of `zone` instead.
            zone: Whose clocks and days are meant, and in which instants are shown; UTC, unless
                given.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was known by then.

        Returns:
            `contract_id`, `area`, `delivery_area_id`, `contract_name`, `product`,
            `delivery_start`, `delivery_end`, `opens_at`, `closes_at` (gate closure), `state`.

        Raises:
            UsageError: There is no such area or product, or a time can't be read.

        >>> import energy_platform as ep
        >>> day = {"day": "2026-03-29", "zone": "Europe/Berlin"}
        >>> ep.contracts(area="DE-LU", product="QH", **day)["contract_id"].to_list()
        ['NX_sp0']
        """
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        found = self._contracts(wanted, area, product, as_of).collect()
        if found.is_empty() and product is not None:
            self._require_product(product, wanted, as_of)
        if area is not None:
            found = _of_first(found, delivery_areas(area))
        return in_zone(found.sort("delivery_start", "delivery_end", *_CONTRACT), zone)

    def trades(
        self,
        *,
        contract: str | None = None,
        area: str | None = None,
        product: str | None = None,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
    ) -> pl.DataFrame:
        """Return the trades of a window that count, one row each, in the order of their making.

        A trade has two legs and is one row; a cancelled one is left out. Trades in pounds are in
        the table `nord_pool_intraday_trade` alone.

        Args:
            contract: Only trades of this contract, by its identifier.
            area: Only trades of which a leg is in this bidding zone or control area.
            product: Only "QH", "HH" or "H", or a product type as the exchange names it.
            start: Only trades made at this time or later. Of one contract all, unless given.
            end: Only trades made before this.
            day: Trades made on this day of `zone` instead.
            month: Trades made in this month of `zone` instead.
            zone: Whose clocks and days are meant, and in which instants are shown; UTC, unless
                given.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was known by then; a trade cancelled later is there.

        Returns:
            `trade_id`, `observed_at` (when it was made), `contract_id`, `contract_name`,
            `product`, `delivery_start`, `delivery_end`, `price_eur_per_mwh`, `volume_mw`,
            `volume_mwh` (power times delivery; null while the contract is not listed), `buy_area`
            and `sell_area`, `aggressor` (the side that hit the other, BUY or SELL), `received_at`.

        Raises:
            UsageError: There is no such contract, area or product, or the window is open.

        >>> import energy_platform as ep
        >>> day = {"day": "2026-07-01", "zone": "Europe/Berlin"}
        >>> ep.trades(area="DE-LU", **day)["price_eur_per_mwh"].to_list()
        [52.1, 52.1]
        """
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        contracts = self._traded(wanted, contract, product, as_of)
        if contract is not None:
            wanted = _during(contracts, wanted)
        _require_closed(wanted)
        found = self._trades(contracts, wanted, contract, area, as_of)
        if product is not None:
            found = found.filter(pl.col("product").is_not_null())
        day_of_delivery = pl.col("delivery_start").dt.date()
        named = found.with_columns(
            buy_area=named_area(_PROVIDER, pl.col("buy_area_id"), day_of_delivery),
            sell_area=named_area(_PROVIDER, pl.col("sell_area_id"), day_of_delivery),
        )
        return in_zone(named.select(_TRADE), zone)

    def book(
        self,
        at: When,
        contract: str,
        area: str,
        depth: int | None = None,
        *,
        zone: Zone | None = None,
        fold: Fold | None = None,
    ) -> pl.DataFrame:
        """Return the order book of a contract as we knew it at an instant, level by level.

        Args:
            at: The instant; a message received exactly then counts.
            contract: The contract, by its identifier.
            area: A bidding zone or control area. All control areas of DE-LU have the same book
                while nothing limits flows between them; Amprion's is shown.
            depth: How many levels of each side; all, unless given.
            zone: Whose clocks are meant, and in which instants are shown; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.

        Returns:
            `side` (BUY or SELL), `level` (1 is the best price), `price_eur_per_mwh`,
            `volume_mw`, `orders` (how many stand there), `changed_at`. No rows if the book was
            empty.

        Raises:
            UsageError: There is no such contract or area, or no message about the book was known.

        >>> import energy_platform as ep
        >>> at = "2026-07-01 12:30"
        >>> best = ep.book(at, "NX_100", "DE(50Hertz)", 1, zone="Europe/Berlin")
        >>> best.select("side", "price_eur_per_mwh").rows()
        [('BUY', 41.65)]
        """
        from energy_platform.books.ladder import ladder

        if depth is not None:
            require_count(depth, "depth")
        moment = instant(at, zone=zone, fold=fold, name="at")
        events = self._events(contract, area, until=moment)
        if events.is_empty():
            raise UsageError(f"nothing was known of the book of {contract} in {area} at {moment}")
        return in_zone(ladder(events.lazy(), depth), zone)

    def book_path(
        self,
        contract: str,
        area: str,
        start: When | None = None,
        end: When | None = None,
        *,
        zone: Zone | None = None,
        fold: Fold | None = None,
    ) -> pl.DataFrame:
        """Return the best prices of a contract's book over time: a row for each change.

        Args:
            contract: The contract, by its identifier.
            area: A bidding zone or control area, as for `book`.
            start: The first moment; since the first message, unless given. What stood then is in
                the first row.
            end: The end, not included; until now, unless given.
            zone: Whose clocks are meant, and in which instants are shown; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.

        Returns:
            `at` (when we received the change), `bid_eur_per_mwh`, `bid_mw`, `ask_eur_per_mwh`,
            `ask_mw`, `mid_eur_per_mwh`, `spread_eur_per_mwh`; null on a side without orders.

        Raises:
            UsageError: There is no such contract or area, or a time can't be read.

        >>> import energy_platform as ep
        >>> path = ep.book_path("NX_101", "DE(50Hertz)", zone="Europe/Berlin")
        >>> f"{path['at'][0]:%H:%M}"
        '12:15'
        """
        from energy_platform.books.ladder import path

        wanted = window(start=start, end=end, zone=zone, fold=fold)
        found = path(self._events(contract, area, until=wanted.end))
        at = pl.col("at")
        if wanted.end is not None:
            found = found.filter(at < wanted.end)
        if wanted.start is not None:
            stood = found.filter(at < wanted.start).tail(1)
            since = stood.with_columns(at=pl.lit(wanted.start, dtype=found.schema["at"]))
            found = pl.concat([since, found.filter(at >= wanted.start)])
        return in_zone(found.unique("at", keep="last", maintain_order=True), zone)

    def bars(
        self,
        contract: str | None = None,
        every: str | timedelta | None = None,
        index: Literal["ID1", "ID3"] | None = None,
        *,
        area: str | None = None,
        product: str | None = None,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
    ) -> pl.DataFrame:
        """Return open, high, low, close and mean price of contracts, or their ID1 or ID3.

        ID3 is the volume-weighted mean price of a contract's trades of the last three hours before
        its delivery, as EPEX SPOT defines it (announcement of 11 September 2015: of 20:00 to 20:15,
        all transactions from 17:00 to 20:00); ID1 is that of the last hour. Here they are made of
        the trades that Nord Pool's ticker shows.

        Args:
            contract: Only this contract, by its identifier; all of a window, unless given.
            every: How long a bar is, "15m" or "1h"; intervals begin at multiples of it in UTC.
            index: "ID1" or "ID3": one row per contract instead of bars.
            area: Only trades of which a leg is in this bidding zone or control area.
            product: Only "QH", "HH" or "H", or a product type as the exchange names it.
            start: Only contracts whose delivery begins at this time or later.
            end: Only contracts whose delivery begins before this.
            day: Contracts that deliver on this day of `zone` instead.
            month: Contracts that deliver in this month of `zone` instead.
            zone: Whose clocks and days are meant, and in which instants are shown; UTC, unless
                given.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was known by then.

        Returns:
            `contract_id`, `contract_name`, `product`, `delivery_start`, `delivery_end`; of bars
            `bar_start`, `bar_end`, `open_eur_per_mwh`, `high_eur_per_mwh`, `low_eur_per_mwh`,
            `close_eur_per_mwh`, `vwap_eur_per_mwh`, `volume_mw`, `volume_mwh`, `trades`; of an
            index `price_eur_per_mwh` (null without a trade), `volume_mwh` and `trades`.

        Raises:
            UsageError: Neither or both of `every` and `index` are given, the window is open, or
                there is no such contract, area or product.

        >>> import energy_platform as ep
        >>> day = {"day": "2026-03-29", "zone": "Europe/Berlin"}
        >>> ep.bars(index="ID3", area="DE-LU", product="QH", **day)["contract_id"].to_list()
        ['NX_sp0']
        """
        from energy_platform.books.trades import WINDOWS, bars_of, index_prices

        if (every is None) == (index is None):
            raise UsageError('say how long a bar is, every="15m", or which index, index="ID3"')
        if index is not None and index not in WINDOWS:
            raise UsageError(f"index is {' or '.join(WINDOWS)}, not {index!r}")
        length = WINDOWS[index] if index is not None else _bar(every or "")
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        if contract is None:
            _require_closed(wanted)
        contracts = self._delivering(wanted, contract, product, as_of)
        found = self._trades(contracts, _during(contracts, Window()), contract, area, as_of)
        listed = found.filter(pl.col("delivery_start").is_not_null())
        if index is not None:
            return in_zone(index_prices(listed, contracts, length), zone)
        return in_zone(bars_of(listed, length), zone)

    def _contracts(
        self, wanted: Window, area: str | None, product: str | None, as_of: AsOf | None
    ) -> pl.LazyFrame:
        """Return the contracts of a window that the market has not taken out."""
        found = self.scan(_CONTRACTS, start=wanted.start, end=wanted.end, as_of=as_of).filter(
            ~pl.col("deleted")
        )
        if area is not None:
            found = found.filter(pl.col("delivery_area_id").is_in(list(delivery_areas(area))))
        if product is not None:
            found = found.filter(pl.col("product_type") == _product_type(product))
        day = pl.col("delivery_start").dt.date()
        return found.with_columns(
            area=named_area(_PROVIDER, pl.col("delivery_area_id"), day)
        ).select(
            *_CONTRACT,
            "contract_name",
            pl.col("product_type").alias("product"),
            *("delivery_start", "delivery_end", "opens_at", "closes_at", "state"),
        )

    def _delivering(
        self, wanted: Window, contract: str | None, product: str | None, as_of: AsOf | None
    ) -> pl.DataFrame:
        """Return one row per contract whose delivery begins in a window; all areas agree on it.

        Raises:
            UsageError: There is no such contract.
        """
        found = self._contracts(wanted, None, product, as_of)
        if contract is not None:
            found = found.filter(_is(contract))
        listed = found.collect().sort(*_CONTRACT).unique("contract_id", keep="first")
        if listed.is_empty() and product is not None:
            self._require_product(product, wanted, as_of)
        if listed.is_empty() and contract is not None:
            raise self._unknown(contract)
        return listed.sort("delivery_start", "contract_id")

    def _traded(
        self, wanted: Window, contract: str | None, product: str | None, as_of: AsOf | None
    ) -> pl.DataFrame:
        """Return one row per contract that may be traded in a window."""
        if contract is not None:
            return self._delivering(Window(), contract, product, as_of)
        until = None if wanted.end is None else wanted.end + _TRADED_FOR
        since = None if wanted.start is None else wanted.start - _LATE
        return self._delivering(Window(since, until), None, product, as_of)

    def _trades(
        self,
        contracts: pl.DataFrame,
        wanted: Window,
        contract: str | None,
        area: str | None,
        as_of: AsOf | None,
    ) -> pl.DataFrame:
        """Return the trades made in a window, with what is known of their contracts."""
        from energy_platform.books.trades import CONTRACT, one_row_each

        legs = self.scan(_TRADES, start=wanted.start, end=wanted.end, as_of=as_of)
        if contract is not None:
            legs = legs.filter(_is(contract))
        found = one_row_each(legs, contracts.select("contract_id", *CONTRACT))
        if area is None:
            return found
        of_area = list(delivery_areas(area))
        return found.filter(
            pl.col("buy_area_id").is_in(of_area) | pl.col("sell_area_id").is_in(of_area)
        )

    def _events(self, contract: str, area: str, until: datetime | None) -> pl.DataFrame:
        """Return what was received of a contract's book by a moment, in landing order."""
        areas = delivery_areas(area)
        about = self._delivering(Window(), contract, None, None)
        opened: datetime = about["opens_at"].min()  # type: ignore[assignment] # never null
        closed: datetime = about["delivery_end"].max()  # type: ignore[assignment] # never null
        events = self.scan(
            _BOOK, start=opened - _LATE, end=(until or closed) + _LATE, as_of=until
        ).filter(_is(contract), pl.col("delivery_area_id").is_in(list(areas)))
        found = events.collect().sort("landing_offset", maintain_order=True)
        there = [number for number in areas if number in found["delivery_area_id"].unique()]
        return found.filter(pl.col("delivery_area_id") == (there or areas)[0])

    def _require_product(self, product: str, wanted: Window, as_of: AsOf | None) -> None:
        """Refuse a product type that no contract of a window has, if there are contracts."""
        if product in PRODUCTS or product in PRODUCTS.values():
            return
        found = self.scan(_CONTRACTS, start=wanted.start, end=wanted.end, as_of=as_of)
        types = found.select(pl.col("product_type").drop_nulls().unique().sort()).collect()
        known = types.to_series().to_list()
        if known and product not in known:
            raise UsageError(f"there is no product {product!r}; {near(product, known)}")

    def _unknown(self, contract: str) -> UsageError:
        known = self.scan(_CONTRACTS).select("contract_id").unique().collect().to_series()
        if contract in known:
            return UsageError(f"{contract} does not deliver in this window, or was not known yet")
        alike = get_close_matches(contract, known.to_list(), n=3)
        hint = f"did you mean {' or '.join(alike)}?" if alike else "ep.contracts() lists them"
        return UsageError(f"there is no contract {contract!r}; {hint}")


_CONTRACT: Final = ("contract_id", "area", "delivery_area_id")
_TRADE: Final = (
    *("trade_id", "observed_at", "contract_id", "contract_name", "product"),
    *("delivery_start", "delivery_end", "price_eur_per_mwh", "volume_mw", "volume_mwh"),
    *("buy_area", "sell_area", "aggressor", "received_at"),
)


def _of_first(contracts: pl.DataFrame, areas: Sequence[str]) -> pl.DataFrame:
    """Return one row per contract, that of the first of these delivery areas."""
    order = pl.col("delivery_area_id").replace_strict(
        {area: place for place, area in enumerate(areas)}, return_dtype=pl.Int64
    )
    return contracts.sort(order).unique("contract_id", keep="first", maintain_order=True)


def _product_type(product: object) -> str:
    if not isinstance(product, str) or not _PRODUCT_TYPE.fullmatch(product):
        said = ", ".join(PRODUCTS)
        raise UsageError(f"there is no product {product!r}; there are {said}, or P15MIN and so on")
    return PRODUCTS.get(product, product)


def _is(contract: object) -> pl.Expr:
    """Return whether a row is of a contract."""
    if not isinstance(contract, str):
        raise UsageError(f"a contract is named by its identifier, a text, not {contract!r}")
    return pl.col("contract_id") == contract


def _bar(every: str | timedelta) -> timedelta:
    lasting = length_of(every)
    if lasting.text is not None:
        raise UsageError(f"a bar is shorter than a day, not {every!r}")
    return lasting.length


def _during(contracts: pl.DataFrame, wanted: Window) -> Window:
    """Return when contracts are traded, within a window."""
    if contracts.is_empty():
        return Window(OUR_TIME[0], OUR_TIME[0])
    opened: datetime = contracts["opens_at"].min()  # type: ignore[assignment] # never null
    closed: datetime = contracts["delivery_end"].max()  # type: ignore[assignment] # never null
    return Window(wanted.start or opened, wanted.end or closed)


def _require_closed(wanted: Window) -> None:
    if wanted.start is None or wanted.end is None:
        raise UsageError("say start and end, or a day, or one contract")
