"""Runs a backfill: asks for chunk after chunk, lands and records it, and waits for its rows.

A chunk that the provider refuses is left for the next run at once, and the others are asked for. A
chunk that fails otherwise is tried again after a pause, after the other chunks, and left after some
tries. The whole rest is left only if many chunks fail in a row without any answer.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from energy_platform.errors import CommitConflictError, FeedError, RefusedError
from energy_platform.ingest.backfill.record import BackfillRecord
from energy_platform.ingest.backfill.window import BackfillWindow
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.session import MarketSession
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.feed import (
    FeedSession,
    HistoricalFeed,
    HistoryChunk,
    UnfitAnswerError,
)
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingGuest, LandingZone

_log = logging.getLogger(__name__)

_TRIES: Final = 5
_FAILED_IN_A_ROW: Final = 7
"""After this many failures in a row, the provider is taken to be down."""
_FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_CONFLICT_PAUSE_SECONDS: Final = 0.5

OnProgress = Callable[[int, int], None]
"""Called with the number of chunks done, and of all chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """The result of one run of a backfill.

    Attributes:
        chunks: How many chunks the window has; 0 if the provider could not be asked.
        landed: How many of them have landed, earlier runs included.
        earlier: How many of these an earlier run had landed.
        empty: For how many of these the provider had nothing.
        offsets: The landing offsets of their messages.
        set_aside: The landing offsets of unfit answers, which the quarantine keeps.
        left: The chunks given up, and the last error of each.
    """

    chunks: int
    landed: int
    earlier: int
    empty: int
    offsets: Sequence[range]
    set_aside: Sequence[range]
    left: dict[str, str]

    @property
    def messages(self) -> int:
        """How many messages have landed, earlier runs included."""
        return sum(map(len, self.offsets))

    @property
    def stop(self) -> int:
        """The landing offset after the last message."""
        return max((each.stop for each in (*self.offsets, *self.set_aside)), default=0)

    @property
    def is_complete(self) -> bool:
        """Whether every chunk has landed."""
        return self.landed == self.chunks and not self.left


