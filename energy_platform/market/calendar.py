"""Market calendars: which local day an instant belongs to, and when that day begins.

The days of power begin at midnight of a time zone, the gas day at six o'clock. Each question has
two answers here, one for Python's values and one for polars' columns; they agree, also on days of
23 and of 25 hours. `wall_clock` reads what a user writes, `delivery_periods` counts periods.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.instants import INSTANT

GAS_DAY: Final = "Europe/Gas_Day"
"""The name, where a time zone is asked for, of the gas day of the European Union."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days that begin at one time of day of one time zone.

    Attributes:
        zone: The time zone whose clocks are meant.
        begins: The time of day at which a day begins; the day has the date of its beginning.
    """

    zone: str
    begins: timedelta = timedelta()

    def date_of(self, instant: pl.Expr) -> pl.Expr:
        """Return the date of the day that an instant belongs to."""
        return (self.local(instant) - self.begins).dt.date()

    def local(self, instant: pl.Expr) -> pl.Expr:
        """Return what the clocks show at an instant, without a time zone."""
        return instant.dt.convert_time_zone(self.zone).dt.replace_time_zone(None)

    def start_of(self, day: pl.Expr) -> pl.Expr:
        """Return the UTC instant at which a day begins.

        If clocks show the time twice, the first one counts. If they skip it, the day begins when
        they are put forward.
        """
        shown = day.cast(pl.Datetime("us")) + self.begins
        # The clocks showed the time a day before, 24 hours ago; then they skipped it.
        return pl.coalesce(self._instant(shown), self._instant(shown - _DAY) + _DAY)

    def start(self, day: date) -> datetime:
        """Return the UTC instant at which a day begins.

        Raises:
            UsageError: The time zone has no such day: it skipped a whole one.
        """
        shown = datetime.combine(day, time()) + self.begins
        try:
            start = shown.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
            local = (start.astimezone(ZoneInfo(self.zone)) - self.begins).date()
        except OverflowError:
            raise UsageError(f"{day} is beyond the calendar") from None
        if local != day:
            raise UsageError(f"there is no {day} in {self.zone}")
        return start

    def _instant(self, shown: pl.Expr) -> pl.Expr:
        local = shown.dt.replace_time_zone(self.zone, ambiguous="earliest", non_existent="null")
        return local.dt.convert_time_zone("UTC").cast(INSTANT)


@cache
def calendar(zone: str) -> Calendar:
    """Return the calendar of a time zone's name, or of `Europe/Gas_Day`.

    Sources ask for theirs when they are imported, before processes fork, so polars must not begin
    to work here.

    >>> calendar("Europe/Gas_Day").start(date(2026, 3, 29)).isoformat()
    '2026-03-29T04:00:00+00:00'

    Raises:
        UsageError: There is no such time zone.
    """
    if zone == GAS_DAY:
        return Calendar("Europe/Berlin", begins=timedelta(hours=6))
    try:
        ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):
        raise no_zone(zone) from None
    return Calendar(zone)


def no_zone(zone: str) -> UsageError:
    """Return the error that says that a name is no time zone's."""
    return UsageError(f"{zone!r} is no time zone; write Europe/Berlin, UTC or {GAS_DAY}")
