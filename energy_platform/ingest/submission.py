"""Positions before they are handed in: what is wrong with which line.

What is handed in by hand is judged by the same parser and checks, row by row, once it has landed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.formats.positions import COLUMNS, LINE, OPTIONAL, read
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.row_verdicts import split

MOST_FAULTS: Final = 200
"""How many faults are told, those of the first lines."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line.

    Attributes:
        line: The line of a CSV document, or the number of a JSON record, from 1.
        column: The column, if it is one alone.
        reason: Why the row is refused.
    """

    line: int
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A document of positions that could be read.

    Attributes:
        rows: How many rows it has.
        portfolios: The portfolios that it names, those of wrong rows too.
        faults: What is wrong with it.
    """

    rows: int
    portfolios: Sequence[str]
    faults: Sequence[Fault]

    @property
    def complaint(self) -> str:
        """What is wrong, in one line."""
        first = self.faults[0]
        return (
            f"{len(self.faults)} of {self.rows} rows are wrong; line {first.line}: {first.reason}"
        )


def examined(
    source: MarketSource, message: RawMessage, *, only_by: str | None = None
) -> Submission:
    """Return what a document says and what is wrong with it.

    Args:
        source: The source of positions.
        message: The document.
        only_by: Who alone may have changed the rows; None if anybody may.

    Raises:
        ParseError: It is no such document.
    """
    read_rows = read(message)
    told = read_rows.filter(pl.col(REFUSED).is_not_null()).select(LINE, reason=REFUSED)
    good = read_rows.filter(pl.col(REFUSED).is_null())
    placed = good.with_columns(
        received_at=pl.lit(message.received_at, dtype=source.dtypes["received_at"]),
        landing_offset=LINE,
    ).select(*source.dtypes)
    failing = split(source, placed).failing.select("reason", line="landing_offset")
    by = good.filter(pl.col("changed_by") != (only_by or pl.col("changed_by")))
    strangers = by.select(
        LINE, reason=pl.format("changed_by '{}' is not you: leave it out", "changed_by")
    )
    wrong = pl.concat([told, failing.select(LINE, "reason"), strangers]).sort(LINE)
    faults = [Fault(line, _column(why), why) for line, why in wrong.head(MOST_FAULTS).rows()]
    named = read_rows["portfolio"].drop_nulls().unique().sort().to_list()
    return Submission(read_rows.height, named, faults)


def _column(reason: str) -> str | None:
    """Return the column with which a reason begins."""
    first = reason.partition(" ")[0].rstrip(":")
    return first if first in (*COLUMNS, *OPTIONAL) else None
