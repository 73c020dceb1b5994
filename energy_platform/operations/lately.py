"""What the platform's batches said lately: how many rows were refused, and how layouts drifted.

Kept for a day in one file of the home folder, for the status page and the alerts. No truth is here:
rows are in the warehouse, what failed in the quarantine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.storage.sqlite_file import SqliteFile

WINDOW: Final = timedelta(hours=1)
"""What "lately" means for a quarantine rate."""

_KEPT: Final = timedelta(days=1)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tally (
    source TEXT, minute INTEGER, rows INTEGER, refused INTEGER, PRIMARY KEY (source, minute)
);
CREATE TABLE IF NOT EXISTS drift (source TEXT PRIMARY KEY, differences TEXT);
"""


@dataclass(frozen=True, slots=True)
class SourceLately:
    """What one source's batches said in the last hour.

    Attributes:
        rows: Rows and unparsed messages that were checked, also those that said nothing new.
        refused: Those of them that went to quarantine.
        drift: How its newest batch differed from the accepted layout.
    """

    rows: int = 0
    refused: int = 0
    drift: tuple[str, ...] = ()


class Lately:
    """The notes of one home. Threads and processes may share them.

    Args:
        home: The home folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "lately.sqlite"
        self._file = SqliteFile(self._path, _SCHEMA)

    def add(self, report: BatchReport) -> None:
        """Note what a batch did; one without messages says nothing."""
        if report.messages == 0:
            return
        refused = report.quarantined.height
        minute = int(datetime.now(UTC).timestamp() // 60)
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET rows = rows + excluded.rows, refused = refused + excluded.refused",
                (report.source, minute, report.rows_parsed + refused, refused),
            )
            connection.execute(
                "INSERT OR REPLACE INTO drift VALUES (?, ?)",
                (report.source, json.dumps(report.drift)),
            )
            oldest = minute - _KEPT // timedelta(minutes=1)
            connection.execute("DELETE FROM tally WHERE minute < ?", (oldest,))

    def forget_drift(self, source_name: str) -> None:
        """Forget how a source differed: its layout has been accepted."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM drift WHERE source = ?", (source_name,))

    def by_source(self) -> Mapping[str, SourceLately]:
        """Return what each source's batches said lately; empty before there were any."""
        if not self._path.exists():
            return {}
        since = (datetime.now(UTC) - WINDOW).timestamp() // 60
        with self._file.transaction() as connection:
            counts = {
                source: (rows, refused)
                for source, rows, refused in connection.execute(
                    "SELECT source, SUM(rows), SUM(refused) FROM tally WHERE minute >= ?"
                    " GROUP BY source",
                    (since,),
                )
            }
            drifts = {
                source: tuple(json.loads(differences))
                for source, differences in connection.execute("SELECT * FROM drift")
            }
        return {
            source: SourceLately(*counts.get(source, (0, 0)), drift=drifts.get(source, ()))
            for source in counts.keys() | drifts.keys()
        }
