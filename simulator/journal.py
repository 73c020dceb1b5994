"""The simulator's own record of what the markets emitted: what the warehouse must hold in the end.

One JSON line per emission, in the columns of the market source's table, stamped with the wall
time at which it became visible to a client. Tests and benchmarks compare against it; the platform
never reads it.

Each source has a folder of segments. A segment ends after a day or at some size, and the oldest
segments of all are dropped when the journal is too old or too large. A source's newest segment
stays: a provider that starts again reads at its end how far it had come. What a start reads does
not grow with the journal.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

Row = Mapping[str, Any]
"""One row in the columns of its source's table, without provenance; instants as datetimes."""

_SUFFIX: Final = ".ndjson"
_ROWS: Final = b',"rows":'
_END: Final = b"]}\n"
"""The end of a complete line; a line that a crash cut off ends otherwise."""
_BEGAN: Final = "began.json"
"""The file of a source's folder that says when the source began, and in which segment."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SEGMENT_LASTS: Final = timedelta(days=1)
_DROPPED_TO: Final = 0.9
"""A journal that is too large is cut to this share of its bound, so that cuts are rare."""
_TAIL_BYTES: Final = 2**16
"""How much of a segment's end is read to find its newest lines; more where a line is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBounds:
    """How much a journal keeps.

    Attributes:
        age: Segments are dropped when their last row was emitted longer ago than this.
        total_bytes: How much all sources may take, beside the newest segment of each.
        segment_bytes: At what size a segment ends.
    """

    age: timedelta = timedelta(days=3)
    total_bytes: int = 2 * 2**30
    segment_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Emission:
    """Rows that became visible together.

    Attributes:
        emitted_at: Wall time (UTC) at which a client could first see them.
        market_at: Market time of the same moment.
        rows: The rows; instants as ISO 8601 text.
    """

    emitted_at: datetime
    market_at: datetime
    rows: list[dict[str, Any]]


class Journal:
    """Emissions by market source, in one folder each below `folder`, kept over restarts.

    One process writes; any may read meanwhile.
    """

    def __init__(self, folder: Path, bounds: JournalBounds | None = None) -> None:
        self._folder = folder
        self._bounds = bounds or JournalBounds()
        self._newest: dict[str, Path] = {}
        self._reserved: set[str] = set()
        self._bytes: int | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def emit(self, source: str, market_at: datetime, rows: Iterable[Row]) -> None:
        """Note that `rows` become visible now. Call it just before they do.

        Nothing is noted for a reserved source: nobody sees these rows.
        """
        if source not in self._reserved:
            self._write(source, market_at, rows)

    def reserved(self, source: str) -> "ReservedJournal":
        """Reserve a source: from now on only the returned journal notes its emissions."""
        self._reserved.add(source)
        return ReservedJournal(self, source)

    def _write(self, source: str, market_at: datetime, rows: Iterable[Row]) -> None:
        emitted_at = datetime.now(UTC)
        line = {"emitted_at": emitted_at, "market_at": market_at, "rows": list(rows)}
        segment = self._segment(source, emitted_at, market_at)
        with segment.open("a+b") as file:
            # End a line that a crash cut off, so that the next line is whole.
            text = (b"\n" if _is_cut_off(file) else b"") + orjson.dumps(line) + b"\n"
            file.write(text)
        self._keep_bounds(len(text))

    def _segment(self, source: str, now: datetime, market_at: datetime) -> Path:
        """Return the segment to write to: the newest, or a new one if that has come to its end."""
        newest = self._newest.get(source) or next(reversed(self._segments(source)), None)
        if newest is None or self._is_full(newest, now):
            folder = self._folder / source
            folder.mkdir(parents=True, exist_ok=True)
            newest = folder / f"{(now - _EPOCH) // _MICROSECOND:020}{_SUFFIX}"
            if not (folder / _BEGAN).exists():
                began = {"market_at": market_at, "segment": newest.name}
                fresh = folder / f"{_BEGAN}.new"
                fresh.write_bytes(orjson.dumps(began))
                fresh.replace(folder / _BEGAN)
        self._newest[source] = newest
        return newest

    def _is_full(self, segment: Path, now: datetime) -> bool:
        is_old = now - _began_at(segment) >= _SEGMENT_LASTS
        return is_old or (segment.exists() and segment.stat().st_size >= self._bounds.segment_bytes)

    def _keep_bounds(self, written: int) -> None:
        """Drop the oldest segments if there is too much; look at their age once in a segment."""
        before = self._bytes
        if before is None:
            before = sum(one.stat().st_size for one in self._all_segments())
            written = 0  # it is among them
        self._bytes = before + written
        grown = self._bytes // self._bounds.segment_bytes != before // self._bounds.segment_bytes
        if grown or written == 0 or self._bytes > self._bounds.total_bytes:
            self._drop_oldest(datetime.now(UTC))

    def _drop_oldest(self, now: datetime) -> None:
        """Drop segments, the oldest first; keep the newest one of each source."""
        by_source = [self._segments(folder.name) for folder in self._sources()]
        closed = sorted(
            ((one, ends) for segments in by_source for one, ends in _with_ends(segments)),
            key=lambda pair: pair[0].name,
        )
        total = sum(one.stat().st_size for one in self._all_segments())
        is_too_large = total > self._bounds.total_bytes
        for segment, ends in closed:
            too_large = is_too_large and total > self._bounds.total_bytes * _DROPPED_TO
            if too_large or now - ends > self._bounds.age:
                total -= segment.stat().st_size
                segment.unlink()
        self._bytes = total

    def emissions(self, source: str, *, since: datetime | None = None) -> Iterator[Emission]:
        """Yield what `source` emitted, oldest first; a line cut off by a crash is left out.

        Args:
            source: The market source.
            since: Leave out what was emitted before this market time; older segments are not read.
        """
        segments = self._segments(source)
        for line in self._lines(segments if since is None else _reaching_to(segments, since)):
            if since is not None and not _is_since(line, since):
                continue
            try:
                kept = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            yield Emission(
                datetime.fromisoformat(kept["emitted_at"]),
                datetime.fromisoformat(kept["market_at"]),
                kept["rows"],
            )

    def rows_at(self, source: str, market_at: datetime) -> list[dict[str, Any]]:
        """Return the rows that a source emitted at a market time; instants as ISO 8601 text.

        What is shown again after a restart must be what was shown before it, flaws and all.
        """
        since = self.emissions(source, since=market_at)
        return [row for one in since if one.market_at == market_at for row in one.rows]

    def market_times(self, source: str) -> tuple[datetime, datetime] | None:
        """Return the market times of the first emission ever and the newest; None without any.

        It reads the newest segment's end alone, and parses no rows: a provider asks at its start,
        when its journal may be long.
        """
        for segment in reversed(self._segments(source)):
            if times := [_market_at(line) for line in _newest_lines(segment)]:
                began = datetime.fromisoformat(self._began(source)["market_at"])
                return min(began, *times), max(times)
        return None

    def last_market_at(self, source: str) -> datetime | None:
        """Return the market time of the newest emission: where a restarted provider goes on."""
        times = self.market_times(source)
        return times[1] if times else None

    def reaches_back_to(self, source: str) -> datetime | None:
        """Return since when everything is there, in wall time; None if nothing was dropped."""
        oldest = next(iter(self._segments(source)), None)
        if oldest is None or oldest.name == self._began(source)["segment"]:
            return None
        return _began_at(oldest)

    def _began(self, source: str) -> Mapping[str, str]:
        began: Mapping[str, str] = orjson.loads((self._folder / source / _BEGAN).read_bytes())
        return began

    def _sources(self) -> list[Path]:
        return [folder for folder in self._folder.iterdir() if folder.is_dir()]

    def _segments(self, source: str) -> list[Path]:
        """Return a source's segments, oldest first."""
        return sorted((self._folder / source).glob(f"*{_SUFFIX}"))

    def _all_segments(self) -> list[Path]:
        return [one for folder in self._sources() for one in self._segments(folder.name)]

    def _lines(self, segments: Iterable[Path]) -> Iterator[bytes]:
        for segment in segments:
            with suppress(FileNotFoundError), segment.open("rb") as lines:  # dropped meanwhile
                yield from lines


