"""What every hot store promises, whichever system implements it.

A hot store keeps the latest value per series and time for dashboards, for days and not for years.
The warehouse is the truth, and the hot store can be made again from it. Writing the same points
twice changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

import polars as pl

REASON: Final = "refused_because"
"""The column that says why a point was refused."""

Tags = Mapping[str, Collection[str]]
"""Which series are meant: values of some tags; a tag that is not named may have any value."""

ANY_SERIES: Final[Tags] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A family of series that share tags and fields, one per market source.

    Attributes:
        name: The measurement's name: the source's.
        tags: String columns that name a series.
        fields: Columns of a point's values, with their types.
        time: The column that dates a point.
    """

    name: str
    tags: tuple[str, ...]
    fields: dict[str, pl.DataType]
    time: str


class HotStore(Protocol):
    """A store of points, overwritten by (measurement, tags, time).

    Points are written first, and the offset that they reach afterwards: a process that dies in
    between writes the same points again. Every method but `close` may raise
    `HotStoreUnavailableError` if the system can be down.
    """

    def committed_offset(self, measurement: Measurement) -> int:
        """Return the landing offset up to which points have been written; 0 at first.

        It is 0 too after tags or fields have changed, since the points must then be made again.
        """

    def write(self, measurement: Measurement, points: pl.DataFrame, *, stop: int) -> pl.DataFrame:
        """Write points and return those that the store refuses for good.

        A point replaces the whole point with the same tags and time, its null fields included,
        unless that one was written with a greater `stop`. Of equal points in `points` the last one
        counts. A null tag becomes the empty string, and a number that isn't finite becomes null.

        Args:
            measurement: The measurement; it is emptied if its tags or fields have changed.
            points: The time column, tags and fields; other columns are not stored.
            stop: The landing offset up to which the points' writer had read.

        Returns:
            The refused points with all their columns, and the reason in `REASON`; the others are
                written.

        Raises:
            ValueError: A point has no time, or the measurement can't be stored.
        """

    def commit_offset(self, measurement: Measurement, *, stop: int) -> None:
        """Record that all points before this landing offset are written; it never decreases."""

    def read(
        self,
        measurement: Measurement,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        tags: Tags = ANY_SERIES,
    ) -> pl.DataFrame:
        """Return points with start <= time < end, ordered by tags and time.

        Points whose fields are all null are left out.

        Args:
            measurement: The measurement.
            start: The earliest time.
            end: The time before which points are read.
            tags: Only series whose tags have one of these values each.
        """

    def latest(
        self,
        measurement: Measurement,
        *,
        at: datetime | None = None,
        tags: Tags = ANY_SERIES,
    ) -> pl.DataFrame:
        """Return the point that holds of each series at an instant, ordered by tags.

        It is the newest point with a value that has begun by then. So the point of a forward curve
        is the present period's, not tomorrow's last one; a series that has not begun has none.

        Args:
            measurement: The measurement.
            at: The instant; by the wall clock, unless given.
            tags: Only series whose tags have one of these values each.
        """

    def empty_points(self, measurement: Measurement) -> int:
        """Return how many points have no value in any field; they aren't read back."""

    def clear(self, measurement: Measurement) -> None:
        """Remove every point of the measurement and forget its offset."""

    def expire(self, measurement: Measurement, *, before: datetime) -> int:
        """Remove points older than `before`; return how many."""

    def compact(self, measurements: Sequence[Measurement]) -> int:
        """Keep to the store's bound in bytes, and give the disk back what is free.

        Where there is too much, the oldest points of all measurements go; returns how many. The
        measurements' offsets stay as they are.
        """

    def close(self) -> None:
        """Close files and connections; the next call opens them again."""
