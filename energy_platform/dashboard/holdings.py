"""The desk's positions as all their topics see them, and what they are worth at the moment.

They are kept once for all viewers: the newest revision of each position, day-ahead prices, and the
newest imbalance price. The books come from `intraday`; the sums and the ladders' walk are those of
the room `positions`.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.dashboard.access.visitor import ALL_PORTFOLIOS
from energy_platform.dashboard.areas import AREAS, PRODUCTS, areas_of
from energy_platform.dashboard.intraday import (
    BOOK,
    CONTRACT,
    DAY_AHEAD_SOURCE,
    Books,
    Intraday,
    books_of,
    rows_known,
)
from energy_platform.dashboard.stores import Stores
from energy_platform.history.revisions import latest_revision
from energy_platform.market.registry import market_source
from energy_platform.positions import open_position, valued

POSITION: Final = "position"
IMBALANCE: Final = "netztransparenz_imbalance"
GERMANY: Final = "DE-LU"
_ZONE: Final = ZoneInfo("Europe/Berlin")
"""The market's days."""
_LONGEST: Final = timedelta(hours=25)
"""How long one position may last."""
_PRICED_FOR: Final = timedelta(days=3)
"""How old the newest imbalance price may be."""
_IMBALANCE_PRICES: Final = ("reBAP", "AEP-Schätzer")
"""The products that are prices, the final one first."""
_OF_A_LACK, _OF_A_SURPLUS = "reBAP unterdeckt", "reBAP ueberdeckt"
"""The series of the final price that count for one direction; an estimate counts for both."""
_BOOK_OF: Final = ("area", "delivery_start", "delivery_end")
_PRICE: Final = ("delivery_start", "delivery_end", "price_eur_per_mwh")
_LADDER: Final = (*_BOOK_OF, "side", "price_eur_per_mwh", "volume_mw")


@dataclass(frozen=True, slots=True)
class Market:
    """The contracts in which positions can be closed, and their ladders."""

    contracts: pl.DataFrame
    ladders: pl.DataFrame

    @classmethod
    def of(cls, books: Books, opened: pl.DataFrame, product: str, now: datetime) -> Self:
        """Return what concerns the deliveries of these open positions.

        Args:
            books: The books.
            opened: Areas and starts of delivery.
            product: The contracts' product.
            now: Market time.
        """
        wanted = opened.select(_BOOK_OF).unique()
        areas = [area for area in wanted["area"].unique().sort() if area in AREAS] or [GERMANY]
        traded = [_traded(books, area, product, now) for area in areas]
        contracts = pl.concat(traded).join(wanted, on=_BOOK_OF, how="semi", maintain_order="left")
        ladders = [
            books.standing.levels(areas_of(area)[0]).join(
                contracts.filter(area=area).select("contract_id", *_BOOK_OF), on="contract_id"
            )
            for area in areas
        ]
        return cls(contracts, pl.concat(ladders).select(_LADDER))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at a moment.

    Attributes:
        positions: Every revision of what is delivered today or later.
        opened: The open position of each portfolio, area and quarter-hour, and who changed it last.
        day_ahead: Day-ahead price by area and quarter-hour.
        imbalance_price: The newest imbalance price of a surplus (`is_long`) and of a lack by area,
            of which quarter-hour it is, and of which product and series.
    """

    positions: pl.DataFrame
    opened: pl.DataFrame
    day_ahead: pl.DataFrame
    imbalance_price: pl.DataFrame

    def valued(self, market: Market) -> pl.DataFrame:
        """Return every portfolio's open position per area and quarter-hour, valued.

        Beside the values stand what they were read from: `contract_id`, `imbalance_product` and
        `imbalance_series`.
        """
        told = valued(self.opened, market.ladders, self.day_ahead, self.imbalance_price)
        settled = self.imbalance_price.select(
            "area", "is_long", imbalance_product="product", imbalance_series="series"
        )
        said = market.contracts.unique(_BOOK_OF, keep="first", maintain_order=True).select(
            *_BOOK_OF, "contract_id", "closes_at"
        )
        return (
            told.join(said, on=_BOOK_OF, how="left", maintain_order="left")
            .with_columns(is_long=pl.col("open_mw") >= 0)
            .join(settled, on=["area", "is_long"], how="left", maintain_order="left")
            .drop("is_long")
        )

    def of_contracts(
        self, contracts: pl.DataFrame, portfolios: Sequence[str], areas: Collection[str]
    ) -> pl.DataFrame:
        """Return the mean open power of portfolios together over the delivery of each contract.

        A quarter-hour without a position counts as closed.

        Args:
            contracts: The contracts of one area.
            portfolios: The portfolios; `*` is all of them.
            areas: The areas whose positions count.
        """
        is_own = pl.lit(value=True)
        if ALL_PORTFOLIOS not in portfolios:
            is_own = pl.col("portfolio").is_in(list(portfolios))
        quarters = self.opened.filter(is_own, pl.col("area").is_in(areas)).select(
            "open_mw", at="delivery_start"
        )
        start, end = pl.col("delivery_start"), pl.col("delivery_end")
        mean = pl.col("open_mw").sum() / ((end - start).first() / timedelta(minutes=15))
        return (
            contracts.join_where(quarters, pl.col("at") >= start, pl.col("at") < end)
            .group_by("contract_id", "area", "delivery_start", "delivery_end")
            .agg(open_mw=mean.round(3), portfolio=pl.lit(",".join(portfolios)))
        )

    def closed(self, opened: pl.DataFrame, market: Market) -> pl.DataFrame:
        """Return what closing these positions costs, each in its own contract."""
        told = valued(opened, market.ladders, self.day_ahead, self.imbalance_price)
        return told.select(
            "contract_id", "delivery_start", "close_cost_eur", "unfilled_mw", position_mw="open_mw"
        ).sort("delivery_start", "contract_id")


def known_of(stores: Stores, at: datetime | None = None) -> Known:
    """Return what was known at an instant; what is known now, if None."""
    now = at or stores.now()
    today, start = start_of_day(now), pl.col("delivery_start")
    prices = rows_known(stores, DAY_AHEAD_SOURCE, at, start >= today)
    is_price = (
        pl.col("product").is_in(_IMBALANCE_PRICES) & pl.col("price_eur_per_mwh").is_not_null()
    )
    imbalance = rows_known(stores, IMBALANCE, at, is_price & (start >= now - _PRICED_FOR))
    positions = rows_known(stores, POSITION, at, start > today - _LONGEST)
    return Known(
        positions=positions,
        opened=open_position(positions, start=today),
        day_ahead=_day_ahead(_latest(DAY_AHEAD_SOURCE, prices)),
        imbalance_price=_imbalance_price(_latest(IMBALANCE, imbalance)),
    )


def valued_at(stores: Stores, at: datetime | None = None) -> pl.DataFrame:
    """Return every portfolio's open position as it was known and valued at an instant, or now."""
    known, books = known_of(stores, at), books_of(stores, BOOK, CONTRACT, at=at)
    return known.valued(Market.of(books, known.opened, "QH", at or stores.now()))


