"""Histories: values over time, each revision with from when and until when it was the known one.

They are the platform's own revisions (`ep.revisions`), in one form. A derived history is made of
others, and is known when the last of them is.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Self

import polars as pl

from energy_platform.errors import NeverStoredError, UsageError
from energy_platform.market.clock import MarketClock
from energy_platform.market.instants import INSTANT
from energy_platform.reading.asking import Clock
from energy_platform.reading.dataset import dataset
from energy_platform.reading.platform import Platform

_log = logging.getLogger(__name__)

SCHEMA: Final = pl.Schema(
    {"event": INSTANT, "value": pl.Float64(), "known_at": INSTANT, "superseded_at": INSTANT}
)
"""The columns of a history: the start of a period, its value, and when this value counted."""


@dataclass(frozen=True, kw_only=True)
class TableHistory:
    """The history of a series of a market source's table.

    Attributes:
        source: The source.
        column: Its column.
        where: The values of key columns that tell the series from others.
        step: How far the values are apart.
        known_after: When a value is known at the earliest: so long after its period begins, or at
            a moment of a day before it, "D-1 12:57 Europe/Berlin".
    """

    source: str
    column: str
    step: timedelta
    known_after: timedelta | str
    where: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def sources(self) -> frozenset[str]:
        """The sources that it is made of."""
        return frozenset({self.source})

    def read(self, reader: "Reader", start: datetime, end: datetime) -> pl.DataFrame:
        """Return the history of periods that begin in [start, end)."""
        return reader.once(self, self._found, start, end)

    def _found(self, reader: "Reader", start: datetime, end: datetime) -> pl.DataFrame:
        found = reader.revisions(self.source, start, end, self.where)
        if found.is_empty():
            return SCHEMA.to_frame()
        stays = ~pl.col("withdrawn") if "withdrawn" in found.columns else pl.lit(value=True)
        event = dataset(self.source).event_time
        return found.filter(stays).select(
            event=event, value=self.column, known_at="known_at", superseded_at="superseded_at"
        )


@dataclass(frozen=True, kw_only=True)
class DerivedHistory:
    """A history that is worked out of tables.

    Attributes:
        about: What it is, in a few words.
        make: Reads it; the frame's columns are those of `SCHEMA`.
        sources: The sources that it is made of.
        step: How far the values are apart.
        known_after: When a value is known at the earliest, as in `TableHistory`.
    """

    about: str
    make: Callable[["Reader", datetime, datetime], pl.DataFrame]
    sources: frozenset[str]
    step: timedelta
    known_after: timedelta | str

    def read(self, reader: "Reader", start: datetime, end: datetime) -> pl.DataFrame:
        """Return the history of periods that begin in [start, end)."""
        return reader.once(self, self.make, start, end)


History = TableHistory | DerivedHistory
_Make = Callable[["Reader", datetime, datetime], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A history as it was read, and of which time."""

    history: History
    start: datetime
    end: datetime
    rows: pl.DataFrame


@dataclass(frozen=True)
class Reader:
    """Reads histories from a platform.

    Attributes:
        platform: The platform.
        known: By whose clock a row is known: "received", when this platform had it, or
            "published", when its provider had published it.
        clock: The market's clock, where a simulated market's time is not the wall's: a row is known
            when the market's clock shows what it did at its receipt.
        kept: The histories that were read, by their identity; None if none is kept.
        until: What became known later is hidden.
    """

    platform: Platform
    known: Clock = "received"
    clock: MarketClock | None = None
    kept: dict[int, _Kept] | None = None
    until: datetime | None = None

    def back_at(self, moment: datetime) -> Self:
        """Return a reader of what was known at a moment."""
        return replace(self, kept={}, until=moment)

    def keeping(self) -> Self:
        """Return a reader that reads each history once, for work on one state of the platform."""
        return replace(self, kept={}) if self.kept is None else self

    def once(self, history: History, make: _Make, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the history of periods that begin in [start, end); from what is kept, if it can.

        Args:
            history: The history.
            make: Reads it.
            start: From when periods begin.
            end: Until when.
        """
        if self.kept is None:
            return make(self, start, end)
        known = self.kept.get(id(history))
        if known is None or start < known.start or end > known.end:
            known = self.kept[id(history)] = _Kept(history, start, end, make(self, start, end))
        if (known.start, known.end) == (start, end):
            return known.rows
        return known.rows.filter(pl.col("event").is_between(start, end, closed="left"))

    def revisions(
        self, source: str, start: datetime, end: datetime, where: Mapping[str, str | int]
    ) -> pl.DataFrame:
        """Return all revisions of a series; none if it was never stored."""
        try:
            found = self.platform.revisions(
                source, start=start, end=end, known=self.known, where={**where} or None
            )
        except NeverStoredError:
            return pl.DataFrame()
        except UsageError as error:  # no row has these values
            _log.info("%s has no %s: %s", source, dict(where), error)
            return pl.DataFrame()
        return self._shown(
            found.with_columns(self._market_time(name) for name in ("known_at", "superseded_at"))
        )

    def in_market_time(self, rows: pl.DataFrame, column: str) -> pl.DataFrame:
        """Return rows with `known_at`: instants of our clock in the market's time."""
        known = pl.col(column) if column == "observed_at" else self._market_time(column)
        return self._shown(rows.with_columns(known.alias("known_at")))

    def _shown(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that are not hidden; what supersedes them may be."""
        if self.until is None:
            return rows
        rows = rows.filter(pl.col("known_at") <= self.until)
        if "superseded_at" not in rows.columns:
            return rows
        later = pl.col("superseded_at") > self.until
        return rows.with_columns(superseded_at=pl.when(~later).then("superseded_at"))

    def _market_time(self, column: str) -> pl.Expr:
        """Return instants of receipt as the market's clock showed them."""
        known = pl.col(column)
        if self.clock is None:
            return known
        clock = self.clock
        began = pl.lit(clock.started_at, dtype=INSTANT)
        gone = ((known - began).dt.total_microseconds() * clock.speed).cast(pl.Duration("us"))
        later = pl.lit(clock.origin, dtype=INSTANT) + gone
        # What was received before this clock began, such as a past that was made, keeps its time.
        return pl.when(known >= began).then(later).otherwise(known).alias(column)
