"""Follows one source's landing log and keeps its hot copy up to date, step by step.

A new lane starts at the warehouse's position. It writes later points again, which changes nothing,
and takes rows that the copy lacks from the warehouse. So a lane may be killed between any two of
its writes, and any number of lanes may work on one source.

A lane announces new rows on the live bus once the hot store has their points, so a follower that
missed some finds them in the hot store.
"""

from typing import Final, NamedTuple

import polars as pl

from energy_platform.errors import HotLaneWaitsError, HotStoreUnavailableError
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.lane_rows import LaneRows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.new_rows import new_rows
from energy_platform.pipeline.tables import market_table, measurement

HOT: Final = "hot"
"""The name under which lanes make their attempts."""


class _Place(NamedTuple):
    """A lane's state: the copy that it wrote last, the offset reached, and the known rows."""

    copy: str
    reached: int
    known: LaneRows


class HotLane:
    """One source's lane. One thread at a time may use it.

    Args:
        batches: The stores, and how many messages are taken at once.
        source: The source.
    """

    def __init__(self, batches: MicroBatches, source: MarketSource) -> None:
        self.source = source
        self._batches = batches
        self._place: _Place | None = None

    def step(self) -> bool:
        """Bring the next messages to the hot copy; return whether there is more to do.

        Raises:
            DamagedTableError: A file of the table is missing, or shorter than it was.
            HotStoreUnavailableError: The hot store is down.
            HotLaneWaitsError: Too many rows are not in the warehouse yet.
        """
        with self._batches.damage_named(self.source):
            return self._step()

    def _step(self) -> bool:
        place = self._place
        if place is not None and place.known.is_too_far_ahead():
            raise HotLaneWaitsError(
                f"{self.source.name}: its hot copy waits for the warehouse, which is far behind"
            )
        # After an error the lane starts again.
        self._place = None
        copies = self._batches.hot_copies
        with self._batches.hot_turns.turn(self.source.name) as copy:
            reached = copies.reached(self.source)
            if place is not None and (place.copy, place.reached) == (copy, reached):
                known = place.known
            else:
                position = self._batches.warehouse.position(market_table(self.source))
                if reached < position.offset:
                    copies.catch_up(self.source, reached, position.offset)
                    self._announce_the_offset(copy, copies.reached(self.source))
                    return True
                known = LaneRows(self._batches.warehouse, self.source, position)
            is_more = self._follow(known, copy)
            self._place = _Place(copy, max(reached, known.reached), known)
            return is_more

    def begin_anew(self) -> None:
        """Empty the hot copy; the next steps fill it."""
        with self._batches.hot_turns.turn(self.source.name):
            self._batches.hot_turns.name_anew(self.source.name)
            self._batches.hot_store.clear(measurement(self.source))

    def rebuild(self) -> None:
        """Empty the hot copy and fill it with all that the warehouse holds.

        Raises:
            HotStoreUnavailableError: The hot store is away.
        """
        self.begin_anew()
        table, copies = market_table(self.source), self._batches.hot_copies
        while copies.reached(self.source) < self._batches.warehouse.committed_offset(table):
            self.step()

    def bring_up(self) -> None:
        """Bring all that has landed to the hot copy.

        Raises:
            HotStoreUnavailableError: The hot store is down.
            HotLaneWaitsError: Too many rows are not in the warehouse yet.
        """
        while self.step():
            pass

    def _follow(self, known: LaneRows, copy: str) -> bool:
        """Show the messages after the known ones, and add them to the known rows."""
        end = self._batches.landing.log(self.source.name).end_offset(taken=known.reached)
        if end <= known.reached:
            announcer = self._batches.announcer
            if announcer is not None and not announcer.has_told(self.source.name):
                self._announce_the_offset(copy, known.reached)
            return False
        with self._batches.attempt(self.source, known.reached, end, by=HOT) as (messages, checked):
            stop = messages[-1].next_offset
            new = new_rows(self.source, messages, checked, known.since)
            self._batches.hot_copies.show(self.source, new, stop=stop)
            self._announce(copy, range(known.reached, stop), new.fresh)
            known.add(new.fresh, stop=stop)
        return stop < end

    def _announce(self, copy: str, offsets: range, rows: pl.DataFrame) -> None:
        """Publish those of the rows that are within the hot store's days."""
        if self._batches.announcer is not None:
            is_recent = pl.col(self.source.event_time) >= self._batches.hot_copies.since()
            self._batches.announcer.announce(
                self.source.name, rows.filter(is_recent), copy=copy, offsets=offsets
            )

    def _announce_the_offset(self, copy: str, offset: int) -> None:
        """Say how far the copy is, so that followers find out what was never announced."""
        no_rows = pl.DataFrame(schema=market_table(self.source).dtypes)
        self._announce(copy, range(offset, offset), no_rows)


def bring_up(batches: MicroBatches, source: MarketSource) -> str:
    """Bring all that has landed of a source to its hot copy, unless its lane has done so.

    Returns why that can't be done now, or an empty text; the lane will do it later.
    """
    try:
        HotLane(batches, source).bring_up()
    except (HotStoreUnavailableError, HotLaneWaitsError) as error:
        return str(error)
    return ""
