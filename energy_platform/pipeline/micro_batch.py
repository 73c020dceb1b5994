"""The micro-batch: landed bytes to checked rows in the warehouse, as a unit that can be run twice.

A micro-batch is the landing offsets [start, stop) of one source. It starts at the offset that the
warehouse has reached, so a batch that died half-way is simply run again: its quarantine and its
rows each carry the offset that they reach, and the warehouse stores nothing twice.

`new_rows` decides which rows are new, `hot_lane` keeps the hot copy up to date, and `replay` makes
rows again.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.errors import DamagedTableError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.attempts import Attempts
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.pipeline.hot_copy import HotCopies
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.hot_lane.turns import HotTurns
from energy_platform.pipeline.known_rows import KnownRows
from energy_platform.pipeline.layouts import watch as layouts
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.parsing import LOST
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.set_aside import SetAside
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.hot_store.protocol import HotStore
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Warehouse

_log = logging.getLogger(__name__)

BATCH_BYTES: Final = 16 * 1024 * 1024
"""How much one batch reads of the landing zone at most, so that large files don't fill the memory:
an archive of observations is 17 times its size as rows.
"""
BATCH: Final = "batch"
"""The name under which micro-batches make their attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What one micro-batch did.

    Attributes:
        source: The market source's name.
        start: First landing offset.
        stop: The offset after the last one.
        rows_parsed: Rows that passed every check.
        rows_new: Rows that said something new and were stored.
        quarantined: What failed, as in `CheckedRows.quarantined`.
        unparsed: How many messages could not be parsed.
        last_received_at: When the newest message was received.
        drift: How the messages' layout differs from the accepted one, a line per difference.
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
    drift: tuple[str, ...] = ()
    seconds: float

    @property
    def messages(self) -> int:
        """How many messages the batch took."""
        return self.stop - self.start

    @property
    def lost_at(self) -> Sequence[int]:
        """The first offset of each landing segment that could not be read."""
        return self.quarantined.filter(pl.col("check") == LOST)["landing_offset"].to_list()


