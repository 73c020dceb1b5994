"""`trades:<area>:<contract>`: the newest trades of one contract, cancelled ones marked as such."""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from energy_platform.dashboard.areas import areas_of
from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.intraday import TRADE, Intraday
from energy_platform.dashboard.topics.topic import Loaded, NewRows

SHOWN: Final = 200
"""How many trades are shown."""


@dataclass(slots=True)
class Trades:
    """The topic of one contract in one area."""

    area: str
    contract: str
    intraday: Intraday
    sources: tuple[str, ...] = (TRADE,)
    every_seconds: float = 0.25
    refresh_seconds: float | None = None
    moment: str | None = "traded_at"
    _shown: frozenset[str] = field(default_factory=frozenset)

    @property
    def shared(self) -> tuple[Intraday]:
        """The books."""
        return (self.intraday,)

    def load(self) -> Loaded:
        """Make the books if they must be, and return the tape."""
        self.intraday.make()
        return Loaded(self._tape())

    def changed_by(self, new: NewRows) -> Changes:
        """Return the tape if rows are about it."""
        if new[TRADE].filter(contract_id=self.contract).is_empty():
            return Changes()
        before = self._shown
        tape = self._tape()
        return Changes(tape, sorted(before - self._shown))

    def _tape(self) -> list[Row]:
        legs = self.intraday.ask(lambda books: books.tape.legs(contract=self.contract))
        trades = tape_of(legs, self.area).head(SHOWN)
        rows = [{"id": row["trade_id"], "source": TRADE, **row} for row in trades.to_dicts()]
        self._shown = frozenset(row["id"] for row in rows)
        return rows


def tape_of(legs: pl.DataFrame, area: str) -> pl.DataFrame:
    """Return one row per trade that has a leg in an area, with the side that hit the other."""
    of_area = legs.filter(pl.col("delivery_area_id").is_in(areas_of(area)))
    return (
        of_area.sort(pl.col("is_aggressor").fill_null(value=False), descending=True,
                     maintain_order=True)
        .unique("trade_id", keep="first", maintain_order=True)
        .sort("observed_at", "trade_id", descending=True)
        .select(
            "trade_id",
            "price_eur_per_mwh",
            "volume_mw",
            "state",
            "received_at",
            "landing_offset",
            traded_at="observed_at",
            aggressor=pl.when("is_aggressor").then("side"),
        )
    )  # fmt: skip
