"""The assets: each market source's table, with what lies upstream and downstream of it.

Thin: an asset runs one micro-batch of the library and tells Dagster what came of it. Beside them
are the marts, which dbt makes of them, the job that asks for their past, and the broken files of
sources, as assets that fail.
"""

from assets.backfill import backfill_job
from assets.broken import broken_assets
from assets.market import market_assets
from assets.marts import mart_assets

__all__ = ["backfill_job", "broken_assets", "market_assets", "mart_assets"]
