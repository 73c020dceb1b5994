"""The collector: the long-lived process that runs every feed and lands what it brings.

`lander` makes bytes durable, `source_task` runs one source for ever, and `service` runs them all.
What a feed says to its provider is in `energy_platform.feeds`.
"""

from energy_platform.ingest.collector.service import collect

__all__ = ["collect"]
