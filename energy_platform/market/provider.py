"""A provider, and how often it may be asked: one value that all its feeds share.

Nothing here sends or waits. A source's module says which provider it belongs to; a provider of
several sources is a value in the module of their common format.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests within so long."""

    requests: int
    per: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who publishes, and what it allows to all its feeds together.

    Attributes:
        name: The provider, as it writes itself.
        rates: Every one of them holds at the same time.
        ban: How long to stay away after "too many requests" that doesn't say how long.
    """

    name: str
    rates: tuple[Rate, ...] = (Rate(1),)
    ban: timedelta = timedelta(minutes=1)
