"""Keeps the statements of a timeline that clients ask for again and again.

Clients ask for windows that overlap. What is stated of a slot never changes, so it is worked out a
stretch of slots at a time, and kept for the next question. What a client may see of it is decided
elsewhere.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

_LONGEST: Final = timedelta(days=1)
_SLOTS: Final = 96
"""How many slots a stretch has, unless it is longer than the longest."""
_KEPT_ROWS: Final = 20_000
"""How many rows are kept: about two megabytes."""

_Key = tuple[tuple[tuple[str, object], ...], int]
"""The series' columns that are asked for, and the number of the stretch since 1970."""


class KeptStretches:
    """The statements of one timeline, some of them kept.

    Args:
        stated: Works out all statements about the slots that start in [start, end), of the series
            with some columns; see `Timeline.stated`.
        resolution: The length of a slot.
    """

    def __init__(self, stated: Callable[..., pl.DataFrame], resolution: timedelta) -> None:
        self._stated = stated
        self._seconds = min(_LONGEST, _SLOTS * resolution).total_seconds()
        self._kept: OrderedDict[_Key, pl.DataFrame] = OrderedDict()
        self._rows = 0

    def over(self, start: datetime, end: datetime, wanted: Mapping[str, object]) -> pl.DataFrame:
        """Return all statements about the slots of the stretches that touch [start, end).

        Sorted by series, slot and revision.
        """
        first = math.floor(start.timestamp() / self._seconds)
        behind = max(math.ceil(end.timestamp() / self._seconds), first + 1)
        columns = tuple(sorted(wanted.items()))
        keys = [(columns, number) for number in range(first, behind)]
        missing = [number for _, number in keys if (columns, number) not in self._kept]
        fresh: dict[_Key, pl.DataFrame] = {}
        if missing:
            parts = self._worked_out(missing[0], missing[-1] + 1, wanted)
            fresh = {(columns, number): part for number, part in parts.items()}
        found = [fresh[key] if key in fresh else self._kept[key] for key in keys]
        self._keep(fresh)
        return found[0] if len(found) == 1 else pl.concat(found).sort("series", "slot", "revision")

    def _worked_out(
        self, first: int, behind: int, wanted: Mapping[str, object]
    ) -> dict[int, pl.DataFrame]:
        """Return the statements of stretches that follow one another, by number."""
        start, end = (
            datetime.fromtimestamp(number * self._seconds, UTC) for number in (first, behind)
        )
        stated = self._stated(start, end, **wanted)
        if behind - first == 1:
            return {first: stated}
        number = pl.col("slot").dt.epoch("s").floordiv(int(self._seconds))
        parts = stated.with_columns(stretch=number).partition_by(
            "stretch", as_dict=True, include_key=False
        )
        return {number: parts.get((number,), stated.clear()) for number in range(first, behind)}

    def _keep(self, fresh: Mapping[_Key, pl.DataFrame]) -> None:
        for key, part in fresh.items():
            replaced = self._kept.pop(key, None)
            self._rows += part.height - (0 if replaced is None else replaced.height)
            self._kept[key] = part
        while self._rows > _KEPT_ROWS:
            _, oldest = self._kept.popitem(last=False)
            self._rows -= oldest.height
