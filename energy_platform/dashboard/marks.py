"""Which rows have a newer value in quarantine, and why it was refused.

A refused value belongs to the row that stands where it would: of the same series, the last one
that is not after it. It is a mark on that row if it came after it. What the refused row does not
state of its series counts as any. A source's quarantine is read once for all who ask, when it has
changed.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.quarantine import refused_values
from energy_platform.pipeline.tables import quarantine_table
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_FRESH_SECONDS: Final = 2.0
"""For how long a quarantine counts as unchanged."""
_LATELY: Final = timedelta(days=7)
_MOST_LINES: Final = 20_000
"""How many refused values of a source are looked at, the newest."""
MARK_COLUMNS: Final = ("reason", "check", "at", "landing_offset", "moment")
NUMBER: Final = "_row"


@dataclass(frozen=True, slots=True)
class Standing:
    """How rows stand for a source's series.

    Attributes:
        source: The source.
        by: For each tag of the series that rows have, their column.
        only: The tags that all rows have in common, and their values.
        moment: The rows' column that dates them; None if each row stands for now.
    """

    source: str
    by: Mapping[str, str]
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    moment: str | None = None

    @classmethod
    def of(cls, source: MarketSource) -> "Standing":
        """Return how the rows of a source's own table stand."""
        return cls(source.name, {tag: tag for tag in source.tags}, moment=source.event_time)


class Quarantine:
    """The refused values of all sources. Threads may share it.

    Args:
        warehouse: Has the quarantine.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Position, pl.DataFrame]] = {}

    def of(self, name: str) -> pl.DataFrame:
        """Return a source's refused values, the same frame until there are others.

        Columns: the source's tags, as texts, and `MARK_COLUMNS`.

        Raises:
            WarehouseUnavailableError: The warehouse does not answer.
        """
        source = market_source(name)
        with self._lock:
            looked_at, position, lines = self._known.get(name, (float("-inf"), None, None))
            now = time.monotonic()
            if lines is not None and now - looked_at < _FRESH_SECONDS:
                return lines
            reached = self._warehouse.position(quarantine_table(source))
            if lines is None or reached != position:
                lines = self._read(source)
            self._known[name] = (now, reached, lines)
            return lines

    def _read(self, source: MarketSource) -> pl.DataFrame:
        lines = self._warehouse.scan(quarantine_table(source))
        newest = pl.col("received_at").max() - _LATELY
        lately = lines.filter(pl.col("row").is_not_null(), pl.col("received_at") >= newest)
        refused = refused_values(source, lately.sort("received_at").tail(_MOST_LINES).collect())
        if source.entitlement is not None:
            # A value that does not say whose it is must not be told to everybody.
            refused = refused.filter(pl.col(source.entitlement).is_not_null())
        return refused.select(
            *(pl.col(tag).cast(pl.String) for tag in source.tags),
            *MARK_COLUMNS[:2],
            at="received_at",
            landing_offset="landing_offset",
            moment=source.event_time,
        )


def marks(
    rows: pl.DataFrame, refused: pl.DataFrame, standing: Standing, until: datetime | None
) -> pl.DataFrame:
    """Return the marks of rows, with the number of each row in `_row`.

    Args:
        rows: The rows, with `received_at`.
        refused: The refused values of their source.
        standing: How the rows stand.
        until: Values of this moment or later don't count yet.
    """
    if until is not None:
        refused = refused.filter((pl.col("moment") < until) | pl.col("moment").is_null())
    for tag, values in standing.only.items():
        refused = refused.filter(pl.col(tag).is_in(list(values)) | pl.col(tag).is_null())
    if refused.is_empty() or rows.is_empty():
        return pl.DataFrame()
    moment = pl.lit(None, dtype=INSTANT) if standing.moment is None else pl.col(standing.moment)
    stand = rows.with_row_index(NUMBER).select(
        *(pl.col(column).cast(pl.String).fill_null("").alias(tag)
          for tag, column in standing.by.items()),
        NUMBER,
        since=moment.cast(INSTANT).fill_null(_EPOCH),
        came_at=pl.col("received_at").cast(INSTANT),
    )  # fmt: skip
    tags = list(standing.by)
    placed = _in_each_series(refused, stand, tags).with_columns(
        # A value without a moment is one of now.
        placed=pl.col("moment").fill_null(pl.lit(_END)),
    )
    found = placed.sort("placed").join_asof(
        stand.sort("since"), left_on="placed", right_on="since", by=tags or None,
        check_sortedness=False,
    ) if standing.moment is not None else placed.join(
        stand, on=tags or None, how="inner" if tags else "cross"
    )  # fmt: skip
    newer = found.filter(pl.col("at") > pl.col("came_at"))
    return newer.sort("at").unique(NUMBER, keep="last").select(NUMBER, *MARK_COLUMNS)


def row_marks(
    rows: Sequence[Mapping[str, Any]], refused: pl.DataFrame, standing: Standing, now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the mark of each of a topic's rows that has one, by the row's id."""
    known = [row for row in rows if row.get("received_at") is not None]
    columns = dict.fromkeys([*standing.by.values(), "received_at"])
    if standing.moment is not None:
        columns[standing.moment] = None
    frame = pl.DataFrame({name: [row.get(name) for row in known] for name in columns}, strict=False)
    found = marks(frame, refused, standing, now)
    return {
        known[number]["id"]: dict(zip(MARK_COLUMNS, mark, strict=True))
        for number, *mark in found.iter_rows()
    }


def _in_each_series(
    refused: pl.DataFrame, stand: pl.DataFrame, tags: Sequence[str]
) -> pl.DataFrame:
    """Return the refused values once for each series that they may be of."""
    series = stand.select(tags).unique()
    if not tags:
        return refused.select(MARK_COLUMNS)
    parts = []
    for [*is_stated], lines in refused.group_by(pl.col(tag).is_not_null() for tag in tags):
        stated = [tag for tag, said in zip(tags, is_stated, strict=True) if said]
        if stated:
            parts.append(
                lines.select(*stated, *MARK_COLUMNS)
                .join(series, on=stated)
                .select(*tags, *MARK_COLUMNS)
            )
    return pl.concat(parts) if parts else refused.clear().select(*tags, *MARK_COLUMNS)


_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_END: Final = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
