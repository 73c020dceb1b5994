"""A market source's table, quarantine and measurement, as the stores know them.

Only this module turns a source's contract into the stores' terms, once per source.
"""

from functools import cache
from typing import Final

import polars as pl

from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.instants import INSTANT
from energy_platform.market.quantity import Quantity
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN
from energy_platform.storage.hot_store.protocol import Measurement

QUARANTINE_DTYPES: Final[dict[str, pl.DataType]] = {
    "landing_offset": pl.Int64(),
    "received_at": INSTANT,
    "check": pl.String(),
    "reason": pl.String(),
    "row": pl.String(),
}
"""One line per failed row (as JSON), or per message that could not be parsed (`row` is null)."""

_QUARANTINE_DESCRIPTIONS: Final = {
    "landing_offset": "Address of the message in the landing log",
    "received_at": "When the platform received the message",
    "check": "The check that failed",
    "reason": "Why",
    "row": "The row as JSON; null where the message could not be parsed",
}

_LARGE_GROUPS: Final = {MarketGroup.INTRADAY, MarketGroup.WEATHER}
"""Order books and model runs: millions of rows a day."""


_WITHDRAWALS: Final = ColumnInfo(
    name=WITHDRAWN,
    type="Boolean",
    unit=None,
    description="Whether a newer list no longer has the row; null in rows of before there was this",
    nullable=True,
    quantity=Quantity.FLAG,
)


def table_columns(source: MarketSource) -> tuple[ColumnInfo, ...]:
    """Return the columns of a source's table, with the one that marks withdrawn rows."""
    return (*source.columns, *([_WITHDRAWALS] if source.whole_list is not None else []))


@cache
def market_table(source: MarketSource) -> Table:
    """Return the warehouse table of a source: every revision of every row."""
    withdrawals = {} if source.whole_list is None else {WITHDRAWN: pl.Boolean()}
    return Table(
        name=source.name,
        dtypes={**source.dtypes, **withdrawals},
        event_time=source.event_time,
        key=source.key,
        description=source.description,
        descriptions={column.name: column.described for column in table_columns(source)},
        labels=_labels(source),
        is_large=source.group in _LARGE_GROUPS,
    )


@cache
def quarantine_table(source: MarketSource) -> Table:
    """Return the table of a source's failed rows and messages."""
    return Table(
        name=f"quarantine/{source.name}",
        dtypes=QUARANTINE_DTYPES,
        event_time="received_at",
        key=("check",),
        description=f"What the checks of {source.name} refused, and why.",
        descriptions=_QUARANTINE_DESCRIPTIONS,
        labels=_labels(source),
    )


def _labels(source: MarketSource) -> dict[str, str]:
    return {
        "provider": source.provider.name,
        "market_group": source.group,
        "protocol": source.feed.protocol,
    }


@cache
def measurement(source: MarketSource) -> Measurement:
    """Return the hot store's measurement of a source."""
    return Measurement(
        name=source.name,
        tags=source.tags,
        fields={name: source.dtypes[name] for name in source.fields},
        time=source.event_time,
    )
