"""Rows in a frame, or in many: chosen columns and rows, size guards, slices, the newest ones."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore
from typing import Final, Literal, Unpack

import polars as pl

from energy_platform.errors import TooManyRowsError
from energy_platform.history.provider_clock import KNOWN_AT, KNOWN_BASIS
from energy_platform.market.buckets import span
from energy_platform.market.wall_clock import Zone, in_zone, zone_name
from energy_platform.reading.asking import (
    Asked,
    is_named,
    question_asked,
    require_present,
    taking_all_of,
)
from energy_platform.reading.choice import (
    chosen_columns,
    condition_on,
    require_count,
    require_found,
)
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.progress import Progress
from energy_platform.reading.rows import Rows
from energy_platform.reading.where import Where, values_of
from energy_platform.storage.background import in_background

_SLICE: Final = "1h"
_SLICE_LASTS: Final = timedelta(hours=1)
_ROWS_PER_BATCH: Final = 1_000_000
_SHOWN_FROM: Final = 5_000_000
"""From how many rows on a load in a terminal shows how far it is."""
_TEXT_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
_TURNS: Final = BoundedSemaphore(16)
"""How many reads coroutines have at once; others wait."""
_TWO_WEEKS: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How large an answer is.

    Attributes:
        rows: How many rows it has: exactly if they were counted, and at most otherwise.
        bytes: What they take in memory, about.
        read_bytes: How many bytes are read for it at most: of files, or those that BigQuery bills.
    """

    rows: int
    bytes: int
    read_bytes: int


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
            max_rows: Read no values if there are more rows than that. They are counted only if the
                table's statistics allow so many; see `estimate`.
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
        >>> night = {"start": "2025-01-15 00:00", "end": "2025-01-15 02:00"}
        >>> prices = ep.load(
        ...     "energy_charts_price", zone="Europe/Berlin", **night,
        ...     columns=["bidding_zone", "price_eur_per_mwh"], where={"bidding_zone": "DE-LU"},
        ... )
        >>> prices.rows()
        [('DE-LU', 95.0), ('DE-LU', 88.31)]
        """
        about = dataset(name)
        chosen = chosen_columns(about, columns, _added(asked))
        if where is not None:
            condition_on(about, where)
        if limit is not None:
            require_count(limit, "limit", 0)
        wanted = _Wanted(about, chosen, where, asked)
        if max_rows is not None:
            require_count(max_rows, "max_rows", 0)
            self._require_few(wanted, max_rows)
        named = None if columns is None else [*columns]
        question = (*_told(about, asked), named, _values_told(where), limit)
        return self._once(about, question, partial(self._read, wanted, limit, progress=progress))

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
        >>> asyncio.run(ep.aload("ote_day_ahead_price", limit=3)).height
        3
        """

        def in_turn() -> pl.DataFrame:
            with _TURNS:
                return self.load(name, **asked)

        return await asyncio.wrap_future(in_background(in_turn))

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
        >>> day = {"day": "2026-03-29", "zone": "Europe/Prague"}
        >>> [frame.height for frame in ep.batches("ote_day_ahead_price", rows=40, **day)]
        [40, 40, 12]
        """
        require_count(rows, "rows")
        about = dataset(name)
        chosen = chosen_columns(about, columns, _added(asked))
        if where is not None:
            condition_on(about, where)
        return self._batches(_Wanted(about, chosen, where, asked), rows)

    @taking_all_of(Rows.scan)
    def estimate(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        count: bool = False,
        **asked: Unpack[Asked],
    ) -> Estimate:
        """Return how large the answer of `load` would be, without reading it.

        Nothing but statistics is read: of Delta Lake those of the files, by which a window of time
        leaves files out; of BigQuery a dry run, which is free. They say how many rows there are at
        most, since they count every revision, and every value of `where`.

        Args:
            name: A name, as `catalog` lists it.
            columns: Only these columns.
            where: Only rows with these values.
            count: Whether rows are counted, for which the columns of the key are read.
            asked: The arguments of `scan`.

        Returns:
            `rows`, at most, or exactly if they are counted; `bytes`, which they take in memory; and
            `read_bytes`: of the files that are read, or those that BigQuery bills.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.
            UsageError: There is no such column, or an argument of `scan` is wrong.

        >>> import energy_platform as ep
        >>> day = {"day": "2026-03-29", "zone": "Europe/Prague"}
        >>> ep.estimate("ote_day_ahead_price", count=True, **day).rows
        92
        """
        about = dataset(name)
        chosen_columns(about, columns, _added(asked))
        if where is not None:
            condition_on(about, where)
        require_present(about, asked)
        tables = self.place.warehouse(missing=asked.get("missing", "raise"))
        wanted = [*(about.table.dtypes if columns is None else columns)]
        read = [name for name in dict.fromkeys([*wanted, *(where or {})]) if name in about.dtypes]
        size = tables.size(question_asked(about, asked), read)
        rows = self._count(_Wanted(about, [], where, asked)) if count else size.rows
        return Estimate(rows=rows, bytes=rows * _width(about, wanted), read_bytes=size.read_bytes)

    def latest(
        self,
        name: str,
        *,
        where: Where | None = None,
        within: str | timedelta = _TWO_WEEKS,
        zone: Zone | None = None,
    ) -> pl.DataFrame:
        """Return the newest row of each series.

        Args:
            name: A name, as `catalog` lists it.
            where: Only series with these values.
            within: How far before the table's newest row the newest one of a series may lie, "2d"
                or a `timedelta`.
            zone: The zone of the answer's instants; UTC, unless given.

        Returns:
            The table's columns; one row for each combination of the key's columns, times aside.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.
            UsageError: There is no such column, no row has a value of `where`, or `within` is no
                length of time.

        >>> import energy_platform as ep
        >>> ep.latest("ote_day_ahead_price")["delivery_start"].to_list()
        [datetime.datetime(2026, 3, 29, 21, 45, tzinfo=zoneinfo.ZoneInfo(key='UTC'))]
        """
        about, back = dataset(name), span(within, "within")
        newest = self.place.warehouse().summary(about.table).last_event_at
        asked: Asked = {} if newest is None else {"start": newest - back}
        series = [column for column in about.key if not about.dtypes[column].is_temporal()]
        rows = self._met(_Wanted(about, [], where, asked)).sort(about.event_time)
        found = rows.unique(series, keep="last") if series else rows.tail(1)
        frame = in_zone(found.sort(series or about.event_time).collect(), zone)
        if frame.is_empty() and where:
            require_found(about, where, self.scan(name, **asked))
        return frame

    def _stored(self, wanted: "_Wanted") -> pl.LazyFrame:
        """Return the rows of the same time, whatever was known of them when, and of all runs."""
        told = wanted.asked
        of_now: Asked = {**told, "as_of": None, "run": None, "known": "received"}
        return self.scan(wanted.about.name, **of_now)

    def _read(
        self, wanted: "_Wanted", limit: int | None, *, progress: bool | Literal["auto"]
    ) -> pl.DataFrame:
        """Return the rows of `load`, read anew."""
        about = wanted.about
        rows = self._met(wanted)
        if limit is None and self._is_shown(wanted, progress=progress):
            frame = self._shown(wanted)
        else:
            ordered = rows.sort(about.event_time, *about.key)
            first = ordered if limit is None else ordered.head(limit)
            frame = first.select(wanted.chosen).collect()
        if frame.is_empty() and wanted.where:
            require_found(about, wanted.where, self._stored(wanted))
        return frame

    def _is_shown(self, wanted: "_Wanted", *, progress: bool | Literal["auto"]) -> bool:
        """Return whether a bar shows how far a read is."""
        if progress != "auto":
            return progress
        return Progress.is_wanted() and self._at_most(wanted) > _SHOWN_FROM

    def _shown(self, wanted: "_Wanted") -> pl.DataFrame:
        """Return all rows, read slice by slice, while a bar shows how far the read is."""
        about = wanted.about
        with Progress(about.name, self._count(wanted)) as bar:
            parts = [self.scan(about.name, **wanted.asked).head(0).select(wanted.chosen).collect()]
            for part in self._batches(wanted, _ROWS_PER_BATCH):
                parts.append(part)
                bar.advance(part.height)
        return pl.concat(parts)

    def _require_few(self, wanted: "_Wanted", most: int) -> None:
        """Refuse an answer with too many rows; they are counted only if there may be so many.

        Raises:
            TooManyRowsError: There are more.
        """
        if self._at_most(wanted) <= most or (rows := self._count(wanted)) <= most:
            return
        about = wanted.about
        megabytes = rows * _width(about, [*about.table.dtypes]) / 2**20
        raise TooManyRowsError(
            f"{about.name} has {rows:,} rows there, some {megabytes:,.0f} MB, and max_rows is"
            f" {most:,}: ask for less time, with `where`, or in `batches`"
        )

    def _at_most(self, wanted: "_Wanted") -> int:
        return self.estimate(wanted.about.name, where=wanted.where, **wanted.asked).rows

    def _count(self, wanted: "_Wanted") -> int:
        count: int = self._met(wanted).select(pl.len()).collect().item()
        return count

    def _met(self, wanted: "_Wanted") -> pl.LazyFrame:
        rows, where = self.scan(wanted.about.name, **wanted.asked), wanted.where
        return rows if where is None else rows.filter(condition_on(wanted.about, where))

    def _batches(self, wanted: "_Wanted", rows: int) -> Iterator[pl.DataFrame]:
        about = wanted.about
        for start, end in self._slices(wanted, rows):
            in_slice = _time(wanted).is_between(start, end, closed="left")
            frame = (
                self._met(wanted)
                .filter(in_slice)
                .sort(about.event_time, *about.key)
                .select(wanted.chosen)
                .collect()
            )
            yield from (part for part in frame.iter_slices(rows) if not part.is_empty())

    def _slices(self, wanted: "_Wanted", rows: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield slices of time that have so many rows at most, or last an hour."""
        hour = _time(wanted).dt.truncate(_SLICE)
        counts = self._met(wanted).group_by(hour).agg(rows=pl.len()).sort(hour).collect()
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `load` is asked for.

    Attributes:
        about: The table.
        chosen: The columns of the answer.
        where: Which values its rows have.
        asked: The arguments of `scan`.
    """

    about: Dataset
    chosen: Sequence[pl.Expr]
    where: Where | None
    asked: Asked


def _time(wanted: _Wanted) -> pl.Expr:
    """Return the event time in UTC, in which hours follow each other without a fold."""
    time = pl.col(wanted.about.event_time)
    return time.dt.convert_time_zone("UTC") if wanted.asked.get("zone") is not None else time


def _width(about: Dataset, columns: Sequence[str]) -> int:
    """Return how many bytes a row takes in memory, about."""
    return sum(
        _TEXT_BYTES if about.dtypes.get(name) == pl.String else _NUMBER_BYTES for name in columns
    )


def _added(asked: Asked) -> Sequence[str]:
    """Return the columns that an answer has besides the table's."""
    return (KNOWN_AT, KNOWN_BASIS) if asked.get("known", "received") != "received" else ()


def _told(about: Dataset, asked: Asked) -> tuple[object, ...]:
    """Return all that the arguments of `scan` ask; its `repr` tells it from all else."""
    run, zone = asked.get("run"), asked.get("zone")
    named = run if is_named(run) else None
    return question_asked(about, asked), named, None if zone is None else zone_name(zone)


def _values_told(where: Where | None) -> Mapping[str, Sequence[object]]:
    return {column: values_of(wanted) for column, wanted in (where or {}).items()}
