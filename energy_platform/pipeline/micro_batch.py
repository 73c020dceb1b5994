"""The heart: landed bytes to checked rows to both stores, as one unit that can be run twice.

A micro-batch is the landing offsets [start, stop) of one source. Where it starts is what the
warehouse says it holds, so a batch that died half-way is simply run again: its quarantine, its
rows and its hot points each carry the offset they reach to, and what is there already is left
alone.

How the hot copy is kept up is in `hot_copy`; how rows are made a second time, in `replay`.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import polars as pl

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.history.revisions import known_beside, new_revisions
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_copy import HotCopies
from energy_platform.pipeline.layouts import watch as layouts
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from energy_platform.storage.hot_store.protocol import HotStore
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_log = logging.getLogger(__name__)

_BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one batch reads of the landing zone at most, so that large files don't fill the memory: an
archive of observations is 17 times its size as rows.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What one micro-batch did.

    Attributes:
        source: The market source's name.
        start: First landing offset.
        stop: Offset after the last.
        rows_parsed: Rows that passed every check.
        rows_new: Those that said something new and were stored.
        quarantined: What failed, as in `CheckedRows.quarantined`; points that the hot store
            refused are in it too, though their rows are stored.
        unparsed: How many messages could not be parsed.
        last_received_at: When the newest message was received.
        drift: How the messages' layout differs from the accepted one, a line per difference.
        hot_points_too_old: How many points were left out of the hot copy for their age.
        hot_copy_behind: Why the hot copy lacks rows of the warehouse; empty where it lacks none.
        seconds: How long it took.
    """

    source: str
    start: int
    stop: int
    rows_parsed: int
    rows_new: int
    quarantined: pl.DataFrame
    unparsed: int
    last_received_at: datetime | None
    drift: tuple[str, ...]
    hot_points_too_old: int = 0
    hot_copy_behind: str = ""
    seconds: float

    @property
    def messages(self) -> int:
        """How many messages the batch took."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatches:
    """Runs micro-batches between one landing zone and two stores.

    Attributes:
        batch_messages: How many messages one batch takes at most.
        hot_days: How far back the hot store goes when it is made again.
    """

    landing: LandingZone
    warehouse: Warehouse
    hot_store: HotStore
    batch_messages: int
    hot_days: int

    @property
    def hot_copies(self) -> HotCopies:
        """The hot copies that the batches keep up."""
        return HotCopies(warehouse=self.warehouse, store=self.hot_store, days=self.hot_days)

    def is_behind(self, source: MarketSource) -> bool:
        """Say whether messages have landed that no batch has taken, or whose points are missing.

        A worker may have died between the two stores, and of some sources nothing more comes
        for hours. While the hot store is away, there is nothing to be done for it.
        """
        landed = self.landing.log(source.name).end_offset()
        stored = self.warehouse.committed_offset(market_table(source))
        if landed > stored:
            return True
        try:
            return stored > self.hot_store.committed_offset(measurement(source))
        except HotStoreUnavailableError:
            return False

    @tried_again
    def run(self, source: MarketSource) -> BatchReport:
        """Process the next micro-batch of a source; an empty one only brings the hot store up.

        A hot store that is away fails no batch: the report says so, and a later one catches up.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
        """
        began = time.monotonic()
        table = market_table(source)
        before = self.warehouse.position(table)
        start = before.offset
        messages = self.read_batch(source, start, self.landing.log(source.name).end_offset())
        stop = start + len(messages)
        checked = check_messages(source, messages)
        known = self._known(source, checked.rows, at=before)
        fresh = new_revisions(checked.rows, known, source)
        if messages:
            # Quarantine first: the rows' offset is the mark that the whole batch is done.
            self._quarantine(source, checked.quarantined, stop)
            self.warehouse.commit(
                table, fresh, start=start, stop=stop, replacements=before.replacements
            )
        hot = self.hot_copies.bring_up(source, fresh, known, start=start, stop=stop)
        return BatchReport(
            source=source.name,
            start=start,
            stop=stop,
            rows_parsed=checked.rows.height,
            rows_new=fresh.height,
            quarantined=pl.concat([checked.quarantined, hot.refused]),
            unparsed=checked.unparsed,
            last_received_at=messages[-1].received_at if messages else None,
            drift=self._drift(source, messages),
            hot_points_too_old=hot.too_old,
            hot_copy_behind=hot.behind,
            seconds=time.monotonic() - began,
        )

    def read_batch(self, source: MarketSource, start: int, stop: int) -> list[RawMessage]:
        """Return the first landed messages of [start, stop), as many as one batch takes."""
        return self.landing.log(source.name).read(
            start, stop, limit=self.batch_messages, limit_bytes=_BATCH_BYTES
        )

    def _drift(self, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
        """Say how the layout drifted; what a provider sends can't fail the batch by its layout."""
        if not messages:
            return ()
        try:
            return layouts.drift(self.landing.notes, source, messages)
        except Exception:  # noqa: BLE001 (the rows are stored; what is said of them comes second)
            _log.exception("%s: its layout could not be looked at", source.name)
            return ()

    def _quarantine(self, source: MarketSource, failures: pl.DataFrame, stop: int) -> None:
        """Commit what failed and isn't there yet; a batch without such costs no commit here.

        A batch that died after this step is there already, and it may have been a larger one.
        """
        if failures.is_empty():
            return
        table = quarantine_table(source)
        before = self.warehouse.position(table)
        unseen = new_failures(
            failures.filter(pl.col("landing_offset") >= before.offset),
            self.warehouse.scan(table).collect(),
        )
        if not unseen.is_empty():
            self.warehouse.commit(
                table, unseen, start=before.offset, stop=stop, replacements=before.replacements
            )

    def _known(self, source: MarketSource, rows: pl.DataFrame, *, at: Position) -> pl.DataFrame:
        """Return what a table at a position has beside `rows`."""
        if rows.is_empty():
            return rows
        since = cast("datetime", rows[source.event_time].min())
        stored = self.warehouse.rows_at(market_table(source), at, since=since)
        return known_beside(rows, stored, source)
