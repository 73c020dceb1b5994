"""A question about a table of revisions, as a value that every warehouse can answer.

Delta Lake answers by `history.revisions` over its scan, BigQuery by SQL; both give the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from energy_platform.history.knowledge_time import KnowledgeTime
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN

Run = datetime | Literal["latest"]
"""A forecast's run by its reference time, or for each valid time the latest that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which rows of a table, in which of their revisions: one row per key.

    Attributes:
        table: Whose rows; its key tells one fact from another.
        revision: The column in which the provider numbers revisions, if there is one.
        start: Only rows whose event time is not before.
        end: Only rows whose event time is before.
        known: By when a row had to be received to count; now, if None.
        run: Of a forecast only this run, or the latest of each valid time; every run, if None.
    """

    table: Table
    revision: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    known: KnowledgeTime | None = None
    run: Run | None = None

    @property
    def key(self) -> Sequence[str]:
        """The columns that tell one fact from another."""
        return self.table.key

    @property
    def event_time(self) -> str:
        """The column that says when a fact holds."""
        return self.table.event_time

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The columns of the answer: a row that is withdrawn is no part of it."""
        return {name: dtype for name, dtype in self.table.dtypes.items() if name != WITHDRAWN}

    @property
    def facts_move(self) -> bool:
        """Whether a revision may move a fact to another time.

        Then the revision that was replaced must be seen beside the one that replaced it, wherever
        each of them is, before it can be said which facts are between `start` and `end`.
        """
        return self.event_time not in self.key
