"""A provider, and how often it may be asked: one value that all its feeds share.

Nothing here sends or waits. A source's module names its provider. The value of a provider with
several sources is in the module of their common format.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests within a span of time."""

    requests: int
    per: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who publishes, and what it allows to all its feeds together.

    Attributes:
        name: The provider's name, as the provider writes it.
        rates: Limits that all hold at the same time.
        ban: How long to stay away after "too many requests" without a waiting time.
    """

    name: str
    rates: tuple[Rate, ...] = (Rate(1),)
    ban: timedelta = timedelta(minutes=1)
