"""The keys of a source's landing and hot copy, and how often Dagster is told of them.

An asset says what they are, a sensor how they are; neither imports the other.
"""

from datetime import timedelta
from typing import Final

from dagster import AssetKey

from energy_platform.market.source import MarketSource

REPORTED_EVERY: Final = timedelta(minutes=1)
"""How often Dagster is told of a landing or a hot copy at most."""


def landing_key(source: MarketSource) -> AssetKey:
    """Return the key of a source's raw messages."""
    return AssetKey(f"{source.name}_landing")


def hot_copy_key(source: MarketSource) -> AssetKey:
    """Return the key of a source's hot copy."""
    return AssetKey(f"{source.name}_hot")
