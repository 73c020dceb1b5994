"""The embedded hot store: one SQLite file that many processes read and write.

Each measurement is a table of its own name with a column per tag and field, so any SQL tool can
plot it. The view `<name>.latest` shows the point of each series that holds now, by the wall clock;
the table `<name>.series` lists the series. Two more columns of a point's row are not part of it:
`written_at`, the wall clock at the write, shows how long a point took to arrive; `written_stop`,
the landing offset up to which the writer had read, keeps a slow writer of an older batch from
overwriting a newer point.

Instants are integers of microseconds. Numbers that are not finite are stored as null. A point whose
fields are all null is stored, so that it replaces an older one, but is not read back;
`empty_points` counts such points.
"""

# ruff: noqa: S608 (SQL is built from names that `_quoted` has quoted; every value is bound)

import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import polars as pl

from energy_platform.market.instants import INSTANT, instant, microseconds
from energy_platform.storage.hot_store import points as hot_points
from energy_platform.storage.hot_store.points import FieldKind, field_kind
from energy_platform.storage.hot_store.protocol import ANY_SERIES, REASON, Measurement, Tags
from energy_platform.storage.sqlite_file import SqliteFile
from energy_platform.storage.sqlite_space import used_bytes

MOST_BYTES: Final = 2 * 2**30
"""How much the points of all measurements may take."""

_LEAST_KEPT: Final = 3_600_000_000
"""An hour of points stays, however large the file is; in microseconds."""
_SORTED_FROM: Final = 1_000
"""From so many points on, sorting them by their key costs less than it saves: SQLite stores them in
that order, and scattered points take up to 1.7 times the CPU.
"""
_CUT_INTO: Final = 10
"""Of so many parts of the time that the points span, the first is cut off at once."""

_OFFSETS: Final = '"committed.offsets"'
_SCHEMA: Final = (
    f"CREATE TABLE IF NOT EXISTS {_OFFSETS} "
    "(measurement TEXT PRIMARY KEY, stop INTEGER NOT NULL) WITHOUT ROWID"
)


class SqliteHotStore:
    """A `HotStore` in one file. Threads may share it; they take turns.

    Args:
        path: The file; the file and its folder are created if they are missing.
        most_bytes: How much the points may take once the store is compacted.
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._file = SqliteFile(path, _SCHEMA)
        self._most_bytes = most_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def committed_offset(self, measurement: Measurement) -> int:
        """Return the landing offset up to which points have been written; 0 at first."""
        with self._file.transaction("DEFERRED") as connection:
            if not _Layout(measurement).is_held_by(connection):
                return 0
            [stop] = connection.execute(
                f"SELECT COALESCE(MAX(stop), 0) FROM {_OFFSETS} WHERE measurement = ?",
                [measurement.name],
            ).fetchone()
            return int(stop)

    def write(self, measurement: Measurement, points: pl.DataFrame, *, stop: int) -> pl.DataFrame:
        """Write points in one transaction; none is ever refused."""
        layout = _Layout(measurement)
        rows = layout.to_storage(points, stop=stop)
        if rows.height >= _SORTED_FROM:
            rows = rows.sort(*measurement.tags, measurement.time, maintain_order=True)
        series = rows.select(measurement.tags).unique().rows() if measurement.tags else []
        with self._file.transaction() as connection:
            if not layout.is_held_by(connection):
                layout.create(connection)
            connection.executemany(layout.upsert, rows.iter_rows())
            if series:
                connection.executemany(layout.note_series, series)
        return points.clear().with_columns(pl.lit(None, dtype=pl.String).alias(REASON))

    def commit_offset(self, measurement: Measurement, *, stop: int) -> None:
        """Record that all points before this landing offset are written; it never decreases."""
        layout = _Layout(measurement)
        with self._file.transaction() as connection:
            if not layout.is_held_by(connection):
                layout.create(connection)
            connection.execute(
                f"INSERT INTO {_OFFSETS} VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET stop = MAX(stop, excluded.stop)",
                [measurement.name, stop],
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
        layout = _Layout(measurement)
        series, values = _of_series(tags)
        bounds = {
            f"{layout.time} {comparison} ?": microseconds(bound)
            for comparison, bound in ((">=", start), ("<", end))
            if bound is not None
        }
        query = layout.select_points(*series, *bounds)
        return self._points(layout, query, [*values, *bounds.values()])

    def latest(
        self,
        measurement: Measurement,
        *,
        at: datetime | None = None,
        tags: Tags = ANY_SERIES,
    ) -> pl.DataFrame:
        """Return the point that holds of each series at an instant, ordered by tags."""
        layout = _Layout(measurement)
        series, values = _of_series(tags)
        instant = microseconds(at) if at is not None else time.time_ns() // 1000
        return self._points(layout, layout.select_latest(*series), [instant, *values])

    def clear(self, measurement: Measurement) -> None:
        """Remove every point of the measurement and forget its offset."""
        with self._file.transaction() as connection:
            _Layout(measurement).create(connection)

    def expire(self, measurement: Measurement, *, before: datetime) -> int:
        """Remove points older than `before`; return how many."""
        layout = _Layout(measurement)
        removed = 0
        with self._file.transaction() as connection:
            if layout.is_held_by(connection):
                if measurement.tags:
                    connection.execute(layout.forget_series, [microseconds(before)] * 2)
                removed = connection.execute(
                    f"DELETE FROM {layout.points} WHERE {layout.time} < ?", [microseconds(before)]
                ).rowcount
        return removed

    def compact(self, measurements: Sequence[Measurement]) -> int:
        """Remove the oldest points while the file is too large, and give the disk back the rest.

        Points of one span of time go from all measurements at once, so that no dashboard reaches
        further back than another. A file that one point fills stays as it is.
        """
        removed = 0
        reach = pl.DataFrame(
            [self._reach(one) for one in measurements],
            schema={"first": pl.Int64(), "last": pl.Int64()},
            orient="row",
        )
        first, last = reach["first"].min(), reach["last"].max()
        if isinstance(first, int) and isinstance(last, int):
            while last - first > _LEAST_KEPT and used_bytes(self._file.path) > self._most_bytes:
                first += (last - first) // _CUT_INTO
                removed += sum(self.expire(one, before=instant(first)) for one in measurements)
        self._file.give_back()
        return removed

    def _reach(self, measurement: Measurement) -> tuple[int | None, int | None]:
        """Return the times of a measurement's oldest and newest point."""
        layout = _Layout(measurement)
        with self._file.transaction("DEFERRED") as connection:
            if not layout.is_held_by(connection):
                return None, None
            # One at a time: so SQLite takes either from the end of the index.
            [[first], [last]] = (
                connection.execute(f"SELECT {end}({layout.time}) FROM {layout.points}").fetchone()
                for end in ("MIN", "MAX")
            )
        return first, last

    def empty_points(self, measurement: Measurement) -> int:
        """Return how many points have no value in any field; they aren't read back."""
        layout = _Layout(measurement)
        with self._file.transaction("DEFERRED") as connection:
            if not layout.is_held_by(connection):
                return 0
            [count] = connection.execute(
                f"SELECT COUNT(*) FROM {layout.points} WHERE NOT ({layout.has_value})"
            ).fetchone()
            return int(count)

    def _points(self, layout: "_Layout", query: str, values: Sequence[object]) -> pl.DataFrame:
        with self._file.transaction("DEFERRED") as connection:
            held = layout.is_held_by(connection)
            rows = connection.execute(query, values).fetchall() if held else []
        return layout.from_storage(rows)


