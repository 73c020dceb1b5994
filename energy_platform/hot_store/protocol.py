"""The hot store's promises, whichever system keeps them.

The latest value per series and time, for dashboards: days, not years. Never the truth; it can be
made again from the warehouse. Writing the same points twice changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A family of series that share tags and fields, one per market source.

    Attributes:
        name: The measurement's name: the source's.
        tags: String columns that name a series.
        fields: Columns and types that a point holds.
        time: The column that dates a point.
    """

    name: str
    tags: tuple[str, ...]
    fields: dict[str, pl.DataType]
    time: str


class HotStore(Protocol):
    """A store of points, overwritten by (measurement, tags, time)."""

    def committed_offset(self, measurement: Measurement) -> int:
        """Return the landing offset up to which points have been written; 0 at first."""

    def write(self, measurement: Measurement, points: pl.DataFrame, *, stop: int) -> None:
        """Write points (the time column, tags, fields) and note the landing offset they reach."""

    def read(
        self,
        measurement: Measurement,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        """Return points with start <= time < end, ordered by tags and time."""

    def latest(self, measurement: Measurement) -> pl.DataFrame:
        """Return the newest point of each series."""

    def clear(self, measurement: Measurement) -> None:
        """Remove every point of the measurement and forget its offset."""

    def expire(self, measurement: Measurement, *, before: datetime) -> int:
        """Remove points older than `before`; return how many."""
