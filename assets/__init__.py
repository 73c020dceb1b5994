"""The assets: each market source's table, with what lies upstream and downstream of it.

Thin: an asset runs one micro-batch of the library and tells Dagster what came of it. Beside them
are the marts, which dbt makes of them, and the job that asks for their past.
"""

from assets.backfill import backfill_job
from assets.market import market_assets
from assets.marts import mart_assets

__all__ = ["backfill_job", "market_assets", "mart_assets"]