class _Layout:
    """How one measurement is stored: its tables, its statements, and its column types.

    Raises:
        ValueError: A field's type can't be stored, or two columns share a name.
    """

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        tags = [_quoted(tag) for tag in measurement.tags]
        fields = [_quoted(field) for field in measurement.fields]
        self.time = _quoted(measurement.time)
        self.points = _quoted(measurement.name)
        columns = [*tags, self.time, *fields, *_WRITTEN]
        if len({column.casefold() for column in columns}) < len(columns):
            raise ValueError(f"{measurement.name}: two columns share a name")

        types = [_storage_type(dtype) for dtype in measurement.fields.values()]
        definitions = ", ".join(
            [
                *(f"{tag} TEXT NOT NULL" for tag in tags),
                f"{self.time} INTEGER NOT NULL",
                *(f"{field} {type_}" for field, type_ in zip(fields, types, strict=True)),
                *(f"{column} INTEGER NOT NULL" for column in _WRITTEN),
                f"PRIMARY KEY ({', '.join([*tags, self.time])})",
            ]
        )
        self._definition = f"CREATE TABLE {self.points} ({definitions}) WITHOUT ROWID"
        has_value = [f"{field} IS NOT NULL" for field in fields]
        self.has_value = " OR ".join(has_value) or "TRUE"
        updates = ", ".join(f"{column} = excluded.{column}" for column in [*fields, *_WRITTEN])
        self.upsert = (
            f"INSERT INTO {self.points} VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT DO UPDATE SET {updates} WHERE excluded.{_WRITTEN_STOP} >= {_WRITTEN_STOP}"
        )

        series = _quoted(f"{measurement.name}.series")
        named = ", ".join(tags)
        self._series = (
            f"CREATE TABLE {series} ({', '.join(f'{tag} TEXT NOT NULL' for tag in tags)},"
            f" PRIMARY KEY ({named})) WITHOUT ROWID"
        )
        self.note_series = f"INSERT OR IGNORE INTO {series} VALUES ({', '.join('?' * len(tags))})"
        same = " AND ".join(f"newer.{tag} = {series}.{tag}" for tag in tags)
        self.forget_series = (
            f"DELETE FROM {series} WHERE ({named}) IN"
            f" (SELECT {named} FROM {self.points} WHERE {self.time} < ?) AND NOT EXISTS"
            f" (SELECT 1 FROM {self.points} AS newer WHERE {same} AND newer.{self.time} >= ?)"
        )
        self._point = ", ".join([*tags, self.time, *fields])
        self._order = ", ".join([*tags, self.time])
        self._latest = self._latest_by(series, tags, has_value)
        shown = self._latest.replace("{at}", _NOW)
        self._view = f"CREATE VIEW {_quoted(f'{measurement.name}.latest')} AS {shown}"

    def _latest_by(self, series: str, tags: Sequence[str], has_value: Sequence[str]) -> str:
        """Return the query for the point of each series that holds at `{at}`: a seek for each."""
        valued = " OR ".join(f"held.{condition}" for condition in has_value) or "TRUE"
        same = "".join(f" AND held.{tag} = series.{tag}" for tag in tags)
        newest = (
            f"SELECT held.{self.time} FROM {self.points} AS held WHERE held.{self.time} <= {{at}}"
            f"{same} AND ({valued}) ORDER BY held.{self.time} DESC LIMIT 1"
        )
        if not tags:
            return f"SELECT * FROM {self.points} WHERE {self.time} = ({newest})"
        point = "".join(f" AND point.{tag} = series.{tag}" for tag in tags)
        return (
            f"SELECT point.* FROM {series} AS series JOIN {self.points} AS point"
            f" ON point.{self.time} = ({newest}){point}"
        )

    def select_latest(self, *conditions: str) -> str:
        """Return the query for the points that hold at an instant, of series that are meant."""
        held = self._latest.replace("{at}", "?1")
        if conditions:
            held += " WHERE " + " AND ".join(f"series.{condition}" for condition in conditions)
        return f"SELECT {self._point} FROM ({held}) ORDER BY {self._order}"

    def select_points(self, *conditions: str) -> str:
        """Return the query for points that have a value and meet the conditions."""
        where = " AND ".join([f"({self.has_value})", *conditions])
        return f"SELECT {self._point} FROM {self.points} WHERE {where} ORDER BY {self._order}"

    def is_held_by(self, connection: sqlite3.Connection) -> bool:
        """Return whether the file has this measurement's tables, with today's columns."""
        name = self._measurement.name
        stored = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name IN (?, ?) ORDER BY length(name)",
            [name, f"{name}.latest"],
        ).fetchall()
        return stored == [(self._definition,), (self._view,)]

    def create(self, connection: sqlite3.Connection) -> None:
        """Create the tables, empty, and the view; drop those that were there."""
        name = self._measurement.name
        for kind, old in connection.execute(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view')"
            " AND name IN (?, ?, ?)",
            [name, f"{name}.series", f"{name}.latest"],
        ).fetchall():
            connection.execute(f"DROP {kind} {_quoted(old)}")
        connection.execute(self._definition)
        if self._measurement.tags:
            connection.execute(self._series)
        connection.execute(self._view)
        index = _quoted(f"{self._measurement.name}.time")
        connection.execute(f"CREATE INDEX {index} ON {self.points} ({self.time})")
        connection.execute(
            f"DELETE FROM {_OFFSETS} WHERE measurement = ?", [self._measurement.name]
        )

    def to_storage(self, points: pl.DataFrame, *, stop: int) -> pl.DataFrame:
        """Return points as rows of the table, one per series and time."""
        measurement = self._measurement
        return hot_points.tidy(measurement, points).select(
            *measurement.tags,
            pl.col(measurement.time).to_physical(),
            *(
                hot_points.physical(name, dtype).cast(_stored(dtype))
                for name, dtype in measurement.fields.items()
            ),
            written_at=pl.lit(time.time_ns() // 1000),
            written_stop=pl.lit(stop),
        )

    def from_storage(self, rows: list[tuple[object, ...]]) -> pl.DataFrame:
        """Return rows of the table as points."""
        measurement = self._measurement
        schema: dict[str, pl.DataType] = {
            **dict.fromkeys(measurement.tags, pl.String()),
            measurement.time: pl.Int64(),
            **{name: _stored(dtype) for name, dtype in measurement.fields.items()},
        }
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            pl.col(measurement.time).cast(INSTANT),
            *(hot_points.logical(name, dtype) for name, dtype in measurement.fields.items()),
        )


def _of_series(tags: Tags) -> tuple[list[str], list[str]]:
    """Return the conditions that series are meant by, and their values."""
    conditions = [f"{_quoted(tag)} IN ({', '.join('?' * len(of))})" for tag, of in tags.items()]
    return conditions, [value for of in tags.values() for value in of]


_NOW: Final = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
_WRITTEN_STOP: Final = "written_stop"
_WRITTEN: Final = ("written_at", _WRITTEN_STOP)


def _storage_type(dtype: pl.DataType) -> str:
    match field_kind(dtype):
        case FieldKind.FLOAT:
            return "REAL"
        case FieldKind.TEXT:
            return "TEXT"
        case _:
            return "INTEGER"


def _stored(dtype: pl.DataType) -> pl.DataType:
    """Return the type of a field in a row; SQLite's booleans are integers."""
    return pl.Int64() if dtype == pl.Boolean else hot_points.physical_type(dtype)


def _quoted(name: str) -> str:
    """Return a name as an SQL identifier, whatever characters are in it."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} can't name a table or a column")
    return '"' + name.replace('"', '""') + '"'
