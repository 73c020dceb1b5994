"""What assets and sensors use: the stores as a Dagster resource, and the warm workers.

No market and no asset is defined here.
"""

from resources.platform import Platform

__all__ = ["Platform"]
