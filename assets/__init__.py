"""The assets: each source's landing, table and hot copy, marts, signals, and the batch history.

Thin: an asset runs one micro-batch of the library and reports the result to Dagster. Beside the
assets are the jobs of backfills and replays, and a failing asset for each broken file of a source.
"""

from assets.backfill import backfill_job
from assets.batch_history import batch_history
from assets.broken import broken_assets
from assets.market import market_assets
from assets.marts import mart_assets
from assets.replay import replay_job
from assets.signals import signal_assets

__all__ = [
    "backfill_job",
    "batch_history",
    "broken_assets",
    "market_assets",
    "mart_assets",
    "replay_job",
    "signal_assets",
]
