"""What a store must know of a table before it can make it, in no store's own terms.

How a market source becomes a table is the business of `energy_platform.pipeline.tables`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from energy_platform.market.whole_list import WITHDRAWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a warehouse must know of a table before it can make it.

    Attributes:
        name: The table's name; may have a folder, e.g. `quarantine/ote_day_ahead_price`.
        dtypes: Columns and their polars types, `landing_offset` among them.
        event_time: The instant column by which reads are pruned.
        key: Columns that tell one fact from another; rows are stored near others of their key.
        description: What the table holds, for people.
        descriptions: What each column holds, its unit included.
        labels: What a table is found and billed by, e.g. its provider.
        is_large: Whether a query that reads it without a bound on `event_time` is a mistake.
    """

    name: str
    dtypes: dict[str, pl.DataType]
    event_time: str
    key: tuple[str, ...] = ()
    description: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_large: bool = False

    @property
    def has_withdrawals(self) -> bool:
        """Whether a row can say that it is no longer listed."""
        return WITHDRAWN in self.dtypes
