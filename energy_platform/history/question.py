"""A question about a table of revisions, as a value that every warehouse can answer.

Delta Lake answers it with `history.revisions` over a scan, BigQuery with SQL; both give the same
rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from energy_platform.history.knowledge_time import KnowledgeTime
from energy_platform.market.instants import utc
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN

Run = datetime | Literal["latest"]
"""One run of a forecast by its reference time, or the latest known run for each valid time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which rows of a table are wanted, and in which revision: one row per key.

    Attributes:
        table: The table; its key tells one fact from another.
        revision: The column in which the provider numbers revisions, if there is one.
        start: Only rows whose event time is at or after this instant.
        end: Only rows whose event time is before this instant.
        known: The moment by which a row had to be received to count; now, if None.
        run: Only this run of a forecast, or the latest of each valid time; every run, if None.
    """

    table: Table
    revision: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    known: KnowledgeTime | None = None
    run: Run | None = None

    def __post_init__(self) -> None:
        """Take every instant in UTC: no store compares instants of two time zones."""
        for name in ("start", "end", "run"):
            value = getattr(self, name)
            if isinstance(value, datetime):
                object.__setattr__(self, name, utc(value))

    @property
    def key(self) -> Sequence[str]:
        """The columns that tell one fact from another."""
        return self.table.key

    @property
    def event_time(self) -> str:
        """The column that says when the fact holds."""
        return self.table.event_time

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The columns of the answer; the column that marks a withdrawn row is left out."""
        return {name: dtype for name, dtype in self.table.dtypes.items() if name != WITHDRAWN}

    @property
    def facts_move(self) -> bool:
        """Whether a revision may move a fact to another time.

        If so, a revision must be compared with the one that it replaced, wherever both are in time,
        before the facts between `start` and `end` are known.
        """
        return self.event_time not in self.key
