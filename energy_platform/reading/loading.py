"""Rows in a frame, or in many: chosen columns and rows, size guards, slices, the newest ones."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Unpack

import polars as pl

from energy_platform.errors import TooManyRowsError, UsageError
from energy_platform.history.provider_clock import KNOWN_AT, KNOWN_BASIS
from energy_platform.reading.asking import Asked, taking_all_of
from energy_platform.reading.choice import chosen_columns, condition_on, require_found
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.progress import Progress
from energy_platform.reading.rows import Rows
from energy_platform.reading.where import Where

_SLICE: Final = "1h"
_SLICE_LASTS: Final = timedelta(hours=1)
_ROWS_PER_BATCH: Final = 1_000_000
_SHOWN_FROM: Final = 5_000_000
"""From how many rows on a load in a terminal shows how far it is."""
_TEXT_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
_TWO_WEEKS: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How large an answer is.

    Attributes:
        rows: How many rows it has.
        bytes: What they take in memory, about.
    """

    rows: int
    bytes: int


class LoadAsked(Asked, total=False):
    """The arguments that `load` takes after the name."""

    columns: Sequence[str] | None
    where: Where | None
    limit: int | None
    max_rows: int | None
    progress: bool | Literal["auto"]


class Loading(Rows):
    """Questions whose answer is read, at once or slice by slice.

    All take the arguments of `scan` too: `start`, `end`, `as_of`, `run` and the others.
    """

    @taking_all_of(Rows.scan)
    def load(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        limit: int | None = None,
        max_rows: int | None = None,
        progress: bool | Literal["auto"] = "auto",
        **asked: Unpack[Asked],
    ) -> pl.DataFrame:
        """Return the rows of `scan`, in order of event time and key.

        Args:
            name: A name, as `catalog` lists it.
            columns: Only these columns, in this order.
            where: Only rows with these values: `{"bidding_zone": "FR"}`, or several values,
                `{"bidding_zone": ["AT", "FR"]}`.
            limit: Only the first rows, so many.
            max_rows: Read nothing but what counts the rows if there are more than that; `estimate`
                says how many there are.
            progress: Whether a bar shows how far the read is; "auto" shows one in a terminal, for
                long reads, if `rich` is installed.
            asked: The arguments of `scan`: `start`, `end`, `as_of`, `run` and the others.

        Returns:
            The source's columns, units in their names, and `received_at` and `landing_offset`.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            UsageError: There is no such column, or no row has a value of `where`; the message lists
                near ones. Or an argument of `scan` is wrong.
            TooManyRowsError: There are more than `max_rows` rows.

        >>> import energy_platform as ep
        >>> prices = ep.load("ote_day_ahead_price", columns=["delivery_start", "volume_mwh"])
        >>> prices.columns
        ['delivery_start', 'volume_mwh']
        """
        about = dataset(name)
        chosen = chosen_columns(about, columns, _added(asked))
        rows = self._met(about, where, asked)
        if max_rows is not None:
            _require_few(name, self.estimate(name, where=where, **asked), max_rows)
        shown = limit is None and (Progress.is_wanted() if progress == "auto" else progress)
        total = self.estimate(name, where=where, **asked).rows if shown else 0
        if shown and (progress != "auto" or total > _SHOWN_FROM):
            frame = self._shown(about, chosen, total, where, asked)
        else:
            ordered = rows.sort(about.event_time, *about.key)
            frame = (ordered if limit is None else ordered.head(limit)).select(chosen).collect()
        if frame.is_empty() and where:
            require_found(about, where, self.scan(name, **asked))
        return frame

    @taking_all_of(load)
    async def aload(self, name: str, **asked: Unpack[LoadAsked]) -> pl.DataFrame:
        """Return what `load` returns, while other coroutines go on.

        Args:
            name: A name, as `catalog` lists it.
            asked: The arguments of `load`.

        Returns:
            The rows, with the columns and units that `load` gives them.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.

        >>> import energy_platform as ep
        >>> import asyncio
        >>> asyncio.run(ep.aload("ote_day_ahead_price", limit=3)).height <= 3
        True
        """
        return await asyncio.to_thread(self.load, name, **asked)

    @taking_all_of(Rows.scan)
    def batches(
        self,
        name: str,
        *,
        rows: int = _ROWS_PER_BATCH,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        **asked: Unpack[Asked],
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of `load` in frames, in order of event time, within a bounded memory.

        A slice of time is read at once, an hour at least, so that a frame has what is stored of its
        hours in memory while it is made.

        Args:
            name: A name, as `catalog` lists it.
            rows: How many rows a frame has at most.
            columns: Only these columns, in this order.
            where: Only rows with these values.
            asked: The arguments of `scan`.

        Yields:
            Frames with the columns of `load`, none of them empty.

        Raises:
            UsageError: See `load`.

        >>> import energy_platform as ep
        >>> sum(frame.height for frame in ep.batches("ote_day_ahead_price", rows=10)) >= 0
        True
        """
        if rows < 1:
            raise UsageError(f"a frame has at least one row, not {rows}")
        about = dataset(name)
        chosen = chosen_columns(about, columns, _added(asked))
        condition_on(about, where or {})
        return self._batches(about, chosen, rows, where, asked)

    @taking_all_of(Rows.scan)
    def estimate(
        self,
        name: str,
        *,
        where: Where | None = None,
        **asked: Unpack[Asked],
    ) -> Estimate:
        """Return how many rows `load` would return, without reading the columns of values.

        Args:
            name: A name, as `catalog` lists it.
            where: Only rows with these values.
            asked: The arguments of `scan`.

        Returns:
            The number of rows, and what they take in memory.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.

        >>> import energy_platform as ep
        >>> ep.estimate("ote_day_ahead_price").rows >= 0
        True
        """
        about = dataset(name)
        count = self._met(about, where, asked).select(pl.len()).collect().item()
        width = sum(
            _TEXT_BYTES if dtype == pl.String else _NUMBER_BYTES for dtype in about.dtypes.values()
        )
        return Estimate(rows=count, bytes=count * width)

    def latest(
        self,
        name: str,
        *,
        where: Where | None = None,
        within: timedelta = _TWO_WEEKS,
    ) -> pl.DataFrame:
        """Return the newest row of each series.

        Args:
            name: A name, as `catalog` lists it.
            where: Only series with these values.
            within: How far before the table's newest row the newest one of a series may lie.

        Returns:
            The table's columns; one row for each combination of the key's columns, times aside.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.

        >>> import energy_platform as ep
        >>> ep.latest("ote_day_ahead_price").height <= 1
        True
        """
        about = dataset(name)
        newest = self.place.warehouse().summary(about.table).last_event_at
        asked: Asked = {} if newest is None else {"start": newest - within}
        series = [column for column in about.key if not about.dtypes[column].is_temporal()]
        rows = self._met(about, where, asked).sort(about.event_time)
        found = rows.unique(series, keep="last") if series else rows.tail(1)
        frame = found.sort(series or about.event_time).collect()
        if frame.is_empty() and where:
            require_found(about, where, self.scan(name, **asked))
        return frame

    def _met(self, about: Dataset, where: Where | None, asked: Asked) -> pl.LazyFrame:
        rows = self.scan(about.name, **asked)
        return rows.filter(condition_on(about, where)) if where else rows

    def _batches(
        self,
        about: Dataset,
        chosen: Sequence[pl.Expr],
        rows: int,
        where: Where | None,
        asked: Asked,
    ) -> Iterator[pl.DataFrame]:
        for start, end in self._slices(about, rows, where, asked):
            in_slice = _time(about, asked).is_between(start, end, closed="left")
            frame = (
                self._met(about, where, asked)
                .filter(in_slice)
                .sort(about.event_time, *about.key)
                .select(chosen)
                .collect()
            )
            yield from (part for part in frame.iter_slices(rows) if not part.is_empty())

    def _slices(
        self, about: Dataset, rows: int, where: Where | None, asked: Asked
    ) -> Iterator[tuple[datetime, datetime]]:
        """Yield slices of time that have so many rows at most, or last an hour."""
        hour = _time(about, asked).dt.truncate(_SLICE)
        counts = (
            self._met(about, where, asked).group_by(hour).agg(rows=pl.len()).sort(hour).collect()
        )
        hours: list[datetime] = []
        together = 0
        for at, count in counts.iter_rows():
            if hours and together + count > rows:
                yield hours[0], hours[-1] + _SLICE_LASTS
                hours, together = [], 0
            hours.append(at)
            together += count
        if hours:
            yield hours[0], hours[-1] + _SLICE_LASTS

    def _shown(
        self,
        about: Dataset,
        chosen: Sequence[pl.Expr],
        total: int,
        where: Where | None,
        asked: Asked,
    ) -> pl.DataFrame:
        """Return all rows, read slice by slice, while a bar shows how far the read is."""
        with Progress(about.name, total) as bar:
            parts = [self.scan(about.name, **asked).head(0).select(chosen).collect()]
            for part in self._batches(about, chosen, _ROWS_PER_BATCH, where, asked):
                parts.append(part)
                bar.advance(part.height)
        return pl.concat(parts)


def _time(about: Dataset, asked: Asked) -> pl.Expr:
    """Return the event time in UTC, in which hours follow each other without a fold."""
    time = pl.col(about.event_time)
    return time.dt.convert_time_zone("UTC") if asked.get("zone") is not None else time


def _added(asked: Asked) -> Sequence[str]:
    """Return the columns that an answer has besides the table's."""
    return (KNOWN_AT, KNOWN_BASIS) if asked.get("known", "received") != "received" else ()


def _require_few(name: str, estimate: Estimate, most: int) -> None:
    if estimate.rows > most:
        raise TooManyRowsError(
            f"{name} has {estimate.rows:,} rows there, some {estimate.bytes / 2**20:,.0f} MB, and"
            f" max_rows is {most:,}: ask for less time, with `where`, or in `batches`"
        )