def exposure_at(
    stores: Stores,
    portfolios: Sequence[str],
    area: str,
    product: str,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Return portfolios' power in each contract as it was known at an instant, or now."""
    known, books = known_of(stores, at), books_of(stores, BOOK, CONTRACT, at=at)
    return _exposure(known, books, (portfolios, area, product), at or stores.now())


class Holdings:
    """What is known now. Any number of threads may use it.

    Args:
        stores: What has the rows.
        intraday: The books.

    Attributes:
        sources: Whose rows make it ask the stores again.
    """

    sources = (POSITION, DAY_AHEAD_SOURCE, IMBALANCE)

    def __init__(self, stores: Stores, intraday: Intraday) -> None:
        self.intraday = intraday
        self._stores = stores
        self._must_ask = True
        self._known: Known | None = None
        self._asking = threading.Lock()

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Ask the stores the next time: these rows are few, and revise each other."""
        del source, rows
        self._must_ask = True

    def reload(self) -> None:
        """Ask the stores the next time."""
        self._must_ask = True

    def valued(self) -> pl.DataFrame:
        """Return every portfolio's open position, valued; see `Known.valued`.

        Raises:
            EnergyPlatformError: The stores don't answer.
        """
        known, now = self._newest(), self._stores.now()
        return known.valued(
            self.intraday.ask(lambda books: Market.of(books, known.opened, "QH", now))
        )

    def exposure(self, portfolios: Sequence[str], area: str, product: str) -> pl.DataFrame:
        """Return portfolios' power in each contract of a product, and what closing it costs.

        Raises:
            EnergyPlatformError: The stores don't answer.
        """
        known, now = self._newest(), self._stores.now()
        asked = (portfolios, area, product)
        return self.intraday.ask(lambda books: _exposure(known, books, asked, now))

    def _newest(self) -> Known:
        self.intraday.make()
        with self._asking:
            if self._must_ask or self._known is None:
                self._must_ask = False
                try:
                    self._known = known_of(self._stores)
                except BaseException:
                    self._must_ask = True
                    raise
            return self._known


def start_of_day(now: datetime) -> datetime:
    """Return when the market's day began."""
    return datetime.combine(now.astimezone(_ZONE).date(), time(), _ZONE).astimezone(now.tzinfo)


def _latest(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the latest revision of each row."""
    return latest_revision(rows.lazy(), market_source(name)).collect()


def _day_ahead(prices: pl.DataFrame) -> pl.DataFrame:
    """Return prices by area and period; a control area has the price of its zone."""
    of_zones = prices.select(*_PRICE, area="bidding_zone")
    german = of_zones.filter(area=GERMANY)
    others = [german.with_columns(area=pl.lit(area)) for area in AREAS if area != GERMANY]
    return pl.concat([of_zones, *others])


def _imbalance_price(rows: pl.DataFrame) -> pl.DataFrame:
    """Return Germany's newest price of a surplus and of a lack for each of its areas."""
    final = pl.col("product") == _IMBALANCE_PRICES[0]
    by_time = rows.sort("delivery_start", final, maintain_order=True)
    newest = [
        by_time.filter(pl.col("series") != others)
        .tail(1)
        .select(*_PRICE, "product", "series", is_long=pl.lit(is_long))
        for is_long, others in ((True, _OF_A_LACK), (False, _OF_A_SURPLUS))
    ]
    return pl.concat([one.with_columns(area=pl.lit(area)) for area in AREAS for one in newest])


def _traded(books: Books, area: str, product: str, now: datetime) -> pl.DataFrame:
    """Return the open contracts of a product in an area."""
    return books.contracts.traded(areas_of(area)[0], PRODUCTS[product], now).select(
        "contract_id", "delivery_start", "delivery_end", "closes_at", area=pl.lit(area)
    )


def _exposure(
    known: Known, books: Books, asked: tuple[Sequence[str], str, str], now: datetime
) -> pl.DataFrame:
    """Return portfolios' power in each contract of an area's product."""
    portfolios, area, product = asked
    areas = tuple(AREAS) if area == GERMANY else (area,)
    opened = known.of_contracts(_traded(books, area, product, now), portfolios, areas)
    return known.closed(opened, Market.of(books, opened, product, now))
