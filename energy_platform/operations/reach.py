"""How far a source has come since a former look: what landed, and what its hot copy shows.

The caller says where the source stood before. `status` decides whether a source is on time.
"""

from dataclasses import dataclass
from datetime import datetime

from energy_platform.market.clock import MarketClock
from energy_platform.market.source import MarketSource
from energy_platform.market.timeliness import newest_moment
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What landed of a source.

    Attributes:
        offset: Where its landing log ends.
        messages: How many messages are new.
        stored_bytes: The size of the segments that hold them; None if all messages are new.
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
        offset: The landing offset up to which it is written.
        messages: How many messages are new in it.
        messages_behind: How many further messages have landed.
        rows: Rows of the source's table, every revision counted.
        newest_moment: The newest moment, in market time, that the platform knows of.
        lag_seconds: How long ago that moment was.
    """

    offset: int
    messages: int
    messages_behind: int
    rows: int
    newest_moment: datetime | None
    lag_seconds: float | None


def landed(batches: MicroBatches, source: MarketSource, *, before: int | None) -> Landed | None:
    """Return what landed after an offset, or all if none is given; None if nothing did."""
    log = batches.landing.log(source.name)
    offset = log.end_offset()
    if offset == (before or 0):
        return None
    return Landed(
        offset=offset,
        messages=offset - (before or 0),
        # A long log has a million segments, so only the newest are listed.
        stored_bytes=None if before is None else log.stored_bytes(before, offset),
        last_received_at=log.last_received_at(),
    )


def shown(
    batches: MicroBatches, source: MarketSource, clock: MarketClock, *, before: int | None
) -> Shown | None:
    """Return what the hot copy shows since an offset; None if nothing has come.

    Raises:
        HotStoreUnavailableError: The hot store is down.
        WarehouseUnavailableError: The warehouse is down.
    """
    offset = batches.hot_copies.reached(source)
    if offset == (before or 0):
        return None
    summary = batches.warehouse.summary(market_table(source))
    received_at = summary.last_received_at and clock.at(summary.last_received_at)
    newest = newest_moment(source, summary.last_event_at, received_at)
    return Shown(
        offset=offset,
        messages=max(0, offset - (before or 0)),
        messages_behind=max(0, batches.landing.log(source.name).end_offset() - offset),
        rows=summary.rows,
        newest_moment=newest,
        lag_seconds=(clock.now() - newest).total_seconds() if newest else None,
    )
