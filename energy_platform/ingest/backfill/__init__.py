"""Backfills: a provider is asked for the past, and what it says goes the way of all that lands.

`window` is what is asked for, `record` remembers what has come, and `run` asks, beside a collector
that goes on undisturbed. How a provider is asked is its feed's business (`HistoricalFeed`).
"""

from energy_platform.ingest.backfill.record import BackfillRecord
from energy_platform.ingest.backfill.run import Backfiller, BackfillReport, catch_up, stored_rows
from energy_platform.ingest.backfill.window import BackfillWindow

__all__ = [
    "BackfillRecord",
    "BackfillReport",
    "BackfillWindow",
    "Backfiller",
    "catch_up",
    "stored_rows",
]
