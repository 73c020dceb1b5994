"""Backfills: a provider is asked for the past, and its answers land like all others.

`window` is what to ask for, `record` remembers what has landed, and `run` asks, beside a collector
that is not disturbed. Each feed knows how to ask its provider (`HistoricalFeed`).
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
