"""Whether committing to a Delta table, and compacting it, stays as cheap as on its first day.

    python benchmarks/delta_tables.py [--days 50] [--json delta_tables.json]

Makes a table batch by batch through the warehouse of the platform, with its upkeep in between, and
measures it after the first day, after a fifth of the days, and after all. A day is compressed: it
has `BATCHES_A_DAY` batches, and what is kept for minutes and hours goes after a second.
It prints what each thing takes in CPU, and the last day's value divided by the first day's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final
from unittest import mock

import polars as pl
from deltalake import DeltaTable

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from energy_platform.market.instants import INSTANT
from energy_platform.storage.warehouse import delta
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support.warehouses import EPOCH, prices

TABLE: Final = prices()
BATCHES_A_DAY: Final = 80
BATCHES_BETWEEN_UPKEEP: Final = 40
ROWS_A_BATCH: Final = 3_000
MEASURED_COMMITS: Final = 20
MEASURED_ANSWERS: Final = 10
ROUNDS: Final = 11
"""How often a table is measured at each age: the log is longer just before a checkpoint, and
upkeeps differ in what they write.
"""
BRIEFLY: Final = {
    "delta.logRetentionDuration": "interval 1 second",
    "delta.deletedFileRetentionDuration": "interval 1 second",
}


class GrowingTable:
    """A table that is committed to batch by batch.

    Args:
        root: Where the warehouse is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.warehouse = DeltaWarehouse(root)
        self.stop = 0

    @property
    def days(self) -> float:
        """How many days the table has."""
        return self.stop / BATCHES_A_DAY

    def commit(self) -> float:
        """Commit a batch; return the CPU time that it took."""
        rows = batch(self.stop)
        began = time.process_time()
        self.warehouse.commit(TABLE, rows, start=self.stop, stop=self.stop + 1)
        took = time.process_time() - began
        self.stop += 1
        return took

    def maintain(self) -> None:
        """Do the upkeep."""
        self.warehouse.maintain([TABLE])

    def grow(self, days: int) -> None:
        """Commit, with upkeep, until the table has so many days."""
        while self.days < days:
            self.commit()
            if self.stop % BATCHES_BETWEEN_UPKEEP == 0:
                self.maintain()

    def measured(self) -> dict[str, float]:
        """Return what a commit, a look at the newest rows, an opening and an upkeep take."""
        since = EPOCH + timedelta(days=self.days) - timedelta(hours=1)
        commits = [self.commit() for _ in range(MEASURED_COMMITS)]
        position = self.warehouse.position(TABLE)
        found = {
            "commit": median(commits),
            "newest rows": self._median(
                lambda: self.warehouse.rows_at(TABLE, position, since=since).collect()
            ),
            "opening": self._median(lambda: DeltaWarehouse(self.root).position(TABLE)),
        }
        for _ in range(BATCHES_BETWEEN_UPKEEP - MEASURED_COMMITS):
            self.commit()
        before = self._files()
        began = time.process_time()
        self.maintain()
        found["upkeep"] = time.process_time() - began
        found = {f"{name}, ms of CPU": 1000 * seconds for name, seconds in found.items()}
        after = self._files()
        found["written by an upkeep, MB"] = sum(
            size for name, size in after.items() if name not in before
        ) / 1e6  # fmt: skip
        return found

    def counts(self) -> dict[str, int]:
        """Return how many files the table is made of, and how many its folder and its log have."""
        log = self.root / TABLE.name / "_delta_log"
        return {
            "files": len(DeltaTable(self.root / TABLE.name).file_uris()),
            "files in the folder": len(self._files()),
            "entries of the log": len(list(log.iterdir())),
        }

    def _files(self) -> dict[str, int]:
        return {
            file.name: file.stat().st_size for file in (self.root / TABLE.name).glob("*.parquet")
        }

    def _median(self, work: Callable[[], object]) -> float:
        took = []
        for _ in range(MEASURED_ANSWERS):
            began = time.process_time()
            work()
            took.append(time.process_time() - began)
        return median(took)


def batch(number: int) -> pl.DataFrame:
    """Return the rows of a batch: prices of many zones, received in its part of a day."""
    row = pl.int_range(ROWS_A_BATCH, dtype=pl.Int64)
    at = pl.lit(EPOCH + timedelta(days=number / BATCHES_A_DAY), dtype=INSTANT)
    instant = at + pl.duration(milliseconds=100 * row)
    columns = {
        "received_at": instant,
        "landing_offset": pl.lit(number, dtype=pl.Int64),
        "delivery_start": instant,
        "bidding_zone": pl.format("zone {}", row % 50),
        "price_eur_per_mwh": (row * 7_919 * (number + 1) % 20_011) / 100,
        "is_final": row % 3 == 0,
    }
    return pl.select(row.alias("")).select(columns[name].alias(name) for name in TABLE.dtypes)


def figure(what: str, values: list[float], ages: list[int]) -> Figure:
    """Return the last age's value divided by the first one's, or what is written as it is."""
    name, unit = what.split(", ")
    note = f"{' / '.join(f'{value:,.1f}' for value in values)} {unit} after {ages} days"
    if unit == "MB":
        return goals.UPKEEP_MB.measured(values[-1], note)
    return goals.TABLE_RATIOS[name].measured(values[-1] / values[0], note)


def main() -> None:
    """Make the table, measure it at three ages, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=50)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    configured = delta._CONFIGURATION | BRIEFLY  # noqa: SLF001 (a second in place of hours)
    ages = sorted({1, max(arguments.days // 5, 1), arguments.days})
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(delta, "_CONFIGURATION", configured),
    ):
        table, found = GrowingTable(Path(folder)), []
        for age in ages:
            table.grow(age)
            rounds = [table.measured() for _ in range(ROUNDS)]
            found.append({what: median(each[what] for each in rounds) for what in rounds[0]})
            print(f"after {age} days: {table.counts()}")
    figures = [figure(what, [each[what] for each in found], ages) for what in found[0]]
    print_table(figures)
    if arguments.json:
        write_json(figures, arguments.json)


if __name__ == "__main__":
    main()