@dataclass(slots=True)
class _Beside:
    """Lands messages beside the collector, whose cursor a backfill leaves alone."""

    guest: LandingGuest
    cursor: None = None
    offsets: list[range] = field(default_factory=list)

    async def land(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        if cursor is not None:
            raise ValueError("a backfill has no cursor")
        self.offsets = await asyncio.to_thread(self.guest.append, messages)


class Backfiller:
    """One run of a backfill.

    Args:
        window: What to ask for.
        settings: Which markets to ask, and where the home is.
        zone: Where to land.
        on_progress: Called with the number of chunks that have landed, and of all chunks.
    """

    def __init__(
        self,
        window: BackfillWindow,
        settings: Settings,
        zone: LandingZone,
        on_progress: OnProgress = lambda _done, _of: None,
    ) -> None:
        self._window = window
        self._settings = settings
        self._on_progress = on_progress
        self._record = BackfillRecord(settings.state)
        self._landing = _Beside(zone.guest(window.source.name))
        self._landed: dict[str, list[range]] = {}
        self._aside: dict[str, list[range]] = {}
        self._failed: dict[str, str] = {}
        self._tries: Counter[str] = Counter()
        self._in_a_row = 0
        self._left: dict[str, str] = {}
        self._chunks = 0

    async def run(self) -> BackfillReport:
        """Ask for all chunks that have not landed yet; for none if the window is finished.

        The module's docstring says how failures are handled.

        Raises:
            UsageError: The window can't be asked for, or another backfill of the source is running.
            FeedError: The provider's history can't even be opened.
        """
        limits = ProviderLimits(self._settings.state)
        session = MarketSession.open(self._window.source, self._settings, limits, self._landing)
        feed = self._window.feed(self._settings, session.now())
        with self._record.held(self._window):
            self._landed = self._record.landed(self._window)
            self._aside = self._record.set_aside(self._window)
            self._chunks = earlier = len(self._landed)
            if not self._record.is_finished(self._window):
                await self._ask_until_done(feed, session)
            report = BackfillReport(
                chunks=self._chunks,
                landed=len(self._landed),
                earlier=earlier,
                empty=sum(not offsets for offsets in self._landed.values()),
                offsets=[each for offsets in self._landed.values() for each in offsets],
                set_aside=[each for offsets in self._aside.values() for each in offsets],
                left=self._left,
            )
            if report.is_complete:
                self._record.finish(self._window)
        return report

    async def _ask_until_done(self, feed: HistoricalFeed, session: FeedSession) -> None:
        not_opened = 0
        while True:
            try:
                await self._ask(feed, session)
            except _ChunkFailedError as failed:
                not_opened, self._in_a_row = 0, self._in_a_row + 1
                self._tried(failed.chunk, failed)
                if self._in_a_row >= _FAILED_IN_A_ROW:
                    self._left |= self._failed
                    return
                pause_after = max(self._tries[failed.chunk], self._in_a_row)
                if failed.chunk not in self._left:
                    await self._pause(pause_after, failed.error)
            except FeedError as error:
                not_opened += 1
                if not_opened >= _TRIES:
                    raise
                await self._pause(not_opened, error)
            else:
                if not self._failed:
                    return
                most = max(self._failed, key=self._tries.__getitem__)
                await self._pause(self._tries[most], FeedError(self._failed[most]))

    async def _ask(self, feed: HistoricalFeed, session: FeedSession) -> None:
        """Open the history, and ask once for every chunk that has neither landed nor been left.

        The chunks that failed most often come last, so that none of them holds up another.

        Raises:
            _ChunkFailedError: A chunk failed in a way that may have broken the connection.
        """
        async with feed.history(session, self._window.start, self._window.end) as chunks:
            # A file that was replaced since an earlier run has another key, and counts as a new
            # chunk.
            known = {chunk.key for chunk in chunks} | self._landed.keys()
            self._chunks = len(known)
            self._on_progress(len(self._landed), self._chunks)
            for chunk in sorted(chunks, key=lambda chunk: self._tries[chunk.key]):
                if chunk.key not in self._landed and chunk.key not in self._left:
                    await self._ask_for(session, chunk)

    async def _ask_for(self, session: FeedSession, chunk: HistoryChunk) -> None:
        """Land a chunk, or record that the provider refuses it or that its answer is unfit."""
        try:
            messages = await chunk.fetch()
        except RefusedError as error:
            self._leave(chunk.key, error)
        except UnfitAnswerError as error:
            await self._set_aside(session, chunk.key, error)
            self._tried(chunk.key, error)
        except FeedError as error:
            raise _ChunkFailedError(chunk.key, error) from error
        except Exception as error:
            _log.exception("%s: %s", session.source_name, chunk.key)
            unexpected = FeedError(f"{type(error).__name__}: {error}")
            raise _ChunkFailedError(chunk.key, unexpected) from error
        else:
            await self._land(session, chunk.key, messages)
            return
        self._in_a_row = 0  # the provider answers

    async def _land(self, session: FeedSession, chunk: str, messages: Sequence[RawMessage]) -> None:
        offsets = await self._durable(session, messages)
        await asyncio.to_thread(self._record.note, self._window, chunk, offsets)
        self._landed[chunk] = offsets
        self._failed.pop(chunk, None)
        self._in_a_row = 0
        self._on_progress(len(self._landed), self._chunks)

    async def _set_aside(self, session: FeedSession, chunk: str, error: UnfitAnswerError) -> None:
        """Land an unfit answer once, not at every try, for the quarantine to keep."""
        if chunk in self._aside:
            return
        self._aside[chunk] = await self._durable(session, [error.came])
        await asyncio.to_thread(self._record.note_aside, self._window, chunk, self._aside[chunk])

    async def _durable(self, session: FeedSession, messages: Sequence[RawMessage]) -> list[range]:
        """Land messages, and return their offsets."""
        self._landing.offsets = []
        if messages:
            await session.land(messages)
        return self._landing.offsets

    def _tried(self, chunk: str, error: Exception) -> None:
        """Record a failed try; after some tries the chunk is left."""
        self._tries[chunk] += 1
        self._failed[chunk] = str(error)
        if self._tries[chunk] >= _TRIES:
            self._leave(chunk, error)

    def _leave(self, chunk: str, error: Exception) -> None:
        _log.error("%s: %s is left: %s", self._window.source.name, chunk, error)
        self._failed.pop(chunk, None)
        self._left[chunk] = str(error)

    async def _pause(self, failures: int, error: FeedError) -> None:
        pause = pause_seconds(
            failures,
            first_seconds=_FIRST_PAUSE_SECONDS,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
        )
        pause = max(pause, error.retry_after_seconds or 0.0)
        _log.warning("%s: %s; again in %.1f s", self._window.source.name, error, pause)
        await asyncio.sleep(pause)


class _ChunkFailedError(Exception):
    """One chunk could not be had this time."""

    def __init__(self, chunk: str, error: FeedError) -> None:
        super().__init__(str(error))
        self.chunk = chunk
        self.error = error


def catch_up(
    batches: MicroBatches,
    source: MarketSource,
    stop: int,
    on_progress: OnProgress = lambda _done, _of: None,
) -> None:
    """Run micro-batches until all that landed before `stop` is stored, whoever else runs them."""
    table = market_table(source)
    began = batches.warehouse.committed_offset(table)
    reached = began
    while reached < stop:
        on_progress(reached - began, stop - began)
        try:
            batches.run(source)
        except CommitConflictError:
            time.sleep(_CONFLICT_PAUSE_SECONDS)  # the sensors' runs do the same at the same time
        reached = batches.warehouse.committed_offset(table)
    on_progress(max(stop - began, 0), max(stop - began, 0))


def stored_rows(
    batches: MicroBatches, source: MarketSource, offsets: Sequence[range]
) -> tuple[int, int]:
    """Return how many rows and how many failures came of the messages at these offsets."""
    return (
        _count(batches, market_table(source), offsets),
        _count(batches, quarantine_table(source), offsets),
    )


def _count(batches: MicroBatches, table: Table, offsets: Iterable[range]) -> int:
    wanted = pl.Series([offset for each in offsets for offset in each], dtype=pl.Int64)
    if wanted.is_empty():
        return 0
    offset = pl.col("landing_offset")
    rows = batches.warehouse.scan(table).filter(
        offset.is_between(wanted.min(), wanted.max()), offset.is_in(wanted.implode())
    )
    return int(rows.select(pl.len()).collect().item())
