"""The assets: each market source's table, with what lies upstream and downstream of it.

Thin: an asset runs one micro-batch of the library and tells Dagster what came of it.
"""

from assets.market import market_assets

__all__ = ["market_assets"]
