"""The gate of a signal: by when a decision about a delivery is made."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

import polars as pl

from energy_platform.history.knowledge_time import KnowledgeTime, knowledge_time

DELIVERY: Final = pl.col("delivery_start")


@dataclass(frozen=True)
class Gate:
    """The moment at which a delivery is decided about; what is known later counts for nothing.

    Attributes:
        as_of: A lead time before delivery, or a daily moment before the day of delivery, such as
            "D-1 14:00 Europe/Berlin", as `ep.scan` takes them.

    Raises:
        UsageError: It is neither, or looks ahead.
    """

    as_of: str | timedelta

    def __post_init__(self) -> None:
        """Refuse what is no gate."""
        _ = self.moment

    @cached_property
    def moment(self) -> KnowledgeTime:
        """The gate as a moment of knowledge."""
        return knowledge_time(self.as_of)

    def of(self, delivery_start: pl.Expr = DELIVERY) -> pl.Expr:
        """Return the gate of each delivery, an instant."""
        return self.moment.known_by(delivery_start)

    def __str__(self) -> str:
        """Return it in words.

        >>> str(Gate(timedelta(minutes=60))), str(Gate("D-1 14:00 Europe/Berlin"))
        ('60 min before delivery', 'D-1 14:00 Europe/Berlin')
        """
        if isinstance(self.as_of, str):
            return self.as_of
        return f"{self.as_of / timedelta(minutes=1):.0f} min before delivery"
