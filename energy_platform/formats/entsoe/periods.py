"""How the numbered positions of a Period lie in time; days and longer follow a calendar."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from lxml import etree

from energy_platform.errors import ParseError
from energy_platform.formats.entsoe.elements import as_instant, text_of

_RESOLUTION: Final = re.compile(r"PT(\d{1,4})([HM])|P(\d{1,3})([DWMY])")
_CALENDAR_UNITS: Final = {"D": "d", "W": "w", "M": "mo", "Y": "y"}
_LONGEST: Final = timedelta(days=11 * 366)
"""A longer period by days would be a list of more than four thousand edges."""
_CALENDARS: Final = ("Europe/Brussels", "Europe/Helsinki", "Europe/London", "UTC")
"""Time zones at whose midnights the days and months of a document may begin."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How the positions of a Period, counted from 1, lie in time.

    Attributes:
        resolution: The length of a position, as ENTSO-E writes it; in minutes where it may write
            hours.
        start: Start of the first position (UTC).
        length: The number of positions.
        step: The length of a position; None for days and longer, which follow a calendar.
        edges: For these, the positions' starts and the last one's end (UTC).
    """

    resolution: str
    start: datetime
    length: int
    step: timedelta | None = None
    edges: list[datetime] | None = None

    def columns(self) -> dict[str, object]:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def at(self, position: int) -> datetime | None:
        """Return the start of a position.

        The position after the last gives the end, any other None.
        """
        if not 1 <= position <= self.length + 1:
            return None
        if self.step is not None:
            return self.start + (position - 1) * self.step
        return self.edges[position - 1] if self.edges else None


def timing(period: etree._Element) -> Timing:
    """Return how a Period's positions lie in time.

    Raises:
        ParseError: The Period has no interval, or one that its resolution doesn't divide.
    """
    start, end = _interval(period)
    name = text_of(period, "resolution") or ""
    match = _RESOLUTION.fullmatch(name)
    if match is None or end <= start:
        raise ParseError(f"a period from {start} to {end} by {name or 'no resolution'}")
    count, unit, days, calendar_unit = match.groups()
    if unit is None:
        edges = _calendar_edges(start, end, f"{int(days)}{_CALENDAR_UNITS[calendar_unit]}")
        return Timing(name, start, len(edges) - 1, edges=edges)
    step = timedelta(minutes=int(count) * (60 if unit == "H" else 1))
    if not step or (end - start) % step:
        raise ParseError(f"a period from {start} to {end} is no multiple of {name}")
    return Timing(f"PT{step // timedelta(minutes=1)}M", start, (end - start) // step, step=step)


def extent_of(periods: Sequence[etree._Element]) -> dict[str, object]:
    """Return the start and end that periods give, as far as they can be read."""
    edges = [_edges(period) for period in periods]
    return {
        "delivery_start": min((start for start, _ in edges if start), default=None),
        "delivery_end": max((end for _, end in edges if end), default=None),
        "resolution": text_of(periods[0], "resolution") if periods else None,
    }


def _edges(period: etree._Element) -> tuple[datetime | None, datetime | None]:
    try:
        return _interval(period)
    except ParseError:
        return None, None


def _interval(period: etree._Element) -> tuple[datetime, datetime]:
    start, end = (
        as_instant(text_of(period, f"timeInterval/{edge}"), edge) for edge in ("start", "end")
    )
    return start, end


def _calendar_edges(start: datetime, end: datetime, interval: str) -> list[datetime]:
    """Return the starts of a Period's steps and its end, in the zone where both are midnights."""
    if end - start > _LONGEST:
        raise ParseError(f"a period from {start} to {end} by {interval} is too long")
    for zone in _CALENDARS:
        first, last = (at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in (start, end))
        if first.time() == last.time() == time():
            local = pl.datetime_range(first, last, interval, time_zone=zone, eager=True)
            edges: list[datetime] = local.dt.convert_time_zone("UTC").to_list()
            if edges[-1] == end:
                return edges
    raise ParseError(f"a period from {start} to {end} is no multiple of {interval} in any zone")