@dataclass(frozen=True, slots=True)
class ReservedJournal:
    """The part of a journal that is about one source, written by its holder alone.

    Attributes:
        journal: The journal that it is a part of.
        source: The market source.
    """

    journal: Journal
    source: str

    def emit(self, market_at: datetime, rows: Iterable[Row]) -> None:
        """Note that `rows` become visible now; see `Journal.emit`."""
        self.journal._write(self.source, market_at, rows)  # noqa: SLF001 (a part of it)


def _began_at(segment: Path) -> datetime:
    """Return the wall time of a segment's first emission, which its name is."""
    return _EPOCH + int(segment.stem) * _MICROSECOND


def _newest_lines(segment: Path) -> list[bytes]:
    """Return whole lines from the end of a segment, at least its last one if it has any."""
    length = _TAIL_BYTES
    with suppress(FileNotFoundError), segment.open("rb") as file:  # dropped meanwhile
        size = file.seek(0, os.SEEK_END)
        while True:
            start = file.seek(max(0, size - length))
            # What stands before the first end of a line may be the rest of a longer one.
            lines = file.read(size - start).splitlines(keepends=True)[bool(start) :]
            whole = [line for line in lines if line.endswith(_END)]
            if whole or start == 0:
                return whole
            length *= 8
    return []


def _market_at(line: bytes) -> datetime:
    """Return the market time of a whole line, without parsing its rows."""
    head = line.partition(_ROWS)[0]
    return datetime.fromisoformat(orjson.loads(head + b"}")["market_at"])


def _is_since(line: bytes, instant: datetime) -> bool:
    return line.endswith(_END) and _market_at(line) >= instant


def _reaching_to(segments: Sequence[Path], instant: datetime) -> list[Path]:
    """Return the newest of a source's segments, back to the one that holds a market time."""
    found: list[Path] = []
    for segment in reversed(segments):
        found.insert(0, segment)
        with suppress(FileNotFoundError), segment.open("rb") as lines:
            first = lines.readline()
            if first.endswith(_END) and _market_at(first) <= instant:
                break
    return found


def _with_ends(segments: Sequence[Path]) -> Iterator[tuple[Path, datetime]]:
    """Yield each segment but the newest, with the time at which the one after it begins."""
    for segment, after in itertools.pairwise(segments):
        yield segment, _began_at(after)


def _is_cut_off(file: BinaryIO) -> bool:
    """Say whether a file's last line has no end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
