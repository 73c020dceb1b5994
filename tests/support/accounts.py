"""Holds a platform to account: all that its markets have emitted, against all that it has stored.

`comparison` compares one table with the journal; here stands which differences are faults.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import polars as pl

from energy_platform.formats.nord_pool_intraday import standing_orders
from energy_platform.history.revisions import new_revisions
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from simulator.journal import Journal
from simulator.providers.nord_pool.contracts import open_contracts
from tests.support.comparison import compare, journalled_rows, overdue
from tests.support.running_platform import SETTLED_SECONDS, wait_until_quiet

NEVER_OVERWRITTEN: Final = frozenset(
    {
        "dwd_mosmix_forecast", "energy_charts_frequency", "met_office_forecast",
        "noaa_gfs_wind_forecast",
    }
)  # fmt: skip
"""Sources that lose no revision between two looks, for their values stay where they are."""
_OWN: Final = frozenset({"trading_signal"})
"""What the platform says itself: no market has emitted it, so there is nothing to compare with."""
ORDER_BOOK: Final = "nord_pool_intraday_order_book"


class Accountable(Protocol):
    """A platform on simulated markets, wherever its processes run."""

    @property
    def batches(self) -> MicroBatches:
        """The platform's stores, opened by the test."""

    def freeze(self) -> datetime:
        """Stop market time; return it."""

    def journal(self) -> Journal:
        """Return what its markets emitted."""

    def stored(self, source: MarketSource) -> pl.DataFrame:
        """Return the rows of a source's table."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the rows of one source.

    Attributes:
        source: The source.
        journalled: How many rows its market emitted.
        stored: How many rows the warehouse holds.
        lost: Rows that the warehouse must hold and does not.
        invented: Rows that it holds and no market has emitted.
        lost_at: When the lost rows were emitted.
        doubled_at: When the rows were received that only repeat the row before.
        invented_at: When the invented rows were received.
    """

    source: MarketSource
    journalled: int
    stored: int
    lost: pl.DataFrame
    invented: pl.DataFrame
    lost_at: list[datetime]
    doubled_at: list[datetime]
    invented_at: list[datetime]


def accounts(platform: Accountable) -> Iterator[Account]:
    """Stop market time, wait until all is stored, and yield what became of each source's rows."""
    market_time = platform.freeze()
    settled_by = datetime.now(UTC) - timedelta(seconds=SETTLED_SECONDS)
    wait_until_quiet(platform.batches)
    journal = platform.journal()
    for source in market_sources().values():
        if source.name in _OWN:
            continue
        stored = platform.stored(source)
        yield account(source, journal, stored, market_time=market_time, settled_by=settled_by)


def account(
    source: MarketSource,
    journal: Journal,
    stored: pl.DataFrame,
    *,
    market_time: datetime,
    settled_by: datetime,
) -> Account:
    """Return what became of the rows of one source.

    Args:
        source: The source.
        journal: What its market emitted.
        stored: What the warehouse holds.
        market_time: When market time was stopped.
        settled_by: Rows that were emitted later, in wall time, may be on their way.
    """
    found = compare(source, journal, stored)
    emitted = journalled_rows(source, journal)
    if source.name == ORDER_BOOK:
        # Deltas on their way to a killed collector are gone, on the real market too.
        lost = _other_orders(stored, emitted, market_time)
    else:
        lost = overdue(source, journal, found.stale, by=settled_by)
        if source.name in NEVER_OVERWRITTEN:
            lost = pl.concat([lost, found.lost.select(lost.columns)]).unique()
    return Account(
        source=source,
        journalled=found.journalled,
        stored=found.stored,
        lost=lost,
        invented=found.invented,
        lost_at=_received(emitted, lost),
        doubled_at=_repeated_at(source, stored) if found.doubled else [],
        invented_at=_received(stored, found.invented),
    )


def _received(rows: pl.DataFrame, wanted: pl.DataFrame) -> list[datetime]:
    """Return when each of the wanted rows was received; one that is not among `rows`, at last."""
    columns = [name for name in wanted.columns if name in rows.columns]
    when = rows.group_by(columns).agg(pl.col("received_at").max())
    told = wanted.join(when, on=columns, how="left", nulls_equal=True)["received_at"]
    return told.fill_null(datetime.now(UTC)).to_list()


def _repeated_at(source: MarketSource, stored: pl.DataFrame) -> list[datetime]:
    """Return when the rows were received that only repeat the row before."""
    in_order = stored.sort("received_at", "landing_offset", maintain_order=True)
    kept = new_revisions(in_order, in_order.clear(), source)
    counts = [
        frame.group_by("received_at").agg(pl.len().cast(pl.Int64).alias(name))
        for name, frame in (("all", in_order), ("kept", kept))
    ]
    extra = counts[0].join(counts[1], on="received_at", how="left").with_columns(
        extra=pl.col("all") - pl.col("kept").fill_null(0)
    )  # fmt: skip
    return [at for at, count in extra.select("received_at", "extra").rows() for _ in range(count)]


def _other_orders(
    stored: pl.DataFrame, emitted: pl.DataFrame, market_time: datetime
) -> pl.DataFrame:
    """Return the orders that stand in one of the open books alone, of the stored and the true."""
    books = [_book(events, market_time) for events in (stored, emitted)]
    return pl.concat(
        one.join(other, on=one.columns, how="anti", nulls_equal=True)
        for one, other in (books, books[::-1])
    )


def _book(events: pl.DataFrame, market_time: datetime) -> pl.DataFrame:
    """Return the orders that stand in the books that are open."""
    still_open = pl.col("contract_id").is_in(open_contracts(market_time))
    standing = standing_orders(events.lazy()).filter(still_open)
    return standing.select(
        "delivery_area_id", "contract_id", "side", "order_id", "price_eur_per_mwh", "volume_mw"
    ).collect()
