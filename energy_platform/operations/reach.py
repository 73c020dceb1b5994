"""How far a source has come since it was last looked at: what landed, and what its hot copy shows.

Whoever asks says where it stood before. Whether a source is on time is the status's business.
"""

from dataclasses import dataclass
from datetime import datetime

from energy_platform.market.clock import MarketClock
from energy_platform.market.source import MarketSource
from energy_platform.market.timeliness import newest_moment
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What landed of a source.

    Attributes:
        offset: Where its landing log ends.
        messages: How many messages are new.
        stored_bytes: The size of the segments that hold them; None where all are new.
        last_received_at: When the newest message was received.
    """

    offset: int
    messages: int
    stored_bytes: int | None
    last_received_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the hot copy of a source shows.

    Attributes:
        offset: The landing offset that it reaches to.
        messages: How many messages are new in it.
        messages_behind: How many messages the warehouse has beyond it.
        rows: Rows of the table behind it, every revision counted.
        newest_moment: The newest moment, in market time, that the platform knows of.
        lag_seconds: How long ago that was.
    """

    offset: int
    messages: int
    messages_behind: int
    rows: int
    newest_moment: datetime | None
    lag_seconds: float | None


def landed(batches: MicroBatches, source: MarketSource, *, before: int | None) -> Landed | None:
    """Return what landed behind an offset, of all where none is given; None where nothing did."""
    log = batches.landing.log(source.name)
    offset = log.end_offset()
    if offset == (before or 0):
        return None
    return Landed(
        offset=offset,
        messages=offset - (before or 0),
        # Long logs have a million segments; only the newest are worth a listing.
        stored_bytes=None if before is None else log.stored_bytes(before, offset),
        last_received_at=log.last_received_at(),
    )


def shown(
    batches: MicroBatches, source: MarketSource, clock: MarketClock, *, before: int | None
) -> Shown | None:
    """Return what the hot copy shows since an offset; None where nothing has come.

    Raises:
        HotStoreUnavailableError: The hot store is away.
        WarehouseUnavailableError: The warehouse is.
    """
    offset = batches.hot_store.committed_offset(measurement(source))
    if offset == (before or 0):
        return None
    summary = batches.warehouse.summary(market_table(source))
    received_at = summary.last_received_at and clock.at(summary.last_received_at)
    newest = newest_moment(source, summary.last_event_at, received_at)
    return Shown(
        offset=offset,
        messages=max(0, offset - (before or 0)),
        messages_behind=max(0, summary.committed_offset - offset),
        rows=summary.rows,
        newest_moment=newest,
        lag_seconds=(clock.now() - newest).total_seconds() if newest else None,
    )
