"""The collector: the long-lived process that runs every feed and lands its messages.

`lander` makes bytes durable, `source_task` runs one source for ever, and `service` runs all of
them. `energy_platform.feeds` talks to the providers.
"""

from energy_platform.ingest.collector.service import collect

__all__ = ["collect"]
