"""What assets and sensors lean on: the stores as a Dagster resource, and the warm workers.

No market is known here, and no asset is defined here.
"""

from resources.platform import Platform

__all__ = ["Platform"]
