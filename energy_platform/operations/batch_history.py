"""What every micro-batch did, kept for ninety days: offsets, rows, seconds, drift, errors.

The history shows what happened last night, long after Dagster has deleted its runs, and gives the
status and the alerts the batches of the last hour. Each batch is one line for three days; older
lines are summed by source and hour. So the number of sources bounds the file, not the number of
batches. The history is no source of truth: rows are in the warehouse, and failures in the
quarantine.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

import polars as pl

from energy_platform.market.back_off import pause_seconds
from energy_platform.market.instants import INSTANT, microseconds
from energy_platform.settings import StatePlace
from energy_platform.storage.state import Statements, state_tables

if TYPE_CHECKING:
    from energy_platform.pipeline.micro_batch import BatchReport

KEPT: Final = timedelta(days=90)
"""How long a line is kept."""
EACH_BATCH_KEPT: Final = timedelta(days=3)
"""How long each batch has its own line; older lines are summed by source and hour."""
MOST_LINES: Final = 1_000_000
"""With more lines than this, the oldest are summed sooner."""
LATELY: Final = timedelta(hours=1)
"""What "lately" means for a quarantine rate."""
_USUAL: Final = timedelta(minutes=10)
"""Over how long a batch's usual length is taken."""

_HOUR: Final = timedelta(hours=1) // timedelta(microseconds=1)
_REMARK_CHARACTERS: Final = 500
_MOST_DIFFERENCES: Final = 20
"""How many layout differences of a source's newest batch are remembered."""
_FIRST_PAUSE_SECONDS: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 60.0

