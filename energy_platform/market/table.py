"""The description of a table that every store understands.

`energy_platform.pipeline.tables` turns a market source into such a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from energy_platform.market.whole_list import WITHDRAWN

PROVENANCE_COLUMNS: Final = ("received_at", "landing_offset")
"""Columns that say where a row came from; the market did not send them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a warehouse must know of a table to create it.

    Attributes:
        name: The table's name; may have a folder, e.g. `quarantine/ote_day_ahead_price`.
        dtypes: Columns and their polars types, `landing_offset` among them.
        event_time: The column of instants by which reads are pruned.
        key: Columns that tell one fact from another; rows are stored near others of their key.
        description: What the table holds, for people.
        descriptions: What each column holds, its unit included.
        labels: Labels by which a table is found and billed, e.g. its provider.
        is_large: Whether a query without a bound on `event_time` is a mistake.
    """

    name: str
    dtypes: dict[str, pl.DataType]
    event_time: str
    key: tuple[str, ...] = ()
    description: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_large: bool = False

    def of_stored(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return stored rows in the table's columns; one that was not stored yet is null."""
        lacking = self.dtypes.keys() - set(rows.collect_schema())
        nulls = (pl.lit(None, dtype=self.dtypes[name]).alias(name) for name in sorted(lacking))
        return rows.with_columns(nulls).select(*self.dtypes)

    @property
    def has_withdrawals(self) -> bool:
        """Whether a row can say that it is no longer listed."""
        return WITHDRAWN in self.dtypes
