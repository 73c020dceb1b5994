"""`positions:<portfolio>`: the open position of each quarter-hour, valued at the moment."""

from dataclasses import dataclass

import polars as pl

from energy_platform.dashboard.access.visitor import ALL_PORTFOLIOS
from energy_platform.dashboard.frames import Changes
from energy_platform.dashboard.holdings import POSITION, Holdings
from energy_platform.dashboard.intraday import BOOK, CONTRACT, Intraday
from energy_platform.dashboard.topics.topic import Loaded, NewRows

LOOK_SECONDS = 5.0
"""How late a gate may be shown as closed."""


@dataclass(slots=True, kw_only=True)
class _OfHoldings:
    """What both topics of positions have in common: they are valued again in a thread."""

    holdings: Holdings
    every_seconds: float = 1.0
    refresh_seconds: float | None = LOOK_SECONDS
    moment: str | None = None

    @property
    def shared(self) -> tuple[Holdings, Intraday]:
        """The positions, and the books."""
        return (self.holdings, self.holdings.intraday)

    def changed_by(self, new: NewRows) -> Changes:
        """Value the positions again, in a thread."""
        del new
        return Changes(must_ask=True)


@dataclass(slots=True, kw_only=True)
class Positions(_OfHoldings):
    """The topic of one portfolio; of all, if it is `*`."""

    portfolio: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The positions, and all that they are valued by."""
        return (*self.holdings.sources, BOOK, CONTRACT)

    def load(self) -> Loaded:
        """Value the positions; the stores are asked only if they may have something new."""
        rows = position_rows(self.holdings.valued())
        if self.portfolio != ALL_PORTFOLIOS:
            rows = rows.filter(portfolio=self.portfolio)
        return Loaded([{**row, "source": POSITION} for row in rows.to_dicts()])


@dataclass(slots=True, kw_only=True)
class Exposure(_OfHoldings):
    """`exposure:<portfolios>:<area>:<product>`: what they have open together in each contract."""

    portfolios: tuple[str, ...]
    area: str
    product: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The positions, and the books in which they can be closed."""
        return (POSITION, BOOK, CONTRACT)

    def load(self) -> Loaded:
        """Value the positions; the stores are asked only if they may have something new."""
        told = self.holdings.exposure(self.portfolios, self.area, self.product)
        rows = told.with_columns(id="contract_id").to_dicts()
        return Loaded([{**row, "source": POSITION} for row in rows])


def position_rows(opened: pl.DataFrame) -> pl.DataFrame:
    """Return open positions with the `id` of each row."""
    at = pl.col("delivery_start").dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    return opened.with_columns(id=pl.concat_str("portfolio", "area", at, separator="|"))
