"""A question about a table of revisions, as a value that every warehouse can answer.

Delta Lake answers it with `history.revisions` over a scan, BigQuery by the same over the rows that
its SQL chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import polars as pl

from energy_platform.history.knowledge_time import KnowledgeTime
from energy_platform.history.provider_clock import KNOWLEDGE
from energy_platform.market.instants import INSTANT, OUR_TIME, utc
from energy_platform.market.publication import Knowable
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN

MOVED_BY: Final = timedelta(days=2)
"""How far a revision moves a fact in time at most."""

VINTAGE: Final = "vintage"
"""The column of an answer that says which of a question's several moments a row belongs to."""

REVISION_INDEX: Final = "revision_index"
SUPERSEDED_AT: Final = "superseded_at"


@dataclass(frozen=True, slots=True)
class RunSpan:
    """A stretch of knowledge time during which one run of a forecast is the wanted one.

    Attributes:
        run_at: The run.
        since: The first moment.
        until: The moment from which another run is wanted; None if there is none yet.
    """

    run_at: datetime
    since: datetime
    until: datetime | None


Run = datetime | Literal["latest_each"] | tuple[RunSpan, ...]
"""One run of a forecast by its reference time; for each valid time the latest known run that has
it; or the run that is wanted at each moment of knowledge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which rows of a table are wanted, and in which revision: one row per key.

    Attributes:
        table: The table; its key tells one fact from another.
        revision: The column in which the provider numbers revisions, if there is one.
        start: Only rows whose event time is at or after this instant.
        end: Only rows whose event time is before this instant.
        known: The moment by which a row had to be received to count; now, if None.
        run: Which run of a forecast; every run, if None.
        published: The rules of the provider's clock; by our own clock, if None. With them the
            answer has `known_at` and `known_basis`.
        vintages: Several moments instead of `known`; the answer says in `vintage` which one a row
            belongs to, counted from 0.
        every_revision: Whether all revisions known by then are wanted, each with `revision_index`,
            `known_at`, `known_basis` and `superseded_at`; withdrawals are revisions too.
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
    published: tuple[Knowable, ...] | None = None
    vintages: tuple[KnowledgeTime, ...] = ()
    every_revision: bool = False

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
        """The columns of the answer; a withdrawn row is only there among all revisions."""
        dtypes = dict(self.table.dtypes)
        if not self.every_revision:
            dtypes.pop(WITHDRAWN, None)
        if self.says_when_known:
            dtypes |= KNOWLEDGE
        if self.every_revision:
            dtypes |= {REVISION_INDEX: pl.Int64(), SUPERSEDED_AT: INSTANT}
        return dtypes | ({VINTAGE: pl.Int64()} if self.vintages else {})

    @property
    def says_when_known(self) -> bool:
        """Whether each row says from when on it was known."""
        return self.published is not None or self.every_revision

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
        start = first if self.start is None else max(first + margin, self.start) - margin
        end = last if self.end is None else min(last - margin, self.end) + margin
        return start, end

    @property
    def is_bounded(self) -> bool:
        """Whether only some event times are asked for."""
        return self.start is not None or self.end is not None
