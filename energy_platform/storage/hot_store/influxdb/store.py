"""The hot store in InfluxDB, which has neither transactions nor nulls.

A measurement holds a source's points. The measurement `hot_copy_offsets` holds the landing offset
up to which each source's points are written. Its points are dated by the hour of the write, so that
InfluxDB's retention keeps the newest one while anything is written. If that point is removed
nevertheless, the offset reads as 0 and the copy is made again.

A file lock makes the writers of one measurement take turns, among all processes of one machine.
With several machines, a worker that continues after it was taken for dead could overwrite a newer
point with an older one; the next revision corrects it.
"""

# ruff: noqa: S608 (InfluxQL is built from names and texts that are quoted, and numbers)

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import polars as pl
from filelock import FileLock, Timeout

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.market.instants import INSTANT, microseconds
from energy_platform.storage.hot_store import points as hot_points
from energy_platform.storage.hot_store.influxdb.influxql import identifier, string
from energy_platform.storage.hot_store.influxdb.line_protocol import (
    NULL_FIELDS,
    WRITTEN_STOP,
    check_names,
    cut,
    layout_of,
    lines,
    unwritable,
)
from energy_platform.storage.hot_store.influxdb.server import InfluxServer, LinesRefusedError
from energy_platform.storage.hot_store.protocol import ANY_SERIES, REASON, Measurement, Tags

_log = logging.getLogger(__name__)

OFFSETS: Final = "hot_copy_offsets"
"""The measurement that holds the offsets of all others."""

_TURN_SECONDS: Final = 60.0
"""How long a writer waits for its turn."""

_REQUEST_LINES: Final = 5_000
_REQUEST_BYTES: Final = 4 * 1024 * 1024
_MICROSECOND: Final = timedelta(microseconds=1)
_EVER: Final = ("1678-01-01T00:00:00Z", "2262-01-01T00:00:00Z")
"""An end for queries: without one, a server may stop at the present, and forecasts lie beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The recorded state of a measurement.

    Attributes:
        layout: The layout of its points.
        stop: The landing offset up to which they are written.
        begun: The greatest `stop` with which a write was begun.
        noted_at: The time of the point that records this, in microseconds.
    """

    layout: str = ""
    stop: int = 0
    begun: int = 0
    noted_at: int = 0


_STATE: Final = Measurement(
    name=OFFSETS,
    tags=("measurement",),
    fields={"layout": pl.String(), "stop": pl.Int64(), "begun": pl.Int64()},
    time="noted_at",
)


