"""What a reader must know of a table: of a market source, or of a mart.

Reading asks only this, and never a source's module, which brings its feed and its parser along.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from typing import Literal

import polars as pl

from energy_platform.errors import UnknownSourceError
from energy_platform.history.revisions import RUN
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.publication import DailyPublication
from energy_platform.market.registry import broken_sources, market_source, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.marts.catalogue import Mart, marts
from energy_platform.pipeline.tables import market_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One market source, or one mart.

    Attributes:
        kind: A provider's table, or one built from others.
        columns: The table's columns with types, units and descriptions.
        table: The table in the warehouse, with its name, key and event time.
        revision: The column in which the provider numbers revisions, if there is one.
        publication: When values are due, if not all day long.
        expected_lag: How old the newest data may be before they are late; with `publication`, how
            long after its time. None for a mart.
        facts_move: Whether a revision may move a fact to another event time.
    """

    kind: Literal["source", "mart"]
    columns: tuple[ColumnInfo, ...]
    table: Table
    revision: str | None = None
    publication: DailyPublication | None = None
    expected_lag: timedelta | None = None
    facts_move: bool = False

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return self.table.name.rpartition("/")[2]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell one fact from another."""
        return self.table.key

    @property
    def event_time(self) -> str:
        """The column that says when the fact holds."""
        return self.table.event_time

    @property
    def dtypes(self) -> Mapping[str, pl.DataType]:
        """The table's columns and their polars types, in order."""
        return self.table.dtypes

    @property
    def has_runs(self) -> bool:
        """Whether it is a forecast, whose rows belong to runs."""
        return RUN in self.key


def dataset(name: str) -> Dataset:
    """Return the market source or the mart of this name.

    Raises:
        UnknownSourceError: There is none; the message names a similar one, or says what is wrong
            with the source's file.
    """
    if name in marts():
        return _of_mart(marts()[name])
    is_broken = any(broken.name == name for broken in broken_sources())
    if is_broken or name in market_sources():
        return source_dataset(market_source(name))
    near = get_close_matches(name, [*market_sources(), *marts()], n=1)
    hint = f"did you mean {near[0]}?" if near else "see `energy-platform catalog`"
    raise UnknownSourceError(f"unknown source {name!r}; {hint}")


@cache
def source_dataset(source: MarketSource) -> Dataset:
    """Return what a reader must know of a market source."""
    return Dataset(
        kind="source",
        columns=source.columns,
        table=market_table(source),
        revision=source.revision,
        publication=source.publication,
        expected_lag=source.expected_lag,
        facts_move=source.facts_move,
    )


def _of_mart(mart: Mart) -> Dataset:
    return Dataset(kind="mart", columns=mart.columns, table=mart.table)