@dataclass(frozen=True, kw_only=True)
class MicroBatches:
    """Runs micro-batches between a landing zone and a warehouse, and knows the hot store.

    Attributes:
        hot_store: The store of the hot copies, which no batch writes.
        hot_turns: The turns for writing a hot copy.
        attempts: What became of the attempts at each source's next messages.
        batch_messages: How many messages one batch takes at most.
        hot_days: How many days back the hot store goes.
        announcer: What the hot lane announces with; None where no live bus runs.
    """

    landing: LandingZone
    warehouse: Warehouse
    hot_store: HotStore
    hot_turns: HotTurns
    attempts: Attempts
    batch_messages: int
    hot_days: int
    announcer: Announcer | None = None

    @cached_property
    def known_rows(self) -> KnownRows:
        """What this process remembers of the tables."""
        return KnownRows(self.warehouse)

    @property
    def set_aside(self) -> SetAside:
        """The messages that no one parses."""
        return SetAside(self.landing.notes)

    @property
    def hot_copies(self) -> HotCopies:
        """The hot copies of the warehouse's tables."""
        return HotCopies(warehouse=self.warehouse, store=self.hot_store, days=self.hot_days)

    def is_behind(self, source: MarketSource) -> bool:
        """Return whether messages have landed that no batch has taken."""
        taken = self.warehouse.committed_offset(market_table(source))
        return self.landing.log(source.name).end_offset(taken=taken) > taken

    def run(self, source: MarketSource) -> BatchReport:
        """Process the next micro-batch of a source; an empty one does nothing.

        The layout of the messages is checked after the batch.

        Raises:
            CommitConflictError: Others kept committing to the same table at the same time.
            DamagedTableError: A file of the table is missing, or shorter than it was.
        """
        with self.damage_named(source):
            report, readable = self._process(source)
        return replace(report, drift=self._drift(source, readable))

    @tried_again
    def _process(self, source: MarketSource) -> tuple[BatchReport, Sequence[RawMessage]]:
        """Bring the next messages to the warehouse; return the report and what can be read."""
        began = time.monotonic()
        table = market_table(source)
        before = self.warehouse.position(table)
        start = before.offset
        end = self.landing.log(source.name).end_offset(taken=start)
        with self.attempt(source, start, end, by=BATCH) as (messages, checked):
            stop = messages[-1].next_offset if messages else start
            stored = partial(self.known_rows.at, table, before)
            new = new_rows(source, messages, checked, lambda since: stored(since=since))
            if messages:
                # Quarantine first, because the rows' offset marks the whole batch as done.
                QuarantineWriter(self.warehouse, source).append(checked.quarantined, stop=stop)
                if self.warehouse.commit(
                    table, new.fresh, start=start, stop=stop, replacements=before.replacements
                ):
                    self.known_rows.add(table, new.fresh, before=before, stop=stop)
        report = BatchReport(
            source=source.name,
            start=start,
            stop=stop,
            rows_parsed=checked.rows.height,
            rows_new=new.fresh.height,
            quarantined=checked.quarantined,
            unparsed=checked.unparsed,
            last_received_at=messages[-1].received_at if messages else None,
            seconds=time.monotonic() - began,
        )
        return report, checked.readable

    @contextmanager
    def attempt(
        self, source: MarketSource, start: int, stop: int, *, by: str
    ) -> Iterator[tuple[Sequence[RawMessage], CheckedRows]]:
        """Read and check the first messages of [start, stop); the block stores what they hold.

        If this process dies in the block, the next attempt is more careful, and takes fewer
        messages if it dies again.

        Args:
            source: The messages' source.
            start: The first landing offset.
            stop: The offset after the last one.
            by: Who makes the attempt.
        """
        with self.attempts.at(source.name, start, by=by) as attempt:
            messages = self.read_batch(source, start, stop, most=attempt.trouble.most)
            attempt.begin(messages[-1].next_offset - start if messages else 0)
            checked = self.check(source, messages, is_careful=attempt.trouble.is_careful)
            yield checked.messages, checked
            done = checked.messages
            attempt.end(done[-1].next_offset - start if done else 0)

    def check(
        self, source: MarketSource, messages: Sequence[RawMessage], *, is_careful: bool = False
    ) -> CheckedRows:
        """Parse and check messages, as `check_messages` does, without those that are set aside."""
        set_aside = self.set_aside.of(source.name)
        return check_messages(source, messages, set_aside=set_aside, is_careful=is_careful)

    def read_batch(
        self, source: MarketSource, start: int, stop: int, *, most: int | None = None
    ) -> list[RawMessage]:
        """Return the first landed messages of [start, stop), as many as one batch takes."""
        if stop <= start:
            return []  # a log whose last segment can't be read yet may end before what was taken
        limit = self.batch_messages if most is None else min(most, self.batch_messages)
        return self.landing.log(source.name).read(start, stop, limit=limit, limit_bytes=BATCH_BYTES)

    @contextmanager
    def damage_named(self, source: MarketSource) -> Iterator[None]:
        """Name the file of a table that can't be read, as far as names and sizes tell it.

        Raises:
            DamagedTableError: A file is missing, or shorter than it was.
        """
        try:
            yield
        except (PolarsError, OSError) as error:
            for table in (market_table(source), quarantine_table(source)):
                for one in self.warehouse.damage(table, wholly=False):
                    raise DamagedTableError(table.name, one.place, one.why) from error
            raise

    def _drift(self, source: MarketSource, messages: Sequence[RawMessage]) -> tuple[str, ...]:
        """Return how the layout drifted; an error in reading the layout fails no batch."""
        if not messages:
            return ()
        try:
            return layouts.drift(self.landing.notes, source, messages)
        except Exception:  # noqa: BLE001 (the rows are stored; what is said of them comes second)
            _log.exception("%s: its layout could not be looked at", source.name)
            return ()