class InfluxHotStore:
    """A `HotStore` in one bucket. Threads and processes may share it; writers take turns.

    Args:
        server: The server that has the bucket.
        locks: A folder for the locks of this machine's writers; created if it is missing.
    """

    def __init__(self, server: InfluxServer, *, locks: Path) -> None:
        self._server = server
        self._locks = locks

    def close(self) -> None:
        """Close every connection; the next call opens them again."""
        self._server.close()

    def committed_offset(self, measurement: Measurement) -> int:
        """Return the landing offset up to which points have been written; 0 at first."""
        state = self._state(measurement)
        return state.stop if state.layout == layout_of(measurement) else 0

    def write(self, measurement: Measurement, points: pl.DataFrame, *, stop: int) -> pl.DataFrame:
        """Write points, and return those that the server, or the line protocol, refuses.

        A tag with a control character or a backslash at its end has no line. The server refuses a
        point older than its retention, and a field that it has with another type.
        """
        check_names(measurement)
        tidied = hot_points.tidy(measurement, points).with_columns(
            unwritable(measurement).alias(REASON)
        )
        impossible = tidied.filter(pl.col(REASON).is_not_null())
        possible = tidied.filter(pl.col(REASON).is_null()).drop(REASON)
        with self._turn(measurement):
            state = self._state(measurement)
            if state.layout != layout_of(measurement):
                state = self._empty(measurement, state)
            if state.begun < stop:
                self._note(measurement, replace(state, begun=stop))
            elif state.begun > stop:
                possible = self._without_newer(measurement, possible, stop)
            refused = self._post(measurement, possible.sort(measurement.time), stop)
        return pl.concat([impossible, refused])

    def commit_offset(self, measurement: Measurement, *, stop: int) -> None:
        """Record that all points before this landing offset are written; it never decreases."""
        check_names(measurement)
        with self._turn(measurement):
            state = self._state(measurement)
            if state.layout != layout_of(measurement):
                state = self._empty(measurement, state)
            self._note(
                measurement,
                replace(state, stop=max(state.stop, stop), begun=max(state.begun, stop)),
            )

    def read(
        self,
        measurement: Measurement,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        tags: Tags = ANY_SERIES,
    ) -> pl.DataFrame:
        """Return points with start <= time < end, ordered by tags and time."""
        if not all(tags.values()) or not self._holds(measurement):
            return self._nothing(measurement)
        return self._points(measurement, f"WHERE {_within(start, end)}{_of_series(tags)}")

    def latest(
        self,
        measurement: Measurement,
        *,
        at: datetime | None = None,
        tags: Tags = ANY_SERIES,
    ) -> pl.DataFrame:
        """Return the point that holds of each series at an instant, ordered by tags."""
        if not all(tags.values()) or not self._holds(measurement):
            return self._nothing(measurement)
        after = (at or datetime.now(UTC)) + _MICROSECOND
        series = ", ".join(identifier(tag) for tag in measurement.tags)
        return self._points(
            measurement,
            f"WHERE {_within(end=after)}{_of_series(tags)}"
            f" AND {identifier(NULL_FIELDS)} != {_all_null(measurement)}"
            f"{f' GROUP BY {series}' if series else ''} ORDER BY time DESC LIMIT 1",
        )

    def empty_points(self, measurement: Measurement) -> int:
        """Return how many points have no value in any field; they aren't read back."""
        return self._count(
            measurement, f"{_within()} AND {identifier(NULL_FIELDS)} = {_all_null(measurement)}"
        )

    def clear(self, measurement: Measurement) -> None:
        """Remove every point of the measurement and forget its offset."""
        check_names(measurement)
        with self._turn(measurement):
            self._empty(measurement, self._state(measurement))

    def expire(self, measurement: Measurement, *, before: datetime) -> int:
        """Remove points older than `before`; return how many."""
        removed = self._count(measurement, _within(end=before))
        if removed:
            self._server.delete(measurement.name, before=before)
        return removed

    def compact(self, measurements: Sequence[Measurement]) -> int:  # noqa: ARG002 (the protocol's)
        """Leave it to the server, whose bucket has days of its own; remove nothing."""
        return 0

    @contextmanager
    def _turn(self, measurement: Measurement) -> Iterator[None]:
        """Wait until nobody else writes to the measurement, and keep others from writing."""
        self._locks.mkdir(parents=True, exist_ok=True)
        file = self._locks / f"{quote(measurement.name, safe='')}.lock"
        lock = FileLock(file, timeout=_TURN_SECONDS)
        try:
            with lock:
                yield
        except Timeout:
            raise HotStoreUnavailableError(
                f"{measurement.name}: another writer has had the hot copy for {_TURN_SECONDS:g} s"
            ) from None

    def _holds(self, measurement: Measurement) -> bool:
        check_names(measurement)
        return self._state(measurement).layout == layout_of(measurement)

    def _state(self, measurement: Measurement) -> _State:
        columns = ", ".join(identifier(name) for name in _STATE.fields)
        found = self._server.query(
            f"SELECT {columns} FROM {identifier(OFFSETS)}"
            f" WHERE {identifier('measurement')} = {string(measurement.name)} AND {_within()}"
            " ORDER BY time DESC LIMIT 1",
            {**_STATE.fields, "time": pl.Int64()},
        )
        if found.is_empty():
            return _State()
        [(layout, stop, begun, noted_at)] = found.rows()
        return _State(layout=layout, stop=stop, begun=begun, noted_at=noted_at)

    def _note(self, measurement: Measurement, state: _State) -> None:
        """Record a state over that of this hour, or after it if the clock went back."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        point = pl.DataFrame(
            {
                "measurement": [measurement.name],
                "layout": [state.layout],
                "stop": [state.stop],
                "begun": [state.begun],
                "noted_at": [max(microseconds(hour), state.noted_at)],
            }
        ).with_columns(pl.col("noted_at").cast(INSTANT))
        try:
            self._server.write(_body(lines(_STATE, point, stop=state.stop)))
        except LinesRefusedError as error:
            raise HotStoreUnavailableError(
                f"InfluxDB does not take the offset of {measurement.name}: {error}"
            ) from None

    def _empty(self, measurement: Measurement, state: _State) -> _State:
        """Remove all points, and record the layout of the points to come."""
        self._server.delete(measurement.name)
        empty = _State(layout=layout_of(measurement), noted_at=state.noted_at)
        self._note(measurement, empty)
        return empty

    def _without_newer(
        self, measurement: Measurement, points: pl.DataFrame, stop: int
    ) -> pl.DataFrame:
        """Leave out points that would replace one of a greater `stop`."""
        if points.is_empty():
            return points
        [(first, last)] = points.select(
            first=pl.col(measurement.time).to_physical().min(),
            last=pl.col(measurement.time).to_physical().max(),
        ).rows()
        there = self._server.query(
            f"SELECT {_columns(measurement, {WRITTEN_STOP: pl.Int64()})}"
            f" FROM {identifier(measurement.name)}"
            f" WHERE time >= {first}u AND time <= {last}u",
            _schema(measurement, {WRITTEN_STOP: pl.Int64()}),
        )
        newer = _dated(measurement, there).filter(pl.col(WRITTEN_STOP) > stop)
        return points.join(
            newer, on=[*measurement.tags, measurement.time], how="anti", maintain_order="left"
        )

    def _post(self, measurement: Measurement, points: pl.DataFrame, stop: int) -> pl.DataFrame:
        """Write points, ordered by time, in requests of a bounded size; return refused points."""
        written = lines(measurement, points, stop=stop)
        reasons: dict[int, str] = {}
        for part in cut(written, most_lines=_REQUEST_LINES, most_bytes=_REQUEST_BYTES):
            reasons |= self._post_around_refusals(written, part)
        refused = points[sorted(reasons)]
        reason = pl.Series(REASON, [reasons[at] for at in sorted(reasons)], dtype=pl.String)
        return refused.with_columns(reason)

    def _post_around_refusals(self, written: pl.Series, part: slice) -> dict[int, str]:
        """Write lines; halve them on a refusal, until each refused line stands alone.

        A server says only how many lines it refused at least, for one cause. It has stored all
        others by then, and the next try stores them again. Lines refused for their age, or for a
        field's type in one day's shard, are neighbours in order of time, so few tries are needed.
        """
        try:
            self._server.write(_body(written[part]))
        except LinesRefusedError as error:
            count = part.stop - part.start
            if count in (1, error.dropped):
                return dict.fromkeys(range(part.start, part.stop), str(error))
        else:
            return {}
        middle = (part.start + part.stop) // 2
        return {
            **self._post_around_refusals(written, slice(part.start, middle)),
            **self._post_around_refusals(written, slice(middle, part.stop)),
        }

    def _count(self, measurement: Measurement, condition: str) -> int:
        if not self._holds(measurement):
            return 0
        found = self._server.query(
            f"SELECT COUNT({identifier(NULL_FIELDS)}) AS points"
            f" FROM {identifier(measurement.name)} WHERE {condition}",
            {"points": pl.Int64()},
        )
        return int(found["points"].sum())

    def _points(self, measurement: Measurement, clauses: str) -> pl.DataFrame:
        """Return the points that a query finds, without those that have no value."""
        fields = {
            name: hot_points.physical_type(dtype) for name, dtype in measurement.fields.items()
        }
        found = self._server.query(
            f"SELECT {_columns(measurement, fields)}, {identifier(NULL_FIELDS)}"
            f" FROM {identifier(measurement.name)} {clauses}",
            _schema(measurement, {**fields, NULL_FIELDS: pl.String()}),
        )
        nulls = pl.col(NULL_FIELDS).fill_null("").str.split(",")
        held = found.with_columns(
            pl.when(~nulls.list.contains(name)).then(pl.col(name)) for name in fields
        )
        return (
            _dated(measurement, held)
            .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in fields))
            .select(
                *measurement.tags,
                measurement.time,
                *(hot_points.logical(name, dtype) for name, dtype in measurement.fields.items()),
            )
            .sort(*measurement.tags, measurement.time)
        )

    def _nothing(self, measurement: Measurement) -> pl.DataFrame:
        return pl.DataFrame(
            schema={
                **dict.fromkeys(measurement.tags, pl.String()),
                measurement.time: INSTANT,
                **measurement.fields,
            }
        )


def _columns(measurement: Measurement, fields: Mapping[str, pl.DataType]) -> str:
    """Return the columns to select; a field that others wrote with another type has no value."""
    types = {pl.Float64: "float", pl.Int64: "integer", pl.Boolean: "boolean", pl.String: "string"}
    return ", ".join(
        [
            *(f"{identifier(tag)}::tag" for tag in measurement.tags),
            *(f"{identifier(name)}::{types[type(dtype)]}" for name, dtype in fields.items()),
        ]
    )


def _schema(measurement: Measurement, fields: dict[str, pl.DataType]) -> dict[str, pl.DataType]:
    return {**dict.fromkeys(measurement.tags, pl.String()), "time": pl.Int64(), **fields}


def _dated(measurement: Measurement, found: pl.DataFrame) -> pl.DataFrame:
    """Return an answer's rows with the tags and times of points."""
    return found.with_columns(
        pl.col(measurement.tags).fill_null(""), pl.col("time").cast(INSTANT)
    ).rename({"time": measurement.time})


def _within(start: datetime | None = None, end: datetime | None = None) -> str:
    bounds = [
        f"time >= {microseconds(start)}u" if start is not None else f"time >= '{_EVER[0]}'",
        f"time < {microseconds(end)}u" if end is not None else f"time < '{_EVER[1]}'",
    ]
    return " AND ".join(bounds)


def _of_series(tags: Tags) -> str:
    """Return the condition that series are meant by; InfluxQL has no `IN`."""
    wanted = (
        " OR ".join(f"{identifier(tag)} = {string(value)}" for value in of)
        for tag, of in tags.items()
    )
    return "".join(f" AND ({one})" for one in wanted)


def _all_null(measurement: Measurement) -> str:
    return string(",".join(measurement.fields))


def _body(written: pl.Series) -> bytes:
    text: str = written.str.join("\n").item()
    return text.encode()
