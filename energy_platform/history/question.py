"""A question about a table of revisions, as a value that every warehouse can answer.

Delta Lake answers it with `history.revisions` over a scan, BigQuery with SQL; both give the same
rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import polars as pl

from energy_platform.history.knowledge_time import KnowledgeTime
from energy_platform.market.instants import OUR_TIME, utc
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN

MOVED_BY: Final = timedelta(days=2)
"""How far a revision moves a fact in time at most."""

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
        facts_stay: Whether a revision never moves a fact to another time, though the key doesn't
            say the time; see `MarketSource.facts_move`.
    """

    table: Table
    revision: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    known: KnowledgeTime | None = None
    run: Run | None = None
    facts_stay: bool = False

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
        """Whether a revision may move a fact to another time, by `MOVED_BY` at most.

        If so, the facts between `start` and `end` are known only once their revisions before and
        after are compared too.
        """
        return self.event_time not in self.key and not self.facts_stay

    @property
    def reach(self) -> tuple[datetime, datetime]:
        """The first and the last event time of rows that can be a revision of a wanted fact."""
        first, last = OUR_TIME
        margin = MOVED_BY if self.facts_move else timedelta()
        start = first if self.start is None else max(first, self.start - margin)
        end = last if self.end is None else min(last, self.end + margin)
        return start, end

    @property
    def is_bounded(self) -> bool:
        """Whether only some event times are asked for."""
        return self.start is not None or self.end is not None