_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS line (
    finished_at INTEGER, -- microseconds; of an hour's batches the last one's
    source TEXT,
    batches INTEGER, failed INTEGER, start INTEGER, stop INTEGER, messages INTEGER,
    rows_parsed INTEGER, rows_new INTEGER, quarantined INTEGER, seconds REAL,
    drift INTEGER, error INTEGER, -- remarks
    PRIMARY KEY (finished_at, source)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remark (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS newest (
    source TEXT PRIMARY KEY, drift TEXT, failures INTEGER, not_before INTEGER, error TEXT
);
CREATE TABLE IF NOT EXISTS summed (before_hour INTEGER); -- one row: lines before it are sums
CREATE TABLE IF NOT EXISTS lost_segment (
    source TEXT, start INTEGER, seen_at INTEGER, -- microseconds, of the last batch that met it
    PRIMARY KEY (source, start)
) WITHOUT ROWID;
"""
_COLUMNS: Final = (
    "finished_at, source, batches, failed, start, stop, messages, rows_parsed, rows_new,"
    " quarantined, seconds, drift, error"
)
"""The columns that are written; a file of an older release may have more."""
_IN_ITS_PLACE: Final = "ON CONFLICT (finished_at, source) DO UPDATE SET " + ", ".join(
    f"{one} = excluded.{one}" for one in _COLUMNS.split(", ")[2:]
)
"""What becomes of an earlier line of the same microsecond."""
_SUMS: Final = """
    SELECT MAX(finished_at), source, SUM(batches), SUM(failed), MIN(start), MAX(stop),
           SUM(messages), SUM(rows_parsed), SUM(rows_new), SUM(quarantined), SUM(seconds),
           MAX(drift), MAX(error)
    FROM line WHERE finished_at >= ? AND finished_at < ?
    GROUP BY source, finished_at / ?
"""
SCHEMA: Final[Mapping[str, pl.DataType]] = {
    "finished_at": INSTANT,
    "source": pl.String(),
    "batches": pl.Int64(),
    "failed": pl.Int64(),
    "start_offset": pl.Int64(),
    "stop_offset": pl.Int64(),
    "messages": pl.Int64(),
    "rows_parsed": pl.Int64(),
    "rows_new": pl.Int64(),
    "quarantined": pl.Int64(),
    "seconds": pl.Float64(),
    "drift": pl.String(),
    "error": pl.String(),
}
"""The columns of a line of the history.

`finished_at` is when the line's last batch ended; `batches` and `failed` count those that succeeded
and failed. Offsets [start, stop), messages, rows and `seconds` cover all batches of the line.
`drift` and `error` say what was wrong, and are null if nothing was.
"""


@dataclass(frozen=True, slots=True)
class SourceLately:
    """What one source's batches reported in the last hour.

    Attributes:
        rows: Rows and unparsed messages that were checked, also those that said nothing new.
        refused: How many of them went to quarantine.
        drift: How the newest batch differed from the accepted layout.
        failures: How many batches in a row have failed, up to the newest one.
        error: Why the newest batch failed; empty if it did not.
        lost_segments: How many landing segments could not be read, in as many days as are kept.
        lost_segments_lately: How many of them were met in the last hour.
    """

    rows: int = 0
    refused: int = 0
    drift: tuple[str, ...] = ()
    failures: int = 0
    error: str = ""
    lost_segments: int = 0
    lost_segments_lately: int = 0


class BatchHistory:
    """The history of one platform's batches. Threads and processes may share it.

    Args:
        place: Where its state is.
    """

    def __init__(self, place: StatePlace) -> None:
        self._tables = state_tables(place, "batch_history.sqlite", _LAYOUT)

    def add(self, report: "BatchReport") -> None:
        """Add a line for a batch, unless it had no messages."""
        if report.messages == 0:
            return
        with self._tables.transaction() as statements:
            statements.execute(
                f"INSERT INTO line ({_COLUMNS})"  # noqa: S608 (a constant)
                f" VALUES (?, ?, 1, 0, ?, ?, ?, ?, ?, ?, ?, ?, NULL) {_IN_ITS_PLACE}",
                (
                    _now(),
                    report.source,
                    report.start,
                    report.stop,
                    report.messages,
                    report.rows_parsed,
                    report.rows_new,
                    report.quarantined.height,
                    round(report.seconds, 4),
                    _remark(statements, "; ".join(report.drift)),
                ),
            )
            statements.execute(
                "INSERT INTO newest VALUES (?, ?, 0, 0, '') ON CONFLICT (source) DO UPDATE SET"
                " drift = excluded.drift, failures = 0, not_before = 0, error = ''",
                (report.source, json.dumps(_shortened(report.drift))),
            )
            statements.executemany(
                "INSERT INTO lost_segment VALUES (?, ?, ?)"
                " ON CONFLICT (source, start) DO UPDATE SET seen_at = excluded.seen_at",
                [(report.source, start, _now()) for start in report.lost_at],
            )

    def add_failure(self, source_name: str, error: BaseException) -> None:
        """Add a line for a batch that failed, and delay the next one longer each time."""
        said = f"{type(error).__name__}: {error}".splitlines()[0][:_REMARK_CHARACTERS]
        now = _now()
        with self._tables.transaction() as statements:
            statements.execute(
                f"INSERT INTO line ({_COLUMNS})"  # noqa: S608 (a constant)
                f" VALUES (?, ?, 0, 1, NULL, NULL, 0, 0, 0, 0, 0, NULL, ?) {_IN_ITS_PLACE}",
                (now, source_name, _remark(statements, said)),
            )
            failures = 1 + _failures(statements, source_name)
            pause = pause_seconds(
                failures,
                first_seconds=_FIRST_PAUSE_SECONDS,
                longest_seconds=_LONGEST_PAUSE_SECONDS,
            )
            statements.execute(
                "INSERT INTO newest VALUES (?, '[]', ?, ?, ?) ON CONFLICT (source) DO UPDATE SET"
                " failures = excluded.failures, not_before = excluded.not_before,"
                " error = excluded.error",
                (source_name, failures, now + round(pause * 1e6), said),
            )

    def pausing(self) -> frozenset[str]:
        """Return the sources whose newest batches failed and that wait before the next."""
        if not self._tables.is_begun():
            return frozenset()
        with self._tables.transaction("DEFERRED") as statements:
            found = statements.execute(
                "SELECT source FROM newest WHERE not_before > ?", [_now()]
            ).fetchall()
        return frozenset(source for (source,) in found)

    def usual_seconds(self) -> Mapping[str, float]:
        """Return how long a batch of each source has taken in the last minutes, in the mean."""
        if not self._tables.is_begun():
            return {}
        since = _now() - _USUAL // timedelta(microseconds=1)
        with self._tables.transaction("DEFERRED") as statements:
            found = statements.execute(
                "SELECT source, SUM(seconds) / SUM(batches) FROM line"
                " WHERE finished_at >= ? GROUP BY source HAVING SUM(batches) > 0",
                [since],
            ).fetchall()
        return {source: float(seconds) for source, seconds in found}

    def forget_drift(self, source_name: str) -> None:
        """Forget how a source's newest batch differed, after its layout was accepted."""
        with self._tables.transaction() as statements:
            statements.execute("UPDATE newest SET drift = '[]' WHERE source = ?", [source_name])

    def lately(self) -> Mapping[str, SourceLately]:
        """Return what each source's batches reported lately; empty before the first batch."""
        if not self._tables.is_begun():
            return {}
        since = _now() - LATELY // timedelta(microseconds=1)
        with self._tables.transaction("DEFERRED") as statements:
            counts = {
                source: (rows, refused)
                for source, rows, refused in statements.execute(
                    "SELECT source, CAST(SUM(rows_parsed + quarantined) AS BIGINT),"
                    " CAST(SUM(quarantined) AS BIGINT) FROM line"
                    " WHERE finished_at >= ? GROUP BY source",
                    [since],
                )
            }
            newest = statements.execute(
                "SELECT source, drift, failures, error FROM newest"
            ).fetchall()
            lost = {
                source: (met, met_lately)
                for source, met, met_lately in statements.execute(
                    "SELECT source, COUNT(*), COUNT(CASE WHEN seen_at >= ? THEN 1 END)"
                    " FROM lost_segment GROUP BY source",
                    [since],
                )
            }
        return {
            source: SourceLately(
                *counts.get(source, (0, 0)),
                tuple(json.loads(drift)),
                failures,
                error,
                *lost.get(source, (0, 0)),
            )
            for source, drift, failures, error in newest
        }

    def lines(self, source_name: str | None = None, *, since: datetime) -> pl.DataFrame:
        """Return the lines that finished at `since` or later, of one source or of all, in order.

        The columns are those of `SCHEMA`. Nothing is written, so that a home may be read-only.
        """
        found: list[tuple[object, ...]] = []
        if self._tables.is_begun():
            with self._tables.reading() as statements:
                found = statements.execute(
                    "SELECT finished_at, source, batches, failed, start, stop, messages,"
                    " rows_parsed, rows_new, quarantined, seconds, drift.text, error.text"
                    " FROM line"
                    " LEFT JOIN remark AS drift ON drift.id = line.drift"
                    " LEFT JOIN remark AS error ON error.id = line.error"
                    " WHERE finished_at >= ? AND source = COALESCE(?, source)"
                    " ORDER BY finished_at, source",
                    (microseconds(since), source_name),
                ).fetchall()
        return pl.DataFrame(found, schema={**SCHEMA, "finished_at": pl.Int64()}, orient="row").cast(
            {"finished_at": INSTANT}
        )

    def stored_bytes(self) -> int:
        """Return what the history takes of the disk."""
        return self._tables.stored_bytes()

    def compact(self, *, now: datetime, most_lines: int = MOST_LINES) -> int:
        """Sum old lines by source and hour, and delete the oldest; return how many are left."""
        with self._tables.transaction() as statements:
            until = microseconds(now - EACH_BATCH_KEPT)
            surplus = statements.execute(
                "SELECT finished_at FROM line ORDER BY finished_at DESC LIMIT 1 OFFSET ?",
                [most_lines],
            ).fetchone()
            if surplus is not None:
                until = max(until, surplus[0] + _HOUR)
            _sum_up(statements, until // _HOUR)
            oldest = [microseconds(now - KEPT)]
            statements.execute("DELETE FROM line WHERE finished_at < ?", oldest)
            statements.execute("DELETE FROM lost_segment WHERE seen_at < ?", oldest)
            statements.execute(
                "DELETE FROM remark WHERE id NOT IN (SELECT drift FROM line WHERE drift IS NOT NULL"
                " UNION SELECT error FROM line WHERE error IS NOT NULL)"
            )
            [left] = statements.execute("SELECT COUNT(*) FROM line").fetchone()
        return int(left)


def by_source(lines: pl.DataFrame) -> pl.DataFrame:
    """Return one row per source that sums its lines; remarks are the newest of each kind."""
    sums = ("batches", "failed", "messages", "rows_parsed", "rows_new", "quarantined", "seconds")
    return (
        lines.sort("finished_at")
        .group_by("source")
        .agg(
            pl.col(*sums).sum(),
            pl.col("start_offset").min(),
            pl.col("stop_offset").max(),
            pl.col("drift", "error").drop_nulls().last(),
            pl.col("finished_at").max(),
        )
        .select(lines.columns)
        .sort("source")
    )


def _sum_up(statements: Statements, hour: int) -> None:
    """Sum all lines that finished before an hour, from where the last call ended."""
    [done] = statements.execute("SELECT COALESCE(MAX(before_hour), 0) FROM summed").fetchone()
    if hour <= done:
        return
    span = (done * _HOUR, hour * _HOUR)
    summed = statements.execute(_SUMS, (*span, _HOUR)).fetchall()
    statements.execute("DELETE FROM line WHERE finished_at >= ? AND finished_at < ?", span)
    marks = ", ".join("?" * len(SCHEMA))
    statements.executemany(
        f"INSERT INTO line ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 (constants)
        summed,
    )
    statements.execute("DELETE FROM summed")
    statements.execute("INSERT INTO summed VALUES (?)", [hour])


def _remark(statements: Statements, text: str) -> int | None:
    """Return the number of a text, which is stored once however many lines have it."""
    if not text:
        return None
    shortened = text[:_REMARK_CHARACTERS]
    statements.execute("INSERT INTO remark (text) VALUES (?) ON CONFLICT DO NOTHING", [shortened])
    [number] = statements.execute("SELECT id FROM remark WHERE text = ?", [shortened]).fetchone()
    return int(number)


def _shortened(texts: Iterable[str]) -> list[str]:
    return [text[:_REMARK_CHARACTERS] for text in islice(texts, _MOST_DIFFERENCES)]


def _failures(statements: Statements, source_name: str) -> int:
    found = statements.execute("SELECT failures FROM newest WHERE source = ?", [source_name])
    [failures] = found.fetchone() or [0]
    return int(failures)


def _now() -> int:
    return microseconds(datetime.now(UTC))
