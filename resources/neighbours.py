"""The keys of a source's landing and hot copy, and how often they are reported to Dagster.

The assets define them and a sensor reports them; neither imports the other.
"""

from datetime import timedelta
from typing import Final

from dagster import AssetKey

from energy_platform.market.source import MarketSource

REPORTED_EVERY: Final = timedelta(minutes=1)
"""The shortest time between two reports of a landing or a hot copy."""


def landing_key(source: MarketSource) -> AssetKey:
    """Return the key of a source's raw messages."""
    return AssetKey(f"{source.name}_landing")


def hot_copy_key(source: MarketSource) -> AssetKey:
    """Return the key of a source's hot copy."""
    return AssetKey(f"{source.name}_hot")
